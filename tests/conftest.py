"""What all tests share. TensorFlow starts with two logical CPU devices, for the tests of `mirrored`."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from tests import ROOT

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
# a shell starts its background jobs deaf to SIGINT, and the processes of the tests would inherit that
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _two_logical_devices() -> None:
    import tensorflow as tf

    if "PYTEST_XDIST_WORKER" in os.environ:  # as many workers as cores
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], two)


@pytest.fixture(scope="session")
def real_photos() -> Path:
    """The knifey-spoony photos, where they are to be had; a test that asks for them is skipped elsewhere."""
    folder = Path(os.environ.get("FTDATA_REAL_PHOTOS", ROOT / "../shared/data/knifey-spoony")).resolve()
    if not folder.is_dir():
        pytest.skip("the knifey-spoony photos are not here; FTDATA_REAL_PHOTOS names their folder")
    return folder


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 training and 15 test JPEGs of 40x40 in three classes that colour tells apart, as class folders."""
    from PIL import Image

    root = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    for label, class_name in enumerate(("blue", "green", "red")):
        for split, count in (("train", 20), ("test", 5)):
            folder = root / split / class_name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = generator.integers(0, 120, (40, 40, 3), np.uint8)
                pixels[..., 2 - label] += 100
                Image.fromarray(pixels).save(folder / f"{class_name}-{number % 4:02}-{number:04}.jpg", quality=95)
    return root


@pytest.fixture(scope="session")
def trained_run(photo_folder, tmp_path_factory):
    """The model_dir of a transfer phase of two epochs on the small folder, in bfloat16; tests copy it to write."""
    from ftdata.config import AugmentConfig, DataConfig
    from trainers import experiment
    from trainers.config import ModelConfig, RuntimeConfig, TrainConfig, TrainingConfig

    model_dir = tmp_path_factory.mktemp("trained")
    experiment.run(
        TrainConfig(
            phase="transfer",
            model_dir=str(model_dir),
            data=DataConfig(image_dir=str(photo_folder), image_size=32, validation_fraction=0.2),
            augment=AugmentConfig(augment=False),
            model=ModelConfig("vgg_nano", weights="objects", dropout=0.0),
            training=TrainingConfig(batch_size=16, transfer_epochs=2, transfer_learning_rate=1e-2),
            runtime=RuntimeConfig(
                mixed_precision="mixed_bfloat16", distribution_strategy="one_device", tensorboard=False
            ),
        )
    )
    return model_dir
