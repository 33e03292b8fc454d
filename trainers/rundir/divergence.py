"""Training that has gone where it cannot come back from."""

import math
from collections.abc import Mapping

import numpy as np

from ftdata.errors import UserError
from trainers.config import TrainingConfig

# Far above what the worst start gives (class weights of 1000 times a confident mistake), far below overflow.
_LARGEST_LOSS = 1e6
# 25 halvings below where float16 starts: then it is not the scale that makes the gradients overflow.
_SMALLEST_LOSS_SCALE = 2.0**-10


class Diverged(UserError):
    """The loss or the weights are no longer finite."""


def check_loss(loss: float, *, step: int) -> None:
    """Raises Diverged if the mean loss of a step is not finite, or is beyond all reason."""
    if not math.isfinite(loss) or loss > _LARGEST_LOSS:
        raise Diverged(f"the loss of step {step} is {loss:.4g}")


def check_loss_scale(scale: float, *, step: int) -> None:
    """Raises Diverged if the gradients overflow float16 however small the loss scale is."""
    if scale < _SMALLEST_LOSS_SCALE:
        raise Diverged(f"the gradients overflow float16 at step {step} even with a loss scale of {scale:.2g}")


def check_values(arrays: Mapping[str, np.ndarray], *, step: int) -> None:
    """Raises Diverged if a value of the training state is not finite."""
    for name, values in arrays.items():
        # the smallest and the largest instead of isfinite: no second array as large as the values
        if (
            np.issubdtype(values.dtype, np.floating)
            and values.size
            and not np.isfinite([values.min(), values.max()]).all()
        ):
            raise Diverged(f"the {name.split('/')[0]} are not finite after step {step}")


def advice(phase: str, config: TrainingConfig, *, precision: str) -> str:
    """What to change in a phase that diverged, trained under the dtype policy `precision`."""
    rate = getattr(config, f"{phase}_learning_rate")
    changes = [f"a lower --{phase}_learning_rate (it was {rate:g})"]
    norm = config.gradient_clip_norm
    changes.append(f"a lower --gradient_clip_norm (it was {norm:g})" if norm else "--gradient_clip_norm=1")
    if precision != "float32":
        changes.append(f"--mixed_precision=float32 (it was {precision})")
    return f"try {', '.join(changes[:-1])} or {changes[-1]}"
