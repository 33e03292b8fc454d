"""How much each class counts in the loss."""

from collections.abc import Mapping, Sequence

import numpy as np

from ftdata.errors import UserError
from ftdata.names import listed


def class_weights(labels: np.ndarray, class_names: Sequence[str], weights: str | Mapping[str, float]) -> np.ndarray:
    """The weight of each class in the training loss.

    Args:
      labels: int [n], what is trained on.
      class_names: of the classes.
      weights: `balanced`, scikit-learn's n / (number of classes * count), where a class without an image, which no
        batch asks for, has weight 0; `none`, which is 1 for each; or those of some classes by name, 1 for the others.

    Returns:
      float32 [number of classes].

    Raises:
      UserError: a name that is no class.
    """
    if isinstance(weights, Mapping):
        for name in weights:
            if name not in class_names:
                raise UserError(
                    f"class_weight: there is no class {name!r}; the classes are {listed(class_names, limit=20)}"
                )
        return np.array([weights.get(name, 1.0) for name in class_names], np.float32)
    if weights == "none":
        return np.ones(len(class_names), np.float32)
    from sklearn.utils.class_weight import compute_class_weight

    balanced, present = np.zeros(len(class_names), np.float32), np.unique(labels)
    balanced[present] = compute_class_weight("balanced", classes=present, y=labels)
    return balanced
