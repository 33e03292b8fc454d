"""The flags of the benchmarks: what one does not know or cannot use is a line and status 2."""

import re

import pytest

from flags import benchmark


def test_defaults_and_values():
    flags = benchmark.parse(["x", "--quick", "--batch_size=7"], "batch_size", "weights")
    assert (flags.quick, flags.batch_size, flags.weights, flags.json) == (True, 7, "none", None)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--image_dir=x", "--image_dir: no such flag; the flags are --json, --quick, --phase, --batch_size, "),
        ("--phase=sleep", "--phase must be one of transfer, finetune, forward, got 'sleep'"),
        ("--batch_size=0", "--batch_size must be >= 1, got 0"),
        ("--batch_size=x", "--batch_size must be a whole number, got 'x'"),
        ("--batch_size", "--batch_size must be a whole number, got no value"),
        ("--quick=maybe", "--quick must be true or false, got 'maybe'"),
        ("--noquick=3", "--noquick takes no value, got '3': write --quick or --noquick"),
        ("--batch-size=3", "--batch-size: no such flag; did you mean --batch_size?"),
        ("--bs=3", "--bs: no such flag; did you mean --batch_size?"),
        ("--accuracy=80", "--accuracy must be notebook, or above 0 and at most 1, got '80'"),
        ("--accuracy=best", "--accuracy must be notebook, or above 0 and at most 1, got 'best'"),
        ("--backbone_args=[1]", "--backbone_args must be a JSON object, got '[1]'"),
        ("stray", "'stray' is not a flag; write --name=value"),
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
        benchmark.parse(["benchmarks/x.py", "--help"], "tiers")
    assert stopped.value.code == 0
    said = capsys.readouterr().out
    assert re.findall(r"^  --(\w+)", said, re.MULTILINE) == ["json", "quick", "tiers"]
    assert "python -m benchmarks.x" in said.splitlines()[0]


def test_a_line_of_help_stands_by_itself_and_states_its_default(capsys):
    with pytest.raises(SystemExit):
        benchmark.parse(["x", "-h"], *(name for name in benchmark._FLAGS if name not in ("json", "quick")))
    said = capsys.readouterr().out
    found = re.findall(r"^  --(\w+) +(.*(?:\n {10,}\S.*)*)", said, re.MULTILINE)
    assert {name for name, _ in found} == set(benchmark._FLAGS)
    for name, text in found:
        description = text.partition("(default")[0]
        assert len(description.split()) >= 3, name
        assert re.search(r"\(default: [^)]+\)$", re.sub(r"\s+", " ", text)), name
    assert max(map(len, said.splitlines())) <= 110
    assert not re.findall(r"\b(?:pictures?|mend\w*|anew)\b", said)


def test_a_value_found_wrong_in_use_is_one_line_too(capsys):
    with pytest.raises(SystemExit) as stopped, benchmark.one_line_errors():
        raise ValueError("image_dir must be a folder, got 'x': no such folder")
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "--image_dir must be a folder, got 'x': no such folder\n"
