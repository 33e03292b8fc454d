"""The means over a split that an epoch is judged by."""

import dataclasses

import numpy as np

from ftdata.labels import is_multi


@dataclasses.dataclass(frozen=True)
class Summary:
    """Means over a split: what an epoch is judged by, and what rank 0, which has the scores, sends to the others."""

    loss: float
    accuracy: float
    balanced_accuracy: float
    f1_macro: float


@dataclasses.dataclass(frozen=True)
class LabelSummary(Summary):
    """Of images with several labels: accuracy is the share of those whose every label is right."""

    f1_micro: float
    map: float


def summary_kind(labels: np.ndarray) -> type[Summary]:
    """The means that are taken over a split with such labels."""
    return LabelSummary if is_multi(labels) else Summary


def in_words(score: str) -> str:
    """The name of a score of `Summary` for a line of output."""
    return {"map": "mAP"}.get(score, score.replace("_", " ").replace("f1", "F1"))
