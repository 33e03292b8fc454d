"""Standard error: what C libraries write there can be captured. That loading is silent: augment/test_layers.py."""

import os
import subprocess
import sys

from tests import ROOT


def test_what_c_libraries_write_is_captured_and_shown_if_the_import_fails():
    code = "import os\nfrom ftdata import stderr\n"
    code += "with stderr.captured() as heard:\n    os.write(2, b'libjpeg')\nprint(*heard)\n"
    code += "with stderr.quiet_import():\n    os.write(2, b'no such GPU')\n    raise OSError('no library')"
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout == "libjpeg\n"
    assert done.stderr.startswith("no such GPU")
    assert done.stderr.endswith("OSError: no library\n")
