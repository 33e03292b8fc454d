"""What all tests share. TensorFlow starts with two logical CPU devices, for the tests of `mirrored`."""

import contextlib
import dataclasses
import gc
import io
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests import ROOT
from tests.tools import object_store

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as the package trainers starts TensorFlow
if "PYTEST_XDIST_WORKER" in os.environ:  # as many workers as cores: one thread each, in the processes of tests too
    os.environ.update(TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1", OMP_NUM_THREADS="1")
# a shell starts its background jobs deaf to SIGINT, and the processes of the tests would inherit that
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _two_logical_devices() -> None:
    import tensorflow as tf

    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], two)


@pytest.fixture(scope="session")
def real_photos() -> Path:
    """The knifey-spoony photos, where they are to be had; a test that asks for them is skipped elsewhere."""
    folder = Path(os.environ.get("FTDATA_REAL_PHOTOS", ROOT / "../shared/data/knifey-spoony")).resolve()
    if not folder.is_dir():
        pytest.skip("the knifey-spoony photos are not here; FTDATA_REAL_PHOTOS names their folder")
    return folder


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of moto's S3 server on the loopback."""
    for name in ("s3fs", "moto", "flask"):
        pytest.importorskip(name)
    with object_store.serving() as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 training and 15 test JPEGs of 40x40 in three classes that colour tells apart, as class folders."""
    return write_photos(tmp_path_factory.mktemp("photos"))


def write_photos(root: Path) -> Path:
    """Writes what `photo_folder` is into a folder."""
    from PIL import Image

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
def film_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 images of cat and 24 of dog, frames of four videos a class: a window that moves over a scene."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("films")
    generator = np.random.default_rng(0)
    for class_name, frames in (("cat", 12), ("dog", 6)):
        (folder / class_name).mkdir()
        for video in range(1, 5):
            patches = generator.integers(0, 255, (6, 9, 3), np.uint8)
            scene = np.asarray(Image.fromarray(patches).resize((130, 64), Image.Resampling.BICUBIC))
            for frame in range(frames):
                shown = Image.fromarray(scene[:, frame : frame + 100])
                shown.save(folder / class_name / f"{class_name}-{video:02}-{frame:04}.jpg")
    return folder


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


@pytest.fixture(scope="session")
def run_alone(photo_folder, tmp_path_factory):
    """A `RunAlone` of `make_config`, that also wrote a profile of a step."""
    import keras

    from tests.configs import RunAlone, make_config
    from trainers import experiment

    model_dir = tmp_path_factory.mktemp("alone") / "run"
    transferred = model_dir.with_name("transferred")
    config = make_config(photo_folder, model_dir, tensorboard=True)
    config = dataclasses.replace(config, runtime=dataclasses.replace(config.runtime, profile_steps=(1, 2)))
    heard = []

    def copy(logs):
        if (model_dir / "transfer/metrics.json").exists():
            shutil.copytree(model_dir, transferred, ignore=shutil.ignore_patterns("lock"))

    callback = keras.callbacks.LambdaCallback(
        on_train_begin=copy, on_epoch_end=lambda epoch, logs: heard.append((epoch, sorted(logs)))
    )
    with contextlib.redirect_stdout(io.StringIO()) as said:
        results = experiment.run(config, callbacks=[callback], command_line=["main"])
    return RunAlone(model_dir, transferred, results, heard, said.getvalue())


# One worker each for the modules that share a run (`run_alone`, `trained_run`), so that it is made once. They begin, as
# the longest; then what would be long and last: no worker is to wait for another at the end.
_SHARING = {
    "alone": (
        *("test_restart", "test_interrupt", "test_experiment", "test_starting_model", "test_divergence"),
        *("test_tensorboard", "test_candidates", "test_interpolation", "test_find_learning_rate"),
    ),
    "trained": ("test_export", "test_evaluate", "test_predict", "test_seen"),
}
_GROUP = {module: group for group, modules in _SHARING.items() for module in modules}
_LONG = ("test_feature_views", "test_augmentation", "test_step", "test_tiers", "test_callbacks", "test_diagnosis")
# Slow tests that share nothing and take minutes each: dealt to the workers one by one.
_APART = ("test_kills", "test_fuzz")
_FIRST = (*_APART, *_GROUP, *_LONG)


def _module(nodeid: str) -> str:
    return nodeid.split("::", 1)[0].rsplit("/", 1)[-1].removesuffix(".py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith("tests/integration/"):
            item.add_marker(pytest.mark.process)
    items.sort(key=lambda item: _FIRST.index(name) if (name := _module(item.nodeid)) in _FIRST else len(_FIRST))


def pytest_collection_finish() -> None:
    gc.freeze()  # what is imported stays: every collection would look through it again
    gc.set_threshold(100_000, 20, 20)  # a graph that is traced is a million objects, none of them garbage


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """As `--dist loadscope --no-loadscope-reorder`, with the modules of a group in one scope."""
    from xdist.scheduler import LoadScopeScheduling

    class ByModule(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            module = _module(nodeid)
            return nodeid if module in _APART else _GROUP.get(module, nodeid.split("::", 1)[0])

    if config.getvalue("dist") != "loadscope":
        return None
    config.option.loadscopereorder = False
    return ByModule(config, log)
