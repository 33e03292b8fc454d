"""Cache tier -> the training batches of a split out of it. A tier is added by a line in TIERS."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from ftdata import cache, pipeline
from ftdata.config import DataConfig
from ftdata.source import Split

Batches = Callable[[int, int], tf.data.Dataset]  # (first step, step to stop before) -> batches


def memory(split: Split, data: DataConfig, *, class_weights: np.ndarray, batch_size: int) -> Batches:
    """Decodes the split into host memory."""
    images = cache.in_memory(split, data)

    def batches(first: int, end: int) -> tf.data.Dataset:
        return pipeline.for_training(
            images, split.labels, class_weights=class_weights, global_batch=batch_size, seed=0, steps=(first, end)
        )

    return batches


# name -> function of (split, DataConfig with its image size, class weights, batch size) that fills the tier
TIERS: dict[str, Callable[..., Batches]] = {"memory": memory}


def chosen(names: str | None) -> list[str]:
    """The tiers of `--tiers`.

    Raises:
      ValueError: an unknown tier.
    """
    wanted = names.split(",") if names else list(TIERS)
    for name in wanted:
        if name not in TIERS:
            raise ValueError(f"--tiers must be of {', '.join(TIERS)}, got {name!r}")
    return wanted
