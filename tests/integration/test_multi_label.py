"""--task=multi on rendered pictures of several things and a CSV, by the command line, from training to the exports."""

import csv
import json
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from scipy import special
from sklearn import metrics as sklearn_metrics

from ftdata.config import DataConfig
from ftdata.sources.source import open_source
from tests import ROOT
from tests.tools import scene_files
from tests.tools.server import files, running
from trainers.evaluation import label_temperatures, label_thresholds
from trainers.evaluation.label_scores import LabelEvaluation
from trainers.folds import division

pytestmark = pytest.mark.slow

_NAMES = ["bottle", "cup", "fork", "knife", "scissors", "spoon"]
_TRAIN = ("--backbone=vgg_nano", "--weights=objects", "--image_size=32", "--batch_size=32", "--mixup_alpha=0.2")
_TRAIN += ("--transfer_epochs=2", "--finetune_epochs=2", "--checkpoint_every_steps=2", "--notensorboard")
_TRAIN += ("--finetune_learning_rate=0.001",)
_TRAIN += ("--distribution_strategy=one_device", "--mixed_precision=float32", "--jit_compile=false")


def _command(model_dir, *flags):
    return [sys.executable, "-m", "trainers.main", f"--model_dir={model_dir}", *flags]


def _run(model_dir, *flags):
    done = subprocess.run(_command(model_dir, *flags), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _read(path):
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return scene_files.write(tmp_path_factory.mktemp("scenes"), train=120, test=40, size=32)


@pytest.fixture(scope="module")
def trained(scenes, tmp_path_factory):
    """A run of both phases that nothing interrupted; to be read."""
    model_dir = tmp_path_factory.mktemp("multi") / "run"
    said = _run(model_dir, "--task=multi", f"--labels_csv={scenes}", *_TRAIN)
    assert "every label right in" in said
    return model_dir


@pytest.fixture(scope="module")
def used(trained, tmp_path_factory):
    """A copy of it, evaluated and exported."""
    model_dir = shutil.copytree(trained, tmp_path_factory.mktemp("used") / "run")
    _run(model_dir, "--phase=evaluate")
    _run(model_dir, "--phase=export", "--export_formats=saved_model,litert")
    return model_dir


def _predictions(path):
    """The file, its true labels, those given and its probabilities, of each row."""
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    truth, given = (
        np.array([[name in row[column].split(";") for name in _NAMES] for row in rows])
        for column in ("true", "predicted")
    )
    return [row["file"] for row in rows], truth, given, np.array([[float(row[n]) for n in _NAMES] for row in rows])


@pytest.mark.parametrize("run", ["trained", "used"])
def test_the_scores_are_those_of_scikit_learn(run, scenes, request):
    model_dir = request.getfixturevalue(run)
    found = _read(model_dir / "evaluation/metrics.json")
    names, truth, given, probabilities = _predictions(model_dir / "evaluation/predictions.csv")
    with scenes.open(newline="") as stream:
        listed = {row["file"]: row["labels"] for row in csv.DictReader(stream) if row["split"] == "test"}
    assert len(names) == 40
    assert {name: ";".join(np.array(_NAMES)[row]) for name, row in zip(names, truth, strict=True)} == listed
    assert {frozenset(np.flatnonzero(row)) for row in truth} >= {frozenset()}  # a picture without a label is among them
    average = sklearn_metrics.average_precision_score(truth, probabilities, average=None)
    assert [found["per_class"][name]["average_precision"] for name in _NAMES] == pytest.approx(average, abs=1e-9)
    assert found["test_map"] == pytest.approx(np.mean(average), abs=1e-9)
    for mean in ("macro", "micro"):
        assert found[f"test_f1_{mean}"] == pytest.approx(sklearn_metrics.f1_score(truth, given, average=mean))
    assert found["test_accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(truth, given))
    least = [found["label_thresholds"]["by_class"][name] for name in _NAMES]
    near = np.abs(probabilities - least) < 1e-6
    np.testing.assert_array_equal((probabilities >= least)[~near], given[~near])


def test_a_killed_run_ends_with_the_weights_of_one_left_alone(trained, scenes, tmp_path):
    flags, model_dir = ("--task=multi", f"--labels_csv={scenes}", *_TRAIN), tmp_path / "run"
    with (tmp_path / "log.txt").open("w") as log:
        process = subprocess.Popen(_command(model_dir, *flags), cwd=ROOT, stdout=log, stderr=log)
        while process.poll() is None and not list(model_dir.glob("transfer/checkpoints/step-*")):
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, (tmp_path / "log.txt").read_text()
    assert not (model_dir / "finetune/metrics.json").exists()
    assert "resuming" in _run(model_dir, *flags)
    for phase in ("transfer", "finetune"):
        before, now = (_read(run / phase / "metrics.json") for run in (trained, model_dir))
        assert now["weights_sha256"] == before["weights_sha256"]
        assert now["label_thresholds"] == before["label_thresholds"]
        assert now["test_map"] == before["test_map"]


def test_the_run_verifies(trained):
    assert "the same bits" in _run(trained, "--phase=verify")


def test_other_pictures_get_the_labels_that_they_are_evaluated_with(used, scenes, tmp_path):
    other = scene_files.write(tmp_path / "other", train=0, test=12, size=32)
    copy = shutil.copytree(used, tmp_path / "run")
    _run(copy, "--phase=evaluate", f"--labels_csv={other}")
    names, _, given, probabilities = _predictions(copy / "evaluation/predictions.csv")
    said = _run(copy, "--phase=predict", f"--images={other.parent}/test", "--json")
    rows = [json.loads(line) for line in said.splitlines()]
    assert len(rows) == len(names) == 12
    by_file = {name.rpartition("/")[2]: k for k, name in enumerate(names)}
    for row in rows:
        k = by_file[row["file"].rpartition("/")[2]]
        assert row["labels"] == [name for name, is_given in zip(_NAMES, given[k], strict=True) if is_given]
        assert set(row) == {"file", "labels", "top"}
        for guess in row["top"]:
            assert guess["probability"] == pytest.approx(probabilities[k, guess["index"]], abs=1e-5)


def test_the_exports_answer_as_the_model_does(used, scenes):
    parity = _read(used / "export/parity.json")
    assert {row["format"] for row in parity["exports"]} == {"saved_model", "litert"}
    assert all(row["is_within"] and row["max_probability_difference"] < 1e-4 for row in parity["exports"])
    assert parity["as_trained_max_probability_difference"] < 1e-4
    names, _, given, probabilities = _predictions(used / "evaluation/predictions.csv")
    served = tf.saved_model.load(used / "export/saved_model").signatures["serving_default"]
    (argument,) = served.structured_input_signature[1]
    answers = served(**{argument: tf.constant([(scenes.parent / name).read_bytes() for name in names])})
    np.testing.assert_allclose(answers["probabilities"], _as_exported(used, probabilities), atol=1e-5)
    np.testing.assert_array_equal(answers["shows"], given)


def _as_exported(model_dir, probabilities):
    """With the temperature of each class, which exports apply to its logit."""
    parity = _read(model_dir / "export/parity.json")
    stored = _read(model_dir / "finetune/metrics.json")["label_temperatures"]["by_class"]
    assert parity["temperatures"] == [stored[name] for name in _NAMES]
    return special.expit(special.logit(probabilities) / parity["temperatures"])


@pytest.fixture(scope="module")
def folded(scenes, tmp_path_factory):
    """A run whose three folds chose, evaluated and exported."""
    model_dir = tmp_path_factory.mktemp("folded") / "run"
    flags = ("--folds=3", "--class_weight=balanced", "--transfer_epochs=1", "--finetune_epochs=2")
    said = _run(model_dir, "--task=multi", f"--labels_csv={scenes}", *_TRAIN, *flags)
    assert "fold 3 of 3" in said
    assert "mAP on what was left out" in said
    assert "thresholds chosen on 120 left-out images" in said
    _run(model_dir, "--phase=evaluate")
    _run(model_dir, "--phase=export", "--export_formats=saved_model,keras,litert")
    return model_dir


def test_folds_choose_epoch_thresholds_and_temperatures(folded, scenes):
    metrics, chosen = _read(folded / "finetune/metrics.json"), _read(folded / "folds/finetune.json")
    for key in ("label_thresholds", "label_temperatures", "validation_map", "epoch"):
        assert metrics[key] == chosen[key]
    data = open_source(DataConfig(labels_csv=str(scenes), task="multi", image_size=32)).pooled().train
    folds = division.of_labels(data.labels, class_names=_NAMES, folds=3)
    logits = np.zeros(data.labels.shape)
    for fold, folder in zip(folds, sorted(folded.glob("folds/0*")), strict=True):
        logits[fold.left_out] = np.load(folder / f"finetune/left_out/{chosen['epoch']:05}.npy", allow_pickle=False)
    each = [
        sklearn_metrics.average_precision_score(data.labels[fold.left_out], logits[fold.left_out]) for fold in folds
    ]
    assert metrics["validation_map"] == pytest.approx(np.mean(each))
    left_out = LabelEvaluation(logits, data.labels)
    found = metrics["label_thresholds"]
    assert (found["chosen_on"], found["images"]) == ("folds", 120)
    np.testing.assert_allclose(list(found["by_class"].values()), label_thresholds.choose(left_out), rtol=1e-6)
    np.testing.assert_allclose(
        list(metrics["label_temperatures"]["by_class"].values()), label_temperatures.fit(left_out)
    )


def test_exports_of_a_run_with_folds_give_the_labels_that_it_was_evaluated_with(folded, scenes):
    names, _, given, probabilities = _predictions(folded / "evaluation/predictions.csv")
    served = tf.saved_model.load(folded / "export/saved_model").signatures["serving_default"]
    (argument,) = served.structured_input_signature[1]
    answers = served(**{argument: tf.constant([(scenes.parent / name).read_bytes() for name in names])})
    np.testing.assert_allclose(answers["probabilities"], _as_exported(folded, probabilities), atol=1e-5)
    np.testing.assert_array_equal(answers["shows"], given)
    parity = _read(folded / "export/parity.json")
    assert all(row["is_within"] and row["max_probability_difference"] < 1e-4 for row in parity["exports"])
    page = (folded / "report.html").read_text(encoding="utf-8")
    assert "mAP on what each fold left out" in page
    assert "mAP on images left out by the folds" in (folded / "export/MODEL_CARD.md").read_text(encoding="utf-8")


def test_the_doctor_counts_images_without_a_label_and_classes_of_few(scenes, tmp_path):
    said = _run(tmp_path / "run", "--phase=check", "--task=multi", f"--labels_csv={scenes}", *_TRAIN)
    with scenes.open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == "test"]
    counts = [re.search(rf"^ +{words} +(.*)", said, re.MULTILINE)[1].split() for words in ("all images", "no label")]
    assert counts[0][2] == "40"
    assert int(counts[0][0]) + int(counts[0][1]) == 120
    assert int(counts[1][2]) == sum(not row["labels"] for row in rows) > 0
    assert re.search(r"warning: fewer than 10 validation images show, or do not show, \w+ \(\d\)", said)


def test_a_learning_rate_is_found_for_several_labels(scenes, tmp_path):
    said = _run(tmp_path / "run", "--phase=find_learning_rate", "--task=multi", f"--labels_csv={scenes}", *_TRAIN)
    assert "in 6 classes" in said


@pytest.mark.extra_serve
def test_the_server_says_what_each_picture_shows(used, scenes, tmp_path):
    pytest.importorskip("uvicorn")
    pytest.importorskip("starlette")
    names, _, given, probabilities = _predictions(used / "evaluation/predictions.csv")
    with running(used, tmp_path / "log.txt", ()) as server:
        reply = server.ask(body=files(*((scenes.parent / name).read_bytes() for name in names[:8])))
    answers = reply.json()["predictions"]
    assert [answer["shows"] for answer in answers] == given[:8].tolist()
    expected = _as_exported(used, probabilities[:8])
    np.testing.assert_allclose([answer["probabilities"] for answer in answers], expected, atol=1e-5)
