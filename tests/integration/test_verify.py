"""--phase=verify: what was altered is found and named, what is honest passes, and other machines get a tolerance."""

import contextlib
import dataclasses
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ftdata.errors import UserError
from tests import ROOT
from tests.configs import make_config, with_checkpoints
from tests.tools.tampering import TAMPERINGS, Copy, change_json
from trainers import experiment
from trainers.commands.verify import NotVerified
from trainers.config import TrainConfig, UseConfig

pytestmark = pytest.mark.slow


def _said(config: TrainConfig) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as said:
        experiment.run(config)
    return said.getvalue()


def _verify(run: Path, photos: Path | None = None, *, stretch: str = "all", receipt: str | None = None) -> dict:
    config = TrainConfig(phase="verify", model_dir=str(run), use=UseConfig(stretch=stretch, receipt=receipt))
    if photos:
        config = dataclasses.replace(config, data=dataclasses.replace(config.data, image_dir=str(photos)))
    return experiment.run(config)["verify"]


@pytest.fixture(scope="module")
def honest(photo_folder, tmp_path_factory) -> Copy:
    """A run of two epochs of each phase, three kept checkpoints in each, and its images."""
    root = tmp_path_factory.mktemp("honest")
    photos = shutil.copytree(photo_folder, root / "photos")
    _said(with_checkpoints(make_config(photos, root / "run")))
    return Copy(root / "run", photos)


@pytest.fixture
def copy(honest, tmp_path) -> Copy:
    return Copy(shutil.copytree(honest.run, tmp_path / "run"), shutil.copytree(honest.photos, tmp_path / "photos"))


@pytest.mark.parametrize("name", TAMPERINGS)
def test_what_was_altered_is_found_and_named(copy, name):
    tamper, expected = TAMPERINGS[name]
    picture = str(copy.picture("train").relative_to(copy.photos))
    tamper(copy)
    with pytest.raises(NotVerified) as found:
        _verify(copy.run, copy.photos)
    for part in expected:
        assert part.format(picture=picture) in str(found.value)


@pytest.mark.parametrize("name", [name for name in TAMPERINGS if name.endswith("in all files")])
def test_a_receipt_that_was_rewritten_is_told_by_its_digest(honest, copy, name):
    TAMPERINGS[name][0](copy)
    with pytest.raises(NotVerified, match="receipt: it was rewritten"):
        _verify(copy.run, copy.photos, receipt=honest.entries[-1]["digest"])


def test_an_honest_run_passes_bit_for_bit_and_is_not_written_to(honest):
    before = {path: path.read_bytes() for path in honest.run.rglob("*") if path.is_file()}
    found = _verify(honest.run, receipt=honest.entries[-1]["digest"][:16])
    assert {path: path.read_bytes() for path in honest.run.rglob("*") if path.is_file()} == before
    assert list(found["replayed"]) == [
        *("transfer, steps 0 to 2", "transfer, steps 2 to 4", "transfer, steps 4 to 6"),
        *("finetune, steps 0 to 2", "finetune, steps 2 to 4", "finetune, steps 4 to 6"),
    ]
    assert set(found["replayed"].values()) == {"the same bits"}


def test_by_default_one_stretch_of_each_phase_is_replayed(copy):
    found = _verify(copy.run, copy.photos, stretch="random")  # run and images have moved
    assert [name.split(",")[0] for name in found["replayed"]] == ["transfer", "finetune"]


@pytest.mark.parametrize(
    "training",
    [
        {"feature_views": 2, "head_solver": "lbfgs", "unfreeze": ("block5",), "ema_decay": (0.5, 0.9)},
        {"folds": "2", "finetune_epochs": 3},
        {"early_stopping_patience": 1, "finetune_learning_rate": 1e-9, "finetune_epochs": 6, "optimizer": "sgd"},
    ],
    ids=["features and a head that is solved for", "folds", "stopped early"],
)
def test_honest_runs_of_other_kinds_pass(photo_folder, tmp_path, training):
    config = make_config(photo_folder, tmp_path / "run", **training)
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, data_dir=str(tmp_path / "data")))
    said = _said(config)
    digest = re.findall(r"receipt ([0-9a-f]{64}):", said)[-1]
    found = _verify(tmp_path / "run", receipt=digest)
    assert set(found["replayed"].values()) == {"the same bits"}
    assert {name.split(",")[0] for name in found["replayed"]} == {"transfer", "finetune"}


def test_a_run_on_two_devices_passes(photo_folder, tmp_path):
    config = make_config(photo_folder, tmp_path / "run")
    config = dataclasses.replace(
        config, runtime=dataclasses.replace(config.runtime, distribution_strategy="mirrored", keep_checkpoints=1)
    )
    _said(config)
    assert set(_verify(tmp_path / "run")["replayed"].values()) == {"the same bits"}
    assert len(list((tmp_path / "run/finetune/kept").iterdir())) == 1


def _in_a_process(run: Path, root: Path, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "trainers.main", "--phase=verify", f"--model_dir={run}", "--stretch=all"]
    variables = {**os.environ, **environment, "PYTHONPATH": str(root)}
    return subprocess.run(command, cwd=root, env=variables, capture_output=True, text=True, check=False, timeout=600)


def test_another_instruction_set_is_named_and_passes_within_the_tolerance(honest):
    done = _in_a_process(honest.run, ROOT, ONEDNN_MAX_CPU_ISA="AVX2")
    assert "hardware: ONEDNN_MAX_CPU_ISA: was not set, is AVX2" in done.stdout
    assert done.returncode == 0, done.stderr
    assert "verified" in done.stdout


def test_other_code_is_named(honest, tmp_path):
    for package in ("trainers", "ftdata", "flags"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    path = tmp_path / "trainers/training/optimizer.py"
    path.write_text(path.read_text().replace("_LONGEST_WARMUP = ", "_LONGEST_WARMUP = 1.01 * ") + "\n# another\n")
    done = _in_a_process(honest.run, tmp_path)
    assert "code: fast-fine-tuning: was " in done.stdout


def test_one_line_where_there_is_no_receipt_or_a_broken_one(copy):
    path = copy.run / "receipt.json"
    path.write_text(path.read_text()[:1000])
    with pytest.raises(UserError, match="is damaged"):
        _verify(copy.run)
    path.write_text('{"format": 2, "entries": []}')
    with pytest.raises(UserError, match="is of format 2, this version reads 1"):
        _verify(copy.run)
    path.unlink()
    with pytest.raises(UserError, match=r"has no receipt.json, .* a version without receipts"):
        _verify(copy.run)


def test_a_run_of_an_older_version_resumes_and_is_verified_from_there_on(honest, copy):
    for path in (copy.run / "receipt.json", copy.run / "receipt_images.txt"):
        path.unlink()
    for phase in ("transfer", "finetune"):
        shutil.rmtree(copy.run / phase / "kept")
    shutil.rmtree(copy.run / "finetune")
    config = with_checkpoints(make_config(honest.photos, copy.run))
    _said(config)
    assert [entry["phase"] for entry in copy.entries if entry["kind"] == "phase"] == ["finetune"]
    found = _verify(copy.run)
    assert {name.split(",")[0] for name in found["replayed"]} == {"finetune"}


def test_a_finished_run_keeps_its_receipt_when_the_command_is_given_again(honest, copy):
    before = (copy.run / "receipt.json").read_bytes()
    change_json(copy.run / "config.json", lambda values: values["versions"].update(keras="3.14.0"))
    _said(with_checkpoints(make_config(honest.photos, copy.run)))
    assert (copy.run / "receipt.json").read_bytes() == before
    assert json.loads((copy.run / "config.json").read_text())["versions"]["keras"] == "3.14.0"  # of what was trained
