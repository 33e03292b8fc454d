"""What the wings offer, and what must not wait for TensorFlow."""

import importlib
import subprocess
import sys

import pytest

from tests import ROOT

_WINGS = ("", ".config", ".runtime", ".rundir", ".models", ".training")


@pytest.mark.parametrize("wing", _WINGS)
def test_every_public_name_of_a_wing_is_there(wing):
    package = importlib.import_module(f"trainers{wing}")
    assert package.__doc__
    assert [name for name in package.__all__ if not (hasattr(package, name) and name in dir(package))] == []


@pytest.mark.parametrize(
    "code",
    [
        "from trainers.runtime import signals, streams",
        "from trainers import TrainConfig",
        "from trainers.config import ResolvedConfig",
        "from trainers import main; assert main.main(['main', '--help']) == 0",
    ],
)
def test_what_comes_before_tensorflow_does_not_load_it(code):
    script = f"import sys; {code}; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.DEVNULL).returncode == 0
