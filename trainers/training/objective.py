"""What is minimized, and which answers are right: of one class an image, or of several labels."""

import dataclasses
from typing import Protocol

import numpy as np
import tensorflow as tf


class Objective(Protocol):
    """What a training step asks about logits, [b, num_classes], and labels, the "label" of a batch."""

    def losses(self, logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Of each image: [b], in the type of the logits. They are linear in what `labels` stands for, so that the
        weighted sum of those of two images is that of their mixed labels (MixUp)."""

    def right(self, logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Whether the whole answer is right: bool [b]."""


@dataclasses.dataclass(frozen=True)
class OneClass:
    """Softmax cross entropy with smoothed targets (Szegedy et al., 2015, arXiv:1512.00567); labels int32 [b]."""

    label_smoothing: float

    def losses(self, logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """As `Objective.losses`."""
        return cross_entropy(logits, labels, self.label_smoothing)

    def right(self, logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Whether the most probable class is the image's."""
        return tf.equal(tf.argmax(logits, axis=-1, output_type=tf.int32), labels)


@dataclasses.dataclass(frozen=True, eq=False)
class SeveralLabels:
    """Binary cross entropy, the mean over the classes; labels float32 [b, num_classes] of 0 and 1.

    Smoothing by s makes of a label 0 or 1 the target s/2 or 1 - s/2. `positive_weights`, float32 [num_classes], are
    those of the targets' part that speaks for the class.
    """

    label_smoothing: float
    positive_weights: np.ndarray

    def losses(self, logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """As `Objective.losses`."""
        targets = tf.cast(labels, logits.dtype) * (1 - self.label_smoothing) + self.label_smoothing / 2
        weights = tf.constant(self.positive_weights, logits.dtype)
        return tf.reduce_mean(tf.nn.weighted_cross_entropy_with_logits(targets, logits, weights), axis=-1)

    def right(self, logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Whether every label is right at the probability 1/2."""
        return tf.reduce_all(tf.equal(logits > 0, labels > 0.5), axis=-1)


def of(label_smoothing: float, positive_weights: np.ndarray | None) -> Objective:
    """That of several labels where there are positive weights."""
    if positive_weights is None:
        return OneClass(label_smoothing)
    return SeveralLabels(label_smoothing, positive_weights)


def cross_entropy(logits: tf.Tensor, labels: tf.Tensor, label_smoothing: float) -> tf.Tensor:
    """Softmax cross entropy with smoothed targets (Szegedy et al., 2015, arXiv:1512.00567): [batch], logits' type."""
    num_classes = logits.shape[-1]
    targets = (
        tf.one_hot(labels, num_classes, dtype=logits.dtype) * (1 - label_smoothing) + label_smoothing / num_classes
    )
    return tf.nn.softmax_cross_entropy_with_logits(targets, logits)
