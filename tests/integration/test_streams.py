"""Standard output and error that are closed, full, in ASCII, or read no further: real processes."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
from PIL import Image

from tests import ROOT
from trainers.rundir.run_dir import read_json

_SMALL = (
    *("--image_size=32", "--batch_size=16", "--backbone=vgg_nano", "--weights=objects", "--transfer_epochs=1"),
    *("--finetune_epochs=1", "--mixed_precision=float32", "--log_every_steps=1"),
)
_SAYS = """
import sys
from trainers.runtime import streams

def main(output):
    output.continues = sys.argv[1] == "continues"
    for number in range(30_000):
        print("caf\\xe9 \\udcff", number)
    with open(sys.argv[2], "w", encoding="utf-8") as result:
        result.write("computed")
    print("at the end", file=sys.stderr)
    return 0

sys.exit(streams.run(main))
"""


def shell(command, **environment):
    """What a shell makes of a command: (exit status of its first part, output, what was complained of)."""
    done = subprocess.run(
        ["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        check=False,
    )
    said = done.stderr.decode()
    assert "Traceback" not in said
    assert "Exception ignored" not in said
    return done.returncode, done.stdout.decode(), said


@pytest.mark.parametrize(
    ("where", "only_prints", "continues", "note"),
    [
        ("", 0, 0, ""),
        ("| head -1", 141, 0, "Broken pipe"),
        ("2>&1 | head -1", 141, 0, ""),
        ("> /dev/full", 1, 0, "No space left on device"),
        ("> /dev/full 2> /dev/full", 1, 0, ""),
        (">&-", 0, 0, ""),
        (">&- 2>&- <&-", 0, 0, ""),
    ],
)
def test_output_that_cannot_be_written_ends_what_only_prints_and_nothing_else(
    where, only_prints, continues, note, tmp_path
):
    result = tmp_path / "result"
    for kind, status in (("only prints", only_prints), ("continues", continues)):
        found, _, said = shell(f"{sys.executable} -c '{_SAYS}' '{kind}' {result} {where}")
        assert found == status
        assert result.exists() == (status == 0)
        result.unlink(missing_ok=True)
        if note and (kind == "continues" or status == 1):
            assert f"standard output is gone ({note})" in said or f"error: {note}: standard output" in said
        if status == 141:
            assert said == ""


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1", "utf-8"])
def test_what_the_encoding_lacks_is_escaped(encoding, tmp_path):
    status, output, _ = shell(
        f"{sys.executable} -c '{_SAYS}' x {tmp_path}/result | head -1 | iconv -f {encoding} -t utf-8",
        PYTHONIOENCODING=encoding,
    )
    assert status == 141
    assert output == ("caf\\xe9 \\udcff 0\n" if encoding == "ascii" else "café \\udcff 0\n")


@pytest.mark.parametrize(
    ("arguments", "statuses"),
    [
        ("--help | head -1", (0, 141)),  # all of it fits into a pipe, where head is late
        ("--help | true", (0, 141)),
        ("--help > /dev/full", (1,)),
        ("--help >&-", (0,)),
        ("--bogus 2>&-", (2,)),
        ("--bogus 2> /dev/full", (2,)),
    ],
)
def test_help_and_refusals_end_without_a_trace(arguments, statuses):
    assert shell(f"{sys.executable} -m trainers.main {arguments}")[0] in statuses


@pytest.fixture(scope="module")
def cafe(photo_folder, tmp_path_factory):
    """The small photos with names beyond ASCII."""
    folder = tmp_path_factory.mktemp("cafe") / "bilder ü"
    shutil.copytree(photo_folder, folder)
    for split in ("train", "test"):
        (folder / split / "red").rename(folder / split / "café")
        Image.new("RGB", (40, 40)).save(folder / split / "café" / "日本.jpg")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("where", ["| head -1", "2>&1 | head -1", "> /dev/full", ">&- 2>&- <&-"])
def test_training_continues_when_nobody_reads_its_output(where, cafe, tmp_path):
    flags = " ".join([f"--image_dir='{cafe}'", f"--data_dir={tmp_path}/data", "--phase=transfer", *_SMALL])
    status, _, _ = shell(f"{sys.executable} -m trainers.main {flags} --model_dir={tmp_path}/run {where}")
    assert status == 0
    assert read_json(tmp_path / "run/transfer/metrics.json")["test_accuracy"] >= 0
    for path in (tmp_path / "run").rglob("*.json"):  # nothing that a library printed went into a file
        json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "POSIX"},
        {"LANG": "C", "LC_ALL": "C"},
    ],
)
def test_every_phase_takes_class_names_beyond_the_encoding(environment, cafe, tmp_path):
    flags = " ".join([f"--image_dir='{cafe}'", *_SMALL])
    where = f"--data_dir={tmp_path}/data --model_dir={tmp_path}/run"
    main = f"{sys.executable} -m trainers.main {where}"
    for command in (
        f"{main} --phase=check {flags}",
        f"{main} {flags}",
        f"{main} --phase=evaluate",
        f"{main} --phase=export --export_formats=keras",
    ):
        status, output, said = shell(command, **environment)
        assert status == 0, said
    assert "café" in (tmp_path / "run/evaluation/report.txt").read_text(encoding="utf-8")
    assert "日本.jpg,café," in (tmp_path / "run/evaluation/predictions.csv").read_text(encoding="utf-8")
    status, output, said = shell(f"{main} --phase=predict --json --images='{cafe}/test'", **environment)
    assert status == 0, said
    assert any(json.loads(line)["file"].endswith("日本.jpg") for line in output.splitlines())
    assert shell(f"{main} --phase=predict --json --images='{cafe}/test' | head -1", **environment)[0] in (0, 141)
    assert shell(f"{main} --phase=predict --json --images='{cafe}/test' > /dev/full", **environment)[0] == 1
    assert shell(f"{main} --phase=check {flags} | head -1", **environment)[0] == 128 + signal.SIGPIPE
