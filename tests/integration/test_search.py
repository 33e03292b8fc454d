"""A search for the best model: what it leaves, and killed in its trials and in its last training."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests import ROOT
from tests.tools.kills import differences

pytestmark = [pytest.mark.process, pytest.mark.slow]
# Three recipes are left, which differ in their learning rate.
_FLAGS = (
    *("--preset=best", "--time_budget=20m", "--backbone=vgg_nano", "--weights=objects", "--image_size=32"),
    *("--finetune_epochs=1", "--batch_size=16", "--color_jitter=0", "--hue=0", "--grayscale=0"),
    *("--random_convolution=0", "--rotation_range=15", "--vertical_flip=false", "--zoom_range=0.8,1.2"),
    *("--layer_decay=1", "--mixed_precision=float32", "--checkpoint_every_steps=1", "--folds=3"),
)


def _start(photo_folder, model_dir, data_dir, *more):
    command = [sys.executable, "-m", "trainers.main", f"--image_dir={photo_folder}", f"--model_dir={model_dir}"]
    command += [f"--data_dir={data_dir}", *_FLAGS, *more]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _run(*arguments):
    process = _start(*arguments)
    output, _ = process.communicate(timeout=600)
    return process.returncode, output


def _trials_alive(model_dir):
    found = []
    for process in os.listdir("/proc"):
        try:
            with open(f"/proc/{process}/cmdline", "rb") as stream:
                line = stream.read().decode()
        except (OSError, UnicodeDecodeError):
            continue
        if "trainers.commands.trial" in line and str(model_dir) in line:
            found.append(process)
    return found


@pytest.fixture(scope="module")
def searched(photo_folder, tmp_path_factory):
    root = tmp_path_factory.mktemp("search")
    status, output = _run(photo_folder, root / "run", root / "data")
    assert status == 0, output
    return root / "run", output


def test_a_search_ends_with_a_table_and_a_model(searched):
    model_dir, output = searched
    found = json.loads((model_dir / "search.json").read_text())
    assert list(found["trials"]) == ["vgg_nano, colors", "vgg_nano, rate 3e-4", "vgg_nano, rate 1e-3"]
    assert sorted(trial["folds"] for trial in found["trials"].values()) == [2, 3, 3]
    assert found["chosen"]["among"] == 7  # the head alone, and the start and two averages of two of them
    assert all(set(row["scores"]) == {"1 of 3", "2 of 3", "3 of 3"} for row in found["heads"].values())
    lines = output.splitlines()
    header = next(number for number, line in enumerate(lines) if line.startswith("tried  "))
    assert [line.split("  ")[0] for line in lines[header + 1 : header + 5]] == [
        "vgg_nano, head alone",
        *found["trials"],
    ]
    chosen = [line for line in lines if line.endswith("  chosen")]
    assert [line.split("  ")[0] for line in chosen] == [found["chosen"]["name"]]
    assert f"chosen by accuracy among {found['chosen']['among']} models" in output
    whole = [row for row in (*found["heads"].values(), *found["trials"].values()) if row["folds"] == 3]
    best = max(whole, key=lambda row: sum(row["scores"].values()))
    phase = "transfer" if found["chosen"]["name"].endswith("head alone") else "finetune"
    metrics = json.loads((model_dir / phase / "metrics.json").read_text())
    if phase == "finetune":  # a head alone is judged on images as they are, and trained on views
        assert metrics["validation_accuracy"] == pytest.approx(sum(best["scores"].values()) / 3)
    assert list((model_dir / "logs").glob("search_*/hparams/events*"))
    assert "the search took" in lines[-1]


def test_given_again_it_trains_nothing(searched, photo_folder):
    model_dir, _ = searched
    before = (model_dir / "search.json").read_bytes()
    status, output = _run(photo_folder, model_dir, model_dir.with_name("data"))
    assert status == 0
    assert "  trying " not in output
    assert (model_dir / "search.json").read_bytes() == before


def test_other_settings_are_refused_by_name(searched, photo_folder):
    status, output = _run(photo_folder, searched[0], searched[0].with_name("data"), "--dropout=0.5")
    assert status == 1
    assert "holds a search with other settings or data:\n  dropout: was 0.2, is 0.5\n" in output


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_again_and_again_it_tries_and_trains_the_same(searched, photo_folder, tmp_path, number):
    straight, _ = searched
    model_dir = tmp_path / "run"
    moments = (
        lambda: (model_dir / "trials/vgg_nano-head-alone/log.txt").exists(),
        lambda: list(model_dir.glob("trials/vgg_nano-colors/folds/0*/finetune/checkpoints/step-*")),
        lambda: list(model_dir.glob("trials/vgg_nano-rate-3e-4/folds/0*/transfer/metrics.json")),
        lambda: (model_dir / "folds").is_dir(),  # the last training has begun
    )
    for moment in moments:
        process = _start(photo_folder, model_dir, tmp_path / "data")
        while not moment() and process.poll() is None:
            time.sleep(0.02)
        assert process.poll() is None, process.communicate()[0]
        process.send_signal(number)
        process.communicate(timeout=120)
        assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
        deadline = time.monotonic() + 10
        while _trials_alive(model_dir) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not _trials_alive(model_dir)
    status, output = _run(photo_folder, model_dir, tmp_path / "data")
    assert status == 0, output
    found = [json.loads((root / "search.json").read_text()) for root in (straight, model_dir)]
    assert found[0]["chosen"] == found[1]["chosen"]
    for kind in ("heads", "trials"):
        each = [{name: row["scores"] for name, row in one[kind].items()} for one in found]
        assert each[0] == each[1]
    assert differences(straight, model_dir) == []


def test_groups_that_are_the_test_set_judge_nothing(photo_folder, tmp_path):
    flags = ("--folds=groups", r"--group_pattern=-(\d+)-", "--transfer_epochs=1")
    status, output = _run(photo_folder / "train", tmp_path / "run", tmp_path / "data", *flags)
    assert status == 0, output
    found = json.loads((tmp_path / "run/search.json").read_text())
    (parts,) = {tuple(row["scores"]) for row in found["heads"].values()}
    whole = [row for row in found["trials"].values() if row["folds"] == len(parts)]
    assert len(parts) == 3  # of four groups
    assert len(whole) == 2
    assert all(set(row["scores"]) == set(parts) for row in whole)


def test_a_trial_that_is_stopped_by_itself_stops_the_search_and_goes_on(photo_folder, tmp_path):
    model_dir = tmp_path / "run"
    process = _start(photo_folder, model_dir, tmp_path / "data")
    while not list(model_dir.glob("trials/vgg_nano-colors/folds/0*/transfer/metrics.json")) and process.poll() is None:
        time.sleep(0.02)
    for trial in _trials_alive(model_dir):
        os.kill(int(trial), signal.SIGTERM)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM, output
    assert not json.loads((model_dir / "search.json").read_text()).get("failures")


def test_a_folder_with_another_run_is_refused(photo_folder, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    status, output = _run(photo_folder, tmp_path, tmp_path / "data")
    assert status == 1
    assert "holds a run without a search: give another --model_dir, or --overwrite" in output


def test_data_that_cannot_be_used_ends_the_search_in_one_line(tmp_path):
    (tmp_path / "photos/cat").mkdir(parents=True)
    status, output = _run(tmp_path / "photos", tmp_path / "run", tmp_path / "data")
    assert status == 1
    assert output.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in output


def test_what_no_trial_can_be_trained_with_is_one_line(photo_folder, tmp_path):
    flags = ("--mixup_alpha=0.2", "--feature_views=0", "--head_solver=sgd", "--batch_size=15")
    status, output = _run(photo_folder, tmp_path / "run", tmp_path / "data", *flags)
    assert status == 1
    assert output.splitlines()[-1].startswith("error: --batch_size must be ")


def test_overwrite_keeps_what_the_search_reads(photo_folder, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/wrong.csv").write_text("file\n")
    (tmp_path / "run/config.json").write_text("{}")
    status, output = _run(
        photo_folder, tmp_path / "run", tmp_path / "data", "--overwrite", f"--exclude_csv={tmp_path}/run/wrong.csv"
    )
    assert status == 1
    assert "which --overwrite clears: copy it elsewhere first" in output
    assert (tmp_path / "run/config.json").exists()
