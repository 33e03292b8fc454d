"""Cache tier -> the training batches of a split out of it.

There is no tier `device`: its images are gathered inside the training step and never pass through tf.data.
"""

import atexit
import dataclasses
import functools
import shutil
import tempfile
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from ftdata import pipeline
from ftdata.cache.tiers import open_split
from ftdata.config import DataConfig
from ftdata.sources.split import Split

Batches = Callable[[int, int], tf.data.Dataset]  # (first step, step to stop before) -> batches

TIERS = ("memory", "disk", "none")


def open_tier(tier: str, split: Split, data: DataConfig, *, class_weights: np.ndarray, batch_size: int) -> Batches:
    """Fills the tier with a split; files of the tier `disk` lie in `data.data_dir`, or where they go with the process.

    Args:
      tier: one of TIERS.
      split: what to decode.
      data: with its image size.
      class_weights: float32 [num_classes].
      batch_size: images per batch.
    """
    data = dataclasses.replace(data, data_dir=data.data_dir or _scratch_folder())
    split_images = open_split(split, data, tier=tier)

    def batches(first: int, end: int) -> tf.data.Dataset:
        return pipeline.for_training(
            split_images, split.labels, class_weights=class_weights, global_batch=batch_size, seed=0, steps=(first, end)
        )

    return batches


@functools.cache
def _scratch_folder() -> str:
    folder = tempfile.mkdtemp(prefix="decoded-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


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
