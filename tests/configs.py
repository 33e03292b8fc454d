"""Small runs that many tests start from."""

from ftdata.config import AugmentConfig, DataConfig
from trainers.config import ModelConfig, RuntimeConfig, TrainConfig, TrainingConfig


def make_config(photo_folder, model_dir, **training):
    """Two epochs of each phase on the small folder, float32."""
    defaults = {"batch_size": 16, "transfer_epochs": 2, "finetune_epochs": 2, "finetune_learning_rate": 1e-3}
    return TrainConfig(
        model_dir=str(model_dir),
        data=DataConfig(image_dir=str(photo_folder), image_size=32, validation_fraction=0.2),
        augment=AugmentConfig(rotation_range=20, horizontal_flip=True),
        model=ModelConfig("vgg_nano", weights="objects", dropout=0.2),
        training=TrainingConfig(**{**defaults, **training}),
        runtime=RuntimeConfig(mixed_precision="float32", log_every_steps=2, distribution_strategy="one_device"),
    )
