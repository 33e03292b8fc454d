"""Loading TensorFlow from Python says nothing."""

import os
import subprocess
import sys

from tests import ROOT


def test_a_public_name_loads_without_chatter():
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    command = [sys.executable, "-c", "import ftdata; ftdata.RandomAffine(rotation_range=9)"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
