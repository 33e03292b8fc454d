import importlib.util
import pkgutil
import subprocess
import sys

import pytest

import ftdata
from ftdata import lazy


def test_every_public_name_of_every_package_can_be_loaded():
    packages = [ftdata.__name__, *(m.name for m in pkgutil.walk_packages(ftdata.__path__, "ftdata.") if m.ispkg)]
    for name in packages:
        package = importlib.import_module(name)
        for public in getattr(package, "__all__", ()):
            assert hasattr(package, public), f"{name}.{public}"
            assert public in dir(package)
            assert importlib.util.find_spec(f"{name}.{public}") is None, "importing that module would hide the name"


def test_an_unknown_name_is_refused_with_those_that_there_are():
    with pytest.raises(AttributeError, match="no attribute 'load_folders'; it offers .*load_folder"):
        ftdata.load_folders  # noqa: B018


def test_a_name_that_importing_a_module_would_hide_is_refused():
    with pytest.raises(AssertionError, match="affine would be a module and a name"):
        lazy.exports("ftdata.augment", {"affine": "affine"})


@pytest.mark.parametrize(
    "module", ["ftdata.config", "ftdata.datasets.cutlery.photos", "ftdata.cache.resources", "ftdata.decoding.headers"]
)
def test_a_light_module_does_not_load_tensorflow(module):
    check = f"import sys, {module}; assert not {{'tensorflow', 'keras'}} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", check], check=True)
