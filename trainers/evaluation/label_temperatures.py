"""How far the probability of each of several labels can be trusted, and a temperature of each class that corrects it.

A class is a question of its own with two answers, so its temperature is that of `calibration` for its logits alone:
with the same prior, and 1 where the held-out images are too little evidence for another.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import special

from ftdata.names import counted
from trainers.evaluation import calibration
from trainers.evaluation.label_scores import LabelEvaluation

_BINS = 15  # of equal width, as `calibration` has for one class an image


def fit(held_out: LabelEvaluation) -> np.ndarray:
    """The temperature of each class: float64 [num_classes]."""
    alone = (LabelEvaluation(held_out.logits[:, [k]], held_out.labels[:, [k]]) for k in range(held_out.logits.shape[1]))
    return np.array([calibration.fit_temperature(of_class).value for of_class in alone])


def calibration_error(evaluation: LabelEvaluation) -> float:
    """Mean over the classes of the distance between the probability of a label and the share of images that show it,
    over 15 bins of the probability, each by its number of images."""
    count, classes = evaluation.probabilities.shape
    number = np.clip(np.ceil(evaluation.probabilities * _BINS).astype(int) - 1, 0, _BINS - 1)
    place = number + _BINS * np.arange(classes)
    gaps = np.bincount(place.ravel(), weights=(evaluation.probabilities - evaluation.truth).ravel())
    return float(np.abs(gaps).sum() / (count * classes))


def recorded(held_out: LabelEvaluation | None, class_names: Sequence[str], *, chosen_on: str) -> dict[str, Any]:
    """Fits them; what the metrics of a phase say of that, JSON values. None for no held-out images: 1 each.

    Args:
      held_out: what they are fitted on.
      class_names: of the classes.
      chosen_on: what that is, `validation` or `folds`.
    """
    values = np.ones(len(class_names)) if held_out is None else fit(held_out)
    images = 0 if held_out is None else len(held_out.labels)
    by_class = dict(zip(class_names, values.tolist(), strict=True))
    return {"label_temperatures": {"chosen_on": chosen_on, "images": images, "by_class": by_class}}


def of_metrics(metrics: Mapping[str, Any], class_names: Sequence[str]) -> np.ndarray:
    """Those that the metrics of a phase record, float64 [num_classes]; 1 each where there are none of these classes."""
    stored = metrics.get("label_temperatures")
    if not stored or set(stored["by_class"]) != set(class_names):
        return np.ones(len(class_names))
    return np.array([stored["by_class"][name] for name in class_names])


def errors(evaluation: LabelEvaluation, temperatures: np.ndarray) -> dict[str, float]:
    """What metrics.json says of images evaluated: the error as they are, and with the temperatures."""
    return {
        "label_calibration_error": calibration_error(evaluation),
        "calibrated_label_calibration_error": calibration_error(evaluation.with_temperature(temperatures)),
    }


def thresholds_at(thresholds: np.ndarray, temperatures: np.ndarray) -> np.ndarray:
    """The thresholds of probabilities with these temperatures that give the same answers: float32 [num_classes]."""
    return special.expit(special.logit(thresholds.astype(np.float64)) / temperatures).astype(np.float32)


def in_words(stored: Mapping[str, Any] | None) -> str:
    """For a line of output, out of `recorded`."""
    if not stored or not stored["images"]:
        return "temperature 1 for every class: no image was held out of the training to fit one on"
    images, values = counted(stored["images"], "held-out image"), stored["by_class"].values()
    others = [value for value in values if value != 1.0]
    if not others:
        return f"temperature 1 for every class: {images} are too little evidence for another"
    low, high = (calibration.rounded(value) for value in (min(others), max(others)))
    span = low if low == high else f"{low} to {high}"
    rest = "" if len(others) == len(values) else f", 1 for the other {len(values) - len(others):,}"
    return f"temperature {span} for {counted(len(others), 'class')}{rest}, fitted on {images}"
