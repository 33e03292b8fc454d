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
    models = [_read(path) for path in paths]
    return [
        np.mean(values, axis=0, dtype=np.float64).astype(values[0].dtype) if _is_float(values[0]) else values[0]
        for values in zip(*models, strict=True)
    ]


def _read(path: Path) -> list[np.ndarray]:
    with np.load(path, allow_pickle=False) as stored:
        return [stored[name] for name in sorted(stored)]


def _is_float(value: np.ndarray) -> bool:
    return np.issubdtype(value.dtype, np.floating)
