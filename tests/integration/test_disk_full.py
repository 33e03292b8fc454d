"""No space: shown with a limit on the size of files, in a process of its own."""

import json
import resource
import subprocess
import sys

import pytest

from tests import ROOT
from trainers.rundir.checkpointer import BackgroundWriter

_ARGUMENTS = (
    "--preset=demo",
    "--phase=transfer",
    "--image_size=32",
    "--transfer_epochs=2",
    "--checkpoint_every_steps=1",
)


def _run(photo_folder, model_dir, *flags, largest_file=None):
    def limit():
        if largest_file:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

    command = [sys.executable, "-m", "trainers.main", f"--image_dir={photo_folder}", f"--model_dir={model_dir}"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.run([*command, *_ARGUMENTS, *flags], cwd=ROOT, preexec_fn=limit, check=False, **pipes)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "where"),
    [((), "transfer"), (("--folds=2", "--group_pattern=-(\\d+)-"), "folds/01-")],
    ids=["run", "fold"],
)
def test_a_full_disk_is_one_line_and_the_same_command_goes_on(photo_folder, tmp_path, flags, where):
    ended = _run(photo_folder, tmp_path / "full", *flags, largest_file=1_000_000)  # the variables are 1.4 MB
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert f"cannot write {tmp_path / 'full' / where}" in ended.stderr
    assert "File too large. What the last checkpoint holds is safe" in ended.stderr
    assert not list((tmp_path / "full").rglob(".tmp-*"))
    for name in ("full", "free"):
        assert _run(photo_folder, tmp_path / name, *flags).returncode == 0
    full, free = (json.loads((tmp_path / name / "transfer/metrics.json").read_text()) for name in ("full", "free"))
    assert full["weights_sha256"] == free["weights_sha256"]


def test_an_error_in_the_background_is_raised_at_the_next_save_or_at_the_end():
    def fail():
        raise OSError("no space")

    with BackgroundWriter() as writer:
        writer.submit(fail)
        with pytest.raises(OSError, match="no space"):
            writer.submit(lambda: None)
        writer.wait()
    with pytest.raises(OSError, match="no space"), BackgroundWriter() as writer:
        writer.submit(fail)
