"""Training on features that were computed once: the part of a network behind them, and the batches it reads."""

import itertools
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.harness.networks import Network
from ftdata import pipeline
from ftdata.cache import features, filling
from ftdata.cache.images import FeatureViews, Images
from ftdata.cache.tiers import open_split
from ftdata.config import DataConfig
from ftdata.sources.source import Source
from ftdata.sources.weighting import class_weights
from trainers.evaluation.step import InferenceStep
from trainers.models.cut import Cut
from trainers.models.folding import resolve
from trainers.runtime.compilation import compile_mode
from trainers.runtime.devices import runs_on_gpu
from trainers.training import feature_computation
from trainers.training.step import TrainStep

FILLED = feature_computation.BATCH  # images that a call of `Features.fill` takes


def held_out(images: Images, labels: np.ndarray, prefix: keras.Model, **options: Any) -> Images:
    """The features of images that are not augmented, in memory; `options` are InferenceStep's."""
    compute, tensor = InferenceStep(prefix, **options), prefix.outputs[0]
    dtype = tf.as_dtype(tensor.dtype)
    layout = features.Layout(1, tuple(tensor.shape[1:]), dtype)
    rows = filling.aligned((len(labels), *layout.shape), layout.stored)
    for batch in pipeline.for_evaluation(images, labels, global_batch=FILLED):
        index, found = compute(batch)
        rows[index] = found.view(layout.stored)
    return features.in_memory(rows, dtype)


class Features:
    """Features of `views` views of each training image, in memory.

    Args:
      live: the step that trains on images.
      parts: its network, cut.
      source: the images.
      network: what it is a step of.
      views: of each image.
      policy: dtype policy of the network.
      jit_compile: as the flag.

    Attributes:
      fill: computes the next FILLED rows, again from the first when all are there.
      step: that trains on them.
      row_bytes: of the features of one view.
    """

    def __init__(
        self,
        live: TrainStep,
        parts: Cut,
        source: Source,
        network: Network,
        *,
        views: int,
        policy: str,
        jit_compile: str,
    ):
        on_gpu = runs_on_gpu(live.strategy)
        compiled, fold = compile_mode(jit_compile, on_gpu=on_gpu), resolve("auto", on_gpu=on_gpu)
        self.step = TrainStep(
            live.model,
            live.optimizer,
            strategy=live.strategy,
            augmentation=live.augmentation,
            global_batch=network.batch_size,
            label_smoothing=0.0,
            compiled=compiled,
            fold_batch_norm=fold,
            suffix=parts.suffix,
        )
        split, dtype = source.train, tf.as_dtype(keras.DTypePolicy(policy).compute_dtype)
        self._labels, self._network = split.labels, network
        self._weights = class_weights(split.labels, source.class_names, "balanced")
        compute = feature_computation.create(
            parts.prefix,
            live.augmentation,
            dtype,
            strategy=live.strategy,
            replicas=1,
            compiled=compiled,
            fold_batch_norm=fold,
        )
        decoded = open_split(split, DataConfig(image_size=network.image_size), tier="memory")
        layout = features.Layout(views, tuple(parts.prefix.outputs[0].shape[1:]), dtype)
        self.row_bytes = layout.row_bytes
        array = filling.aligned((len(split) * views, *layout.shape), layout.stored)

        firsts = itertools.count(step=FILLED)

        def fill() -> None:
            rows = (next(firsts) + np.arange(FILLED)) % len(array)
            index, view = np.divmod(rows, views)
            found = compute(decoded.take(index), live.augmentation.view_seeds(split.digests[index], view))
            array[rows] = found.view(layout.stored)

        self.fill = fill
        for _ in range(-(-len(array) // FILLED)):
            fill()
        order = features.view_order(split.digests, views, seed=0)
        self._views = FeatureViews("memory", features.reader(array, dtype), order)

    def batches(self, first: int, end: int) -> tf.data.Dataset:
        """Of the steps from `first` to before `end`."""
        return pipeline.for_training(
            self._views,
            self._labels,
            class_weights=self._weights,
            global_batch=self._network.batch_size,
            seed=0,
            steps=(first, end),
        )
