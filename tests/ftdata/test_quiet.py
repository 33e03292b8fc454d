"""Loading TensorFlow from Python says nothing; a level the user has set is left."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("level", "is_quiet"), [(None, True), ("0", False)])
def test_a_public_name_loads_without_chatter(level, is_quiet):
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    environment |= {"TF_CPP_MIN_LOG_LEVEL": level} if level else {}
    command = [sys.executable, "-c", "import ftdata; ftdata.RandomAffine(rotation_range=9)"]
    done = subprocess.run(command, cwd=_ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert (done.stderr == "") == is_quiet
