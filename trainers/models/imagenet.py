"""A backbone with the classifier its ImageNet weights came with, and the names of the 1000 classes."""

import keras

from trainers.config import ModelConfig
from trainers.models import backbones, catalogue, preprocessing

_CLASSES = 1000


def create(config: ModelConfig, *, image_size: int) -> keras.Model:
    """float32 [b, image_size, image_size, 3], pixels 0..255, to the probabilities of 1000 classes [b, 1000].

    Raises:
      UserError: as `backbones.create`, or a backbone without such a classifier.
    """
    catalogue.check_original(config.backbone, weights=config.weights)
    network = backbones.create(
        config.backbone,
        image_size=image_size,
        weights=config.weights,
        policy="float32",
        include_top=True,
        arguments=config.backbone_args,
        own_preprocessing=config.preprocessing == "backbone",
    )
    pixels = keras.Input((image_size, image_size, 3), name="pixels", dtype="float32")
    scores = network(preprocessing.apply(pixels, backbone=config.backbone, mode=config.preprocessing))
    return keras.Model(pixels, scores, name="original")


def class_names() -> tuple[str, ...] | None:
    """The names of ImageNet's classes, which TensorFlow Datasets carries; None if this version of it does not."""
    try:
        from tensorflow_datasets.datasets.siscore import labels

        names = tuple(labels.IMAGENET_LABELS_LIST)
    except (ImportError, AttributeError):
        return None
    return names if len(names) == _CLASSES else None
