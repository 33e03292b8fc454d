"""Several labels of images of five channels, over devices, workers and folds of groups: one process's numbers."""

import csv
import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests import ROOT
from tests.tools import channel_files, kills
from tests.tools.workers import Workers
from trainers.models.classifier import load_classifier

pytestmark = pytest.mark.slow

_SIDE, _PLACES = 24, 5
_SQUARES = {"fifth": channel_files.SIGNAL, "first": 0}  # which channel a label shows in
_TRAIN = ("--task=multi", "--channels=5", "--preset=demo", "--image_size=32", "--batch_size=16", "--mixup_alpha=0.2")
_TRAIN += ("--transfer_epochs=2", "--transfer_learning_rate=0.01", "--finetune_epochs=8", "--notensorboard")
_TRAIN += ("--finetune_learning_rate=0.003", "--checkpoint_every_steps=2", "--cache=memory", "--dropout=0")
_TRAIN += ("--mixed_precision=float32", "--jit_compile=false", r"--group_pattern=place-(\d)")
_ALONE, _FOLDS = "--distribution_strategy=one_device", "--folds=groups"


@pytest.fixture(scope="module")
def flags(tmp_path_factory):
    """A CSV of images of five places with a bright square in the first channel, the fifth, both or none."""
    root, generator = tmp_path_factory.mktemp("labels-of-channels"), np.random.default_rng(3)
    rows = []
    for number in range(150):
        pixels = generator.integers(20_000, 45_000, (_SIDE, _SIDE, 5)).astype(np.uint16)
        labels = [name for name in _SQUARES if generator.random() < 0.5]
        for name in labels:
            top, left = generator.integers(0, _SIDE // 2, 2)
            pixels[top : top + _SIDE // 2, left : left + _SIDE // 2, _SQUARES[name]] = 60_000
        name = f"place-{number % _PLACES}-{number}.npy"
        (root / name).write_bytes(channel_files.npy(pixels))
        rows.append((name, ";".join(labels), "test" if number >= 120 else "train"))
    with (root / "labels.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("file", "labels", "split"), *rows])
    return (f"--labels_csv={root / 'labels.csv'}", *_TRAIN)


def _start(model_dir, *flags, devices=0, log=subprocess.PIPE):
    module = ("tests.tools.watched_main", str(devices), f"{model_dir}-validates") if devices else ("trainers.main",)
    command = [sys.executable, "-m", *module, f"--model_dir={model_dir}", *flags]
    return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, text=True)


def _run(model_dir, *flags, **how):
    process = _start(model_dir, *flags, **how)
    said, _ = process.communicate()
    assert process.returncode == 0, said
    return said


def _metrics(model_dir, phase="finetune"):
    return json.loads((model_dir / phase / "metrics.json").read_text())


def _are_near(one, other):
    """Sums of several devices are in another order: float32 rounding, over a few tens of steps."""
    models = [load_classifier(model_dir / "finetune/best.keras") for model_dir in (one, other)]
    for weights in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_allclose(*weights, rtol=1e-3, atol=1e-4)
    assert _metrics(one)["test_map"] == pytest.approx(_metrics(other)["test_map"], abs=1e-3)


@pytest.fixture(scope="module")
def alone(flags, tmp_path_factory):
    model_dir = tmp_path_factory.mktemp("alone") / "run"
    _run(model_dir, *flags, _ALONE)
    return model_dir


@pytest.fixture(scope="module")
def folded(flags, tmp_path_factory):
    model_dir = tmp_path_factory.mktemp("folded") / "run"
    assert "on a new group expect a mAP of" in _run(model_dir, *flags, _ALONE, _FOLDS)
    return model_dir


def test_both_channels_are_seen(alone):
    assert _metrics(alone)["test_map"] > 0.9


def test_two_devices_give_the_numbers_of_one(alone, flags, tmp_path):
    said = _run(tmp_path / "run", *flags, "--distribution_strategy=mirrored", devices=2)
    assert "2 CPU devices" in said
    _are_near(alone, tmp_path / "run")


def test_two_workers_give_the_numbers_of_one_and_go_on_after_a_kill(alone, flags, tmp_path):
    undisturbed = Workers(tmp_path / "undisturbed", flags, count=2)
    undisturbed.finish()
    _are_near(alone, undisturbed.model_dir)
    killed = (*flags, "--worker_timeout_s=5")
    workers = Workers(tmp_path / "killed", killed, count=2)
    workers.wait_for("finetune epoch +1/")
    workers.processes[1].kill()
    assert workers.statuses(deadline_s=60)[0] != 0
    workers = Workers(tmp_path / "killed", killed, count=2)
    workers.finish()
    assert "resuming" in workers.said(0)
    assert kills.differences(undisturbed.model_dir, workers.model_dir) == []


def test_folds_of_groups_say_what_to_expect_of_a_new_one(folded):
    found, chosen = _metrics(folded), json.loads((folded / "folds/finetune.json").read_text())
    assert len(found["group_map"]) == _PLACES
    assert found["expected_new_group_map"] == pytest.approx(np.mean(list(found["group_map"].values())))
    low, high = found["expected_new_group_interval"]
    assert found["new_group_range"][0] <= low <= found["expected_new_group_map"] <= high <= 1
    assert found["label_thresholds"] == chosen["label_thresholds"]
    page = (folded / "report.html").read_text(encoding="utf-8")
    assert "Expected mAP on new groups" in page


def test_folds_killed_in_each_phase_choose_and_give_the_same(folded, flags, tmp_path):
    model_dir = tmp_path / "run"
    for folder in ("folds/01*/transfer", "folds/03*/finetune", "transfer", "finetune"):
        with (tmp_path / "log.txt").open("w") as log:
            process = _start(model_dir, *flags, _ALONE, _FOLDS, log=log)
            while process.poll() is None and not list(model_dir.glob(f"{folder}/checkpoints/step-*[1-9]*")):
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL, (tmp_path / "log.txt").read_text()
    _run(model_dir, *flags, _ALONE, _FOLDS)
    for name in ("transfer", "finetune"):
        before, now = (json.loads((run / f"folds/{name}.json").read_text()) for run in (folded, model_dir))
        assert now == before
    before, now = _metrics(folded), _metrics(model_dir)
    for key in ("weights_sha256", "test_map", "label_thresholds", "label_temperatures", "expected_new_group_map"):
        assert now[key] == before[key]


def test_two_workers_divide_and_choose_as_one_process_does(folded, flags, tmp_path):
    workers = Workers(tmp_path, (*flags, _FOLDS), count=2)
    workers.finish()
    before, now = (json.loads((run / "folds/finetune.json").read_text()) for run in (folded, workers.model_dir))
    assert now["chosen_among"] == before["chosen_among"]
    assert now["group_map"] == pytest.approx(before["group_map"], abs=0.02)
    assert [path.name for path in sorted(workers.model_dir.glob("folds/0*"))] == [
        path.name for path in sorted(folded.glob("folds/0*"))
    ]
