"""Small runs that many tests start from."""

import dataclasses
from pathlib import Path
from typing import Any

from ftdata.config import AugmentConfig, DataConfig
from trainers.config import ModelConfig, RuntimeConfig, TrainConfig, TrainingConfig


@dataclasses.dataclass(frozen=True)
class RunAlone:
    """A finished run of both phases that nothing interrupted. To be read; a test that writes copies the folder."""

    model_dir: Path
    transferred: Path  # a copy of the folder as it was when fine-tuning was about to begin
    results: dict[str, Any]
    heard: list[tuple[int, list[str]]]  # what a callback of the user was told at the end of every epoch
    said: str


def make_config(photo_folder, model_dir, *, tensorboard=False, **training):
    """Two epochs of each phase on the small folder, float32; what only takes time is off."""
    defaults = {"batch_size": 16, "transfer_epochs": 2, "finetune_epochs": 2, "finetune_learning_rate": 1e-3}
    defaults |= {"ema_decay": 0.9}
    return TrainConfig(
        model_dir=str(model_dir),
        data=DataConfig(image_dir=str(photo_folder), image_size=32, validation_fraction=0.2),
        augment=AugmentConfig(rotation_range=20, horizontal_flip=True),
        model=ModelConfig("vgg_nano", weights="objects", dropout=0.2),
        training=TrainingConfig(**{**defaults, **training}),
        runtime=RuntimeConfig(
            mixed_precision="float32",
            log_every_steps=2,
            distribution_strategy="one_device",
            tensorboard=tensorboard,
            jit_compile="false",
        ),
    )


def with_checkpoints(config):
    """The same run with a checkpoint every two steps, and two steps in one call."""
    runtime = dataclasses.replace(config.runtime, checkpoint_every_steps=2, steps_per_execution=2)
    return dataclasses.replace(config, runtime=runtime)


def open_context(config, *, strategy="one_device", images=True):
    """What the phases of a run share, its images open unless a test needs none."""
    from ftdata.cache import tiers
    from ftdata.cache.features import FeatureStore
    from trainers.commands import resolution
    from trainers.commands.train import make_context, open_data
    from trainers.rundir.run_dir import RunDir
    from trainers.runtime.devices import make_strategy

    run_dir = RunDir(Path(config.model_dir))
    config = resolution.settle(config, run_dir, on_gpu=False)
    source = open_data(config, config.data)
    context = make_context(config, source, run_dir, make_strategy(strategy))
    opened = tiers.open_all(source, config.data, on_gpu=False) if images else {}
    return dataclasses.replace(context, images=opened, feature_store=FeatureStore.of(source.train, config.data))
