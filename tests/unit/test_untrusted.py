"""What comes from outside is read as data and never run: by the sources, and by trying."""

import ast
import re

import keras
import pytest

from tests import ROOT
from trainers.models import backbones

_CODE_LOADERS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml"}
_OURS = ("load_model", "loading.load_model")  # calls keras.saving.load_model, and is looked at where it does
_SOURCES = sorted(path for package in ("ftdata", "trainers", "flags") for path in (ROOT / package).rglob("*.py"))


def _called(call: ast.Call) -> str:
    return ast.unparse(call.func)


def _keywords(call: ast.Call) -> dict[str | None, str]:
    return {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}


def _unpickles_from_a_list_alone(source: str) -> bool:
    """Whether a module uses nothing of `pickle` but an Unpickler that finds names in a list of its own."""
    nodes = list(ast.walk(ast.parse(source)))
    used = [node.attr for node in nodes if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pickle"]
    classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
    readers = [node for node in classes if "pickle.Unpickler" in map(ast.unparse, node.bases)]
    lookups = [ast.unparse(part) for node in readers for part in node.body if getattr(part, "name", "") == "find_class"]
    if re.search("from pickle|pickle as", source) or re.search("super|import|getattr", " ".join(lookups)):
        return False
    return 0 < len(lookups) == used.count("Unpickler") and set(used) <= {"Unpickler", "UnpicklingError"}


def _offences(source: str) -> list[str]:
    """The places where bytes from outside could become code, or leave their folder."""
    found, bounded = [], ["pickle"] if _unpickles_from_a_list_alone(source) else []
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
        found += [f"imports {name}" for name in names if name.split(".")[0] in _CODE_LOADERS and name not in bounded]
        if not isinstance(node, ast.Call):
            continue
        called, keywords = _called(node), _keywords(node)
        if called in ("np.load", "numpy.load") and keywords.get("allow_pickle") != "False":
            found.append("np.load without allow_pickle=False")
        if called.endswith("load_model") and called not in _OURS and keywords.get("safe_mode") != "True":
            found.append(f"{called} without safe_mode=True")
        if called in ("eval", "exec", "compile", "__import__", "os.system", "os.popen"):
            found.append(called)
        if called.rsplit(".", 1)[-1] in ("enable_unsafe_deserialization", "extractall", "unpack_archive"):
            found.append(called)
        if keywords.get("shell") == "True":
            found.append(f"{called} through a shell")
    return found


@pytest.mark.parametrize("path", _SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_from_outside_is_unpickled_or_run(path):
    assert _offences(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle; pickle.load(stream)",
        "import pickle; pickle.Unpickler(stream).load()",
        "from pickle import load",
        "import pickle\nclass R(pickle.Unpickler):\n def find_class(self, m, n): return super().find_class(m, n)",
        "import pickle\nfrom pickle import loads\nclass R(pickle.Unpickler):\n def find_class(self, *n): return T[n]",
        "import pickle\nclass R(pickle.Unpickler):\n def persistent_load(self, pid): return pid",
        "from dill import loads",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "keras.saving.load_model(path)",
        "keras.saving.load_model(path, safe_mode=False)",
        "keras.config.enable_unsafe_deserialization()",
        "eval(text)",
        "tar.extractall(folder)",
        "subprocess.run(line, shell=True)",
    ],
)
def test_the_check_above_sees(source):
    assert _offences(source)


def test_a_model_that_holds_code_is_refused_in_one_line(tmp_path):
    path = tmp_path / "lambda.keras"
    layers = [keras.Input((32, 32, 3)), keras.layers.Lambda(lambda x: x), keras.layers.Conv2D(4, 3)]
    keras.Sequential(layers).save(path)
    with pytest.raises(ValueError, match="it holds code .* models load in safe mode only") as raised:
        backbones.create(str(path), image_size=32, weights="none", policy="float32")
    assert str(raised.value).startswith(f"cannot load {path}")
    assert "\n" not in str(raised.value)
