"""The average of the weights of models that were fine-tuned from about the same point: a model soup (Wortsman et al.,
2022, arXiv:2203.05482), of the folds' models and uniform. numpy only."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np


def keep(path: Path, weights: Sequence[np.ndarray]) -> None:
    """Writes the weights of a model, in the order of `Model.weights`, to a .npz file."""
    with path.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **{f"{place:06}": value for place, value in enumerate(weights)})


def average(paths: Sequence[Path]) -> list[np.ndarray]:
    """The mean of what `keep` has written, in the dtypes that it has there; what is no float is that of the first.

    Moving statistics of batch normalization that trains are averaged like all others: they are not estimated afresh.
    """
    total: list[np.ndarray] = []
    for path in paths:
        with np.load(path, allow_pickle=False) as stored:
            values = [stored[name] for name in sorted(stored)]
        wide = [value.astype(np.float64) if _is_float(value) else value for value in values]
        total = [one + other if _is_float(one) else one for one, other in zip(total, wide, strict=True)] or wide
    return [
        (mean / len(paths)).astype(value.dtype) if _is_float(value) else value
        for mean, value in zip(total, values, strict=True)
    ]


def _is_float(value: np.ndarray) -> bool:
    return np.issubdtype(value.dtype, np.floating)
