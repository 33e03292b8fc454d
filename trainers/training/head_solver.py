"""A linear head solved for instead of trained step by step: logistic regression on the features of the images."""

import time

import keras
import numpy as np
import tensorflow as tf
from threadpoolctl import threadpool_limits

from ftdata.cache.images import FeatureViews
from ftdata.log import log
from trainers.training import logistic_head
from trainers.training.context import RunContext


def solve(network: keras.Model, views: FeatureViews, context: RunContext) -> None:
    """Sets the weights of the layer `logits`, which is the only one that trains; logs what was chosen.

    Args:
      network: that the phase trains.
      views: features [b, channels] of all training images.
      context: with their labels, the weights of the classes, and their groups.
    """
    began, labels, count = time.perf_counter(), context.source.train.labels, views.order.shape[1]
    weights = {label: float(weight) for label, weight in enumerate(context.class_weights)}
    rows = np.arange(len(labels), dtype=np.int64) * count
    monitor = context.config.monitor
    every = np.stack([read(views, rows + view) for view in range(count)])
    with threadpool_limits(1):  # the products are small: several would wait for each other
        head, strength, score = logistic_head.solved(every, labels, weights, groups=context.groups, monitor=monitor)
    network.get_layer("logits").set_weights(list(head))
    chosen = f"C={strength:g}" + ("" if score is None else f" ({monitor} {abs(score):.4f} over folds)")
    log.info(
        f"  head: logistic regression on {len(labels) * count:,} rows, {chosen}, {time.perf_counter() - began:.0f} s"
    )


def read(views: FeatureViews, rows: np.ndarray) -> np.ndarray:
    """Features of rows, int64 [n]: float32 [n, ...]."""
    with tf.device("CPU:0"):
        return tf.cast(views.read_at(tf.constant(rows)), tf.float32).numpy()
