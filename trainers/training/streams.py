"""Digests of what is drawn while a phase trains: which image comes when, and how it is augmented."""

import hashlib

import numpy as np
import tensorflow as tf

from ftdata import pipeline
from ftdata.augment.augmentation import Augmentation
from ftdata.cache.images import FeatureViews, ImageStream
from trainers.training import feature_views
from trainers.training.context import RunContext
from trainers.training.plan import PhasePlan

_WORTH_TRACING = 50  # passes over the images


class Streams:
    """What a phase draws, by step.

    Args:
      plan: of the phase.
      context: with its images open.
      augmentation: of the training images; its seed is that of the order.
      views: what the phase reads instead of images, if it does.
    """

    def __init__(
        self, plan: PhasePlan, context: RunContext, augmentation: Augmentation, views: FeatureViews | None = None
    ):
        self._plan, self._context, self._augmentation, self._views = plan, context, augmentation, views

    def digests(self, first: int, end: int) -> dict[str, str | None]:
        """SHA-256 of the order of the images in steps from `first` to before `end`, and of what is drawn to augment
        those of the first and the last of them. None of an order that a stream's buffer decides, and of no steps."""
        if first >= end:
            return {"order": None, "augmentation": None}
        drawn = self._drawn_for_views if self._views else self._drawn
        digest = hashlib.sha256()
        for step in (first, end - 1):
            digest.update(drawn(step))
        return {"order": self._order(first, end), "augmentation": digest.hexdigest()}

    def _order(self, first: int, end: int) -> str | None:
        if not self._views and isinstance(self._context.images["train"], ImageStream):
            return None
        count, batch = len(self._context.source.train), self._plan.global_batch
        size = min(count, 2**16)

        def part(begin: tf.Tensor) -> tf.Tensor:
            positions = tf.ensure_shape(begin + tf.range(size, dtype=tf.int64), [size])
            return pipeline.image_at(positions, count=count, seed=self._augmentation.seed)

        begins = range(first * batch, end * batch, size)
        call = tf.function(part, autograph=False) if len(begins) > _WORTH_TRACING else part
        digest = hashlib.sha256(self._views.order.tobytes() if self._views else b"")
        with tf.device("CPU:0"):
            for begin in begins:
                index = call(tf.constant(begin, tf.int64)).numpy()
                digest.update(index[: end * batch - begin].tobytes())
        return digest.hexdigest()

    def _drawn(self, step: int) -> bytes:
        """The parameters of every layer for the global batch of a step."""
        side, batch = self._context.config.image_size, self._plan.global_batch
        parts = list[bytes]()
        with tf.device("CPU:0"):
            for number, layer in enumerate(self._augmentation.layers):
                found = self._augmentation.sample(
                    number, step=tf.constant(step), global_batch=batch, height=side, width=side
                )
                parts.append(type(layer).__name__.encode())
                parts += [name.encode() + np.asarray(found[name]).tobytes() for name in sorted(found)]
        return b"".join(parts)

    def _drawn_for_views(self, step: int) -> bytes:
        """The seeds of all views of the images of a step."""
        assert self._views is not None, "they are read"
        count, batch, views = len(self._context.source.train), self._plan.global_batch, self._views.order.shape[1]
        with tf.device("CPU:0"):
            positions = tf.constant(step * batch + np.arange(batch), tf.int64)
            index = pipeline.image_at(positions, count=count, seed=self._augmentation.seed).numpy()
        digests = np.repeat(self._context.source.train.digests[index], views, axis=0)
        augmentation = feature_views.view_augmentation(self._context)
        return augmentation.view_seeds(digests, np.tile(np.arange(views), batch)).tobytes()
