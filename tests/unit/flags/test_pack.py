import pytest

from flags.pack import parse


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--image_dir must be a folder, got none"),
        (["--image_dir=a"], "--output must be a folder, got none"),
        (["--image_dir=a", "--output=b", "--format=zip"], "--format must be"),
        (["--image_dir=a", "--output=b", "--shards=0"], "--shards must be"),
        (["--image_dir=a", "--output=b", "--shards=x"], "--shards must be a whole number, got 'x'"),
        (["--imag_dir=a"], "--imag_dir: no such flag; did you mean --image_dir"),
        (["photos"], "'photos' is not a flag"),
    ],
)
def test_a_command_line_that_cannot_be_used_is_one_line(arguments, said, capsys):
    with pytest.raises(SystemExit) as ended:
        parse(["pack", *arguments])
    lines = capsys.readouterr().err.splitlines()
    assert (ended.value.code, len(lines)) == (2, 1)
    assert lines[0].startswith(said)


def test_flags_and_help(capsys):
    config = parse(["pack", "--image_dir=a", "--output=b", "--format=parquet", "--shards=4"])
    assert (config.image_dir, config.format, config.shards, config.image_size) == ("a", "parquet", 4, None)
    with pytest.raises(SystemExit) as ended:
        parse(["pack", "--help"])
    assert not ended.value.code
    assert "--shard_mib" in capsys.readouterr().out
