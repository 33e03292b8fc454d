"""A small trained run for the tests of what is done with one."""

import pytest

from ftdata.config import AugmentConfig, DataConfig
from trainers import experiment
from trainers.config import ModelConfig, RuntimeConfig, TrainConfig, TrainingConfig


@pytest.fixture(scope="session")
def trained_run(photo_folder, tmp_path_factory):
    """The model_dir of a transfer phase of two epochs on the small folder, in bfloat16; tests copy it to write."""
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
