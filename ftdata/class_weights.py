"""Weights that let every class count alike."""

import numpy as np


def class_weights(labels: np.ndarray, *, num_classes: int, mode: str) -> np.ndarray:
    """The weight of each class in the training loss.

    Args:
      labels: int [n], what is trained on.
      num_classes: number of classes.
      mode: `balanced`, n / (num_classes * count) as scikit-learn's `compute_class_weight`, or `none`.

    Returns:
      float32 [num_classes].
    """
    if mode == "none":
        return np.ones(num_classes, np.float32)
    from sklearn.utils.class_weight import compute_class_weight

    return compute_class_weight("balanced", classes=np.arange(num_classes), y=labels).astype(np.float32)
