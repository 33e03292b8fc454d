"""`python -m ftdata.pack` as a process: what it says, and where."""

import os
import subprocess
import sys

import pytest

from ftdata.records import shards
from tests import ROOT


@pytest.mark.slow  # each process loads TensorFlow; what is packed: tests/unit/ftdata/records
def test_it_says_what_it_has_written_and_refuses_in_one_line(photo_folder, tmp_path):
    output = tmp_path / "shards"
    command = [sys.executable, "-m", "ftdata.pack", f"--image_dir={photo_folder}", f"--output={output}"]
    own = {
        key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"
    }  # that of the tests shows all
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=own)
    assert (done.returncode, done.stderr) == (0, "")  # nothing of TensorFlow's
    count = len([path for path in photo_folder.rglob("*.jpg")])
    assert done.stdout.splitlines()[-1].startswith(f"{count} images in 2 shards of ")
    assert shards.find(str(output))[2] == ()  # its own labels.txt is not passed over
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=own)
    assert again.returncode == 1
    assert (
        again.stderr == f"error: --output must not exist yet, got {output}: it is a folder; remove it or name another\n"
    )
