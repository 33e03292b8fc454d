"""The flags of the benchmarks: what one does not know or cannot use is a line and status 2."""

import pytest

from flags import benchmark


def test_defaults_and_values():
    flags = benchmark.parse(["x", "--quick", "--batch_size=7"], "batch_size", "weights")
    assert (flags.quick, flags.batch_size, flags.weights, flags.json) == (True, 7, "none", None)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--image_dir=x", "--image_dir: no such flag; the flags are --json, --quick, --phase, --batch_size, "),
        ("--phase=sleep", "--phase must be one of transfer, finetune, got 'sleep'"),
        ("--batch_size=0", "--batch_size must be >= 1, got 0"),
        ("--batch_size=x", "flag --batch_size=x: invalid literal"),
        ("--accuracy=80", "--accuracy must be above 0 and at most 1, got 80"),
        ("--backbone_args=[1]", "--backbone_args must be a JSON object, got '[1]'"),
        ("stray", "'stray' is not a flag"),
    ],
)
def test_a_wrong_flag_is_one_line_and_status_2(argument, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        benchmark.parse(["x", argument], "phase", "batch_size", "accuracy", "backbone_args")
    said = capsys.readouterr().err
    assert stopped.value.code == 2
    assert said.startswith(message)
    assert said.count("\n") == 1


def test_help_lists_the_flags_of_that_benchmark_alone(capsys):
    with pytest.raises(SystemExit) as stopped:
        benchmark.parse(["x", "--help"], "tiers")
    assert stopped.value.code == 0
    said = capsys.readouterr().out
    assert "--tiers" in said
    assert "--phase" not in said


def test_a_value_found_wrong_in_use_is_one_line_too(capsys):
    with pytest.raises(SystemExit) as stopped, benchmark.one_line_errors():
        raise ValueError("image_dir must be a folder, got 'x': no such folder")
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "image_dir must be a folder, got 'x': no such folder\n"
