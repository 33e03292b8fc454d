"""SIGKILL at random moments of every kind: the same model, history, metrics and TensorBoard points."""

from pathlib import Path

import pytest

from tests.tools import kills

pytestmark = pytest.mark.slow

_FLAGS = [
    *("--preset=demo", "--image_size=48", "--steps_per_epoch=12", "--transfer_epochs=3", "--finetune_epochs=3"),
    *("--checkpoint_every_steps=3", "--log_every_steps=2", "--ema_decay=0.9", "--dropout=0.3"),
]


def test_fifty_kills_change_nothing(tmp_path):
    counts = kills.sweep(tmp_path, _FLAGS, kills=50)
    assert min(counts[moment] for moment in ("checkpoint", "validation", "switch", "transfer", "finetune")) >= 5, counts


def test_kills_on_two_devices_change_nothing(tmp_path):
    counts = kills.sweep(tmp_path, [*_FLAGS, "--distribution_strategy=mirrored"], kills=10, devices=2, seed=1)
    assert counts["finetune"] >= 2, counts


def test_kills_on_real_photos_change_nothing(tmp_path, real_photos: Path):
    flags = [
        *(f"--image_dir={real_photos}", "--preset=photos", "--backbone=MobileNetV2", '--backbone_args={"alpha": 0.35}'),
        *("--weights=none", "--image_size=160", "--batch_size=16", "--steps_per_epoch=6", "--transfer_epochs=2"),
        *("--finetune_epochs=2", "--checkpoint_every_steps=2", "--log_every_steps=2", "--group_pattern=[a-z]+-(\\d+)-"),
    ]
    assert kills.sweep(tmp_path, flags, kills=8, seed=2)["kills"] == 8


def test_kills_of_runs_on_features_change_nothing(tmp_path, photo_folder):
    own = [f"--image_dir={photo_folder}", f"--data_dir={tmp_path / 'data'}"]
    flags = [*_FLAGS, *own, "--feature_views=2", "--unfreeze=block5"]
    counts = kills.sweep(tmp_path, flags, kills=10, seed=3)
    assert min(counts["transfer"], counts["finetune"]) >= 1, counts


@pytest.mark.parametrize("devices", [1, 2])
def test_kills_in_the_folds_and_after_them_change_nothing(tmp_path, photo_folder, devices):
    own = [f"--image_dir={photo_folder}", "--group_pattern=-(\\d+)-", "--folds=2", "--transfer_epochs=1"]
    own += ["--finetune_epochs=2", f"--distribution_strategy={'mirrored' if devices > 1 else 'one_device'}"]
    counts = kills.sweep(tmp_path, [*_FLAGS, *own], kills=10, devices=devices, seed=4)
    assert counts["folds"] >= 3, counts
    assert counts["switch"] >= 1, counts
