"""How much each class counts in the loss."""

from collections.abc import Mapping, Sequence

import numpy as np

from ftdata import labels as kinds
from ftdata.errors import UserError
from ftdata.names import composed, listed


def class_weights(labels: np.ndarray, class_names: Sequence[str], weights: str | Mapping[str, float]) -> np.ndarray:
    """The weight of each class in the training loss.

    Of images with several labels it is that of the images that show the class (positive weights): those that do not
    count 1.

    Args:
      labels: what is trained on, as in `ftdata.labels`.
      class_names: of the classes.
      weights: `balanced`, scikit-learn's n / (number of classes * count), where a class without an image, which no
        batch asks for, has weight 0; of several labels the number of images without the class to one with it, 1 where
        all or none have it; `none`, which is 1 for each; or those of some classes by name, 1 for the others.

    Returns:
      float32 [number of classes].

    Raises:
      UserError: a name that is no class.
    """
    if isinstance(weights, Mapping):
        known = {composed(name): name for name in class_names}
        unknown = [name for name in weights if composed(name) not in known]
        if unknown:
            raise UserError(
                f"class_weight must name classes, got {listed(unknown)}: they are {listed(class_names, limit=20)}"
            )
        given = {known[composed(name)]: weight for name, weight in weights.items()}
        return np.array([given.get(name, 1.0) for name in class_names], np.float32)
    if weights == "none":
        return np.ones(len(class_names), np.float32)
    if kinds.is_multi(labels):
        return _positive(labels)
    from sklearn.utils.class_weight import compute_class_weight

    balanced, present = np.zeros(len(class_names), np.float32), np.unique(labels)
    balanced[present] = compute_class_weight("balanced", classes=present, y=labels)
    return balanced


def _positive(labels: np.ndarray) -> np.ndarray:
    with_it = kinds.counts(labels, labels.shape[1])
    without = len(labels) - with_it
    return np.where((with_it > 0) & (without > 0), without / np.maximum(with_it, 1), 1.0).astype(np.float32)
