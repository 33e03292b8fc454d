"""How much each class counts in the loss."""

from collections.abc import Mapping, Sequence

import numpy as np

from ftdata.errors import UserError
from ftdata.names import composed, listed


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
    from sklearn.utils.class_weight import compute_class_weight

    balanced, present = np.zeros(len(class_names), np.float32), np.unique(labels)
    balanced[present] = compute_class_weight("balanced", classes=present, y=labels)
    return balanced
