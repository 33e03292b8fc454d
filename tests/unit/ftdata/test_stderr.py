"""Standard error: loading TensorFlow writes nothing there, and what C libraries write can be captured."""

import os
import subprocess
import sys

from tests import ROOT


def test_a_public_name_loads_without_a_word():
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    command = [sys.executable, "-c", "import ftdata; ftdata.RandomAffine(rotation_range=9)"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_what_c_libraries_write_is_captured_and_shown_if_the_import_fails():
    code = "import os\nfrom ftdata import stderr\n"
    code += "with stderr.captured() as heard:\n    os.write(2, b'libjpeg')\nprint(*heard)\n"
    code += "with stderr.quiet_import():\n    os.write(2, b'no such GPU')\n    raise OSError('no library')"
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout == "libjpeg\n"
    assert done.stderr.startswith("no such GPU")
    assert done.stderr.endswith("OSError: no library\n")
