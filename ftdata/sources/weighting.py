"""Weights that let every class count alike."""

import numpy as np


def class_weights(labels: np.ndarray, *, num_classes: int, mode: str) -> np.ndarray:
    """The weight of each class in the training loss.

    Args:
      labels: int [n], what is trained on.
      num_classes: number of classes.
      mode: `balanced`, scikit-learn's n / (number of classes * count), or `none`. A class without an image,
        which no batch asks for, has weight 0.

    Returns:
      float32 [num_classes].
    """
    if mode == "none":
        return np.ones(num_classes, np.float32)
    from sklearn.utils.class_weight import compute_class_weight

    weights, present = np.zeros(num_classes, np.float32), np.unique(labels)
    weights[present] = compute_class_weight("balanced", classes=present, y=labels)
    return weights
