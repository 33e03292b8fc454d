"""The import rules: code flows one way, and a module may import only what stands before it."""

import ast
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parent.parent

# Each line may import those above it (names separated by spaces stand side by side).
_FTDATA = """
config quiet seeds
names file_kind roles
foreign standard_error verdicts listing split beta sampled_layer backgrounds outlines
tree headers affine rectangles color materials
level bytestring random_affine erasing mixing
class_folders passed_over exif bmp gif
layout jpeg png webp
folder
labels_csv
decode resized_crop rendering rendered_builder
class_weights augment encoded resources nvidia planner duplicates grouping on_demand row_store
tfds_source filling bad_images examine survey
file_source disk_cache loose
source cache
pipeline tiers data_service
"""
_TRAINERS = """
use_config class_names
config verdict excerpt interrupt streams lock writer event_files clock cluster channel sentinel_script sentinel
rendezvous
team
agreement
workdir divergence strategy precision schedule vgg_nano weights_file fingerprint hparams layer_names
inside
backbones together seen
preprocessing
model optimizer starting_point
phases training_graph
step progress
evaluation_step
checkpoint
keeper evaluate
figures
calibration reported
score_figures
callbacks
record
loop
job
misfits
results
trained
held_out original grad_cam
deployable onnx_file parity_check parity
assessment predict export
training
findings
check announced
experiment
command_line
main
"""
_BUILDERS = ("cutlery", "objects", "knifey_spoony")  # packages below ftdata that hold a TFDS builder
_STANDARD_LIBRARY_ONLY = (
    *("ftdata.config", "ftdata.quiet"),
    *("trainers.use_config", "trainers.config", "trainers.rundir.run_dir", "trainers.runtime.signals"),
)


def _ranks(table: str) -> dict[str, int]:
    return {name: rank for rank, line in enumerate(table.split("\n")) for name in line.split()}


def _modules(package: str) -> list[Path]:
    return sorted(path for path in (_ROOT / package).rglob("*.py") if "dummy_data" not in path.parts)


def _name(path: Path) -> str:
    return ".".join(path.relative_to(_ROOT).with_suffix("").parts).removesuffix(".__init__")


def _imports(path: Path) -> set[str]:
    """Modules imported anywhere in the file; `from a import b` counts as a.b where that is a module."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                is_module = (_ROOT / whole.replace(".", "/")).with_suffix(".py").exists()
                is_package = (_ROOT / whole.replace(".", "/")).is_dir()
                found.add(whole if is_module or is_package else str(node.module))
    return found


def _own(path: Path) -> set[str]:
    return {
        name for name in _imports(path) if name.split(".")[0] in ("ftdata", "trainers", "flags", "benchmarks", "tests")
    }


@pytest.mark.parametrize(("package", "table"), [("ftdata", _FTDATA), ("trainers", _TRAINERS)])
def test_modules_import_only_what_stands_before_them(package, table):
    ranks = _ranks(table)
    for path in (_ROOT / package).glob("*.py"):
        if path.name == "__init__.py":
            continue
        assert path.stem in ranks, f"{path.name} has no place in the picture: add it here and in BUILD.md"
        for imported in _own(path):
            parts = imported.split(".")
            if parts[0] == package and len(parts) == 2:
                assert ranks[parts[1]] < ranks[path.stem], f"{path.stem} imports {imported}, which comes after it"


def test_rooms_open_one_way():
    allowed = {
        "ftdata": {"ftdata"},
        "trainers": {"ftdata", "trainers"},
        "flags": {"ftdata.config", "trainers.config", "flags"},
        "benchmarks": {"ftdata", "trainers", "flags.benchmark", "benchmarks"},
    }
    for package, rooms in allowed.items():
        for path in _modules(package):
            for imported in _own(path):
                if _name(path) == "trainers.main" and imported == "flags.train":
                    continue
                is_open = any(imported == room or imported.startswith(room + ".") for room in rooms)
                assert is_open, f"{_name(path)} imports {imported}"


def test_builders_know_only_rendering_and_themselves():
    drawing = {"rendering", "rendered_builder", "backgrounds", "materials", "outlines", "listing"}
    for builder in _BUILDERS:
        for path in _modules(f"ftdata/{builder}"):
            for imported in _own(path):
                part = imported.split(".")[1]
                assert part == builder or part in drawing, f"{_name(path)} imports {imported}"


def test_absl_flags_stand_only_under_flags():
    for package in ("ftdata", "trainers", "benchmarks"):
        for path in _modules(package):
            assert not {"absl.flags", "absl.app"} & _imports(path), _name(path)


@pytest.mark.parametrize("module", _STANDARD_LIBRARY_ONLY)
def test_configs_need_the_standard_library_only(module):
    imported = _imports(_ROOT / f"{module.replace('.', '/')}.py")
    foreign = {name.split(".")[0] for name in imported} - set(sys.stdlib_module_names)
    assert foreign <= {"ftdata", "trainers"}


def test_main_is_short_and_loads_tensorflow_inside_the_function():
    path = _ROOT / "trainers/main.py"
    assert len(path.read_text().splitlines()) < 40
    top = {
        alias.name
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert "command_line" not in top
