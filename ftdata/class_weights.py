"""Weights that let every class count alike."""

import numpy as np


def class_weights(labels: np.ndarray, *, num_classes: int, mode: str) -> np.ndarray:
    """The weight of each class in the training loss.

    Args:
      labels: int [n], what is trained on.
      num_classes: number of classes.
      mode: `balanced`, n / (num_classes * count) as scikit-learn's `compute_class_weight`, or `none`. A class
        without a picture, which scikit-learn refuses, gets a weight that nothing will ask for.

    Returns:
      float32 [num_classes].
    """
    if mode == "none":
        return np.ones(num_classes, np.float32)
    counts = np.bincount(labels, minlength=num_classes)
    return (len(labels) / (num_classes * np.maximum(counts, 1))).astype(np.float32)
