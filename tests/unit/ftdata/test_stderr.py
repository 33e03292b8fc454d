"""Standard error: what C libraries write there can be captured. That loading is silent: augment/test_layers.py."""

import os
import subprocess
import sys

from tests import ROOT

_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}


def test_a_block_without_tensorflow_leaves_the_import_quiet():
    code = "from ftdata import stderr\nwith stderr.quiet_import():\n    pass\n"
    code += "with stderr.quiet_import():\n    import tensorflow"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=_ENVIRONMENT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_c_libraries_write_is_captured_and_shown_if_the_import_fails():
    code = "import os\nfrom ftdata import stderr\n"
    code += "with stderr.captured() as heard:\n    os.write(2, b'libjpeg')\nprint(*heard)\n"
    code += "with stderr.quiet_import():\n    os.write(2, b'no such GPU')\n    raise OSError('no library')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=_ENVIRONMENT, capture_output=True, text=True)
    assert done.stdout == "libjpeg\n"
    assert done.stderr.startswith("no such GPU")
    assert done.stderr.endswith("OSError: no library\n")
