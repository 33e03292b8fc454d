"""From which probability on each of several labels is given: chosen on held-out images, as far as they are evidence.

The best threshold on a few images is mostly chance: with one image of a class it is any number between two
probabilities. So it is drawn towards 1/2, on the scale of log-odds, by n / (n + 2), where n is how many images show the
class, or do not if those are fewer. In a simulation of 30 kinds of scores (prevalence 2 to 30 %,
calibrated, too sure, too high, too low), 150 draws each, this gave on new images a better F1 than the best threshold
itself for every n from 1 to 40: at n = 1, against 1/2, +0.034 in the mean and -0.012 at worst, where the best threshold
gave +0.026 and -0.079; at n = 20 both gave +0.073.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import special

from ftdata.names import counted, listed
from trainers.evaluation.label_scores import HALF, LabelEvaluation
from trainers.models.class_names import in_a_line

FEW = 10  # images: a threshold that fewer have chosen, on either side, is worth a warning
_PRIOR = 2.0  # images that speak for 1/2
_LEAST = 1e-6  # distance of a probability from 0 and 1


def choose(held_out: LabelEvaluation) -> np.ndarray:
    """The threshold of each class: float32 [num_classes].

    It is that with the best F1 on the held-out images, drawn towards 1/2 the more the fewer they are (see above). A
    class that none of the images shows, or all, keeps 1/2.
    """
    best = np.clip(with_best_f1(held_out).astype(np.float64), _LEAST, 1 - _LEAST)
    count = evidence(held_out)
    return special.expit(special.logit(best) * count / (count + _PRIOR)).astype(np.float32)


def evidence(held_out: LabelEvaluation) -> np.ndarray:
    """How many images show each class, or do not, whichever are fewer: int64 [num_classes]."""
    shown = held_out.truth.sum(axis=0)
    return np.minimum(shown, len(held_out.truth) - shown)


def with_best_f1(held_out: LabelEvaluation) -> np.ndarray:
    """Of each class the threshold with the highest F1 on held-out images: float32 [num_classes].

    Of several with the same F1 it is the highest; it lies halfway from the last probability that is accepted to the
    next one. A class that none of the images shows keeps 1/2.
    """
    rounded = held_out.probabilities.astype(np.float32)
    return np.array([_best(rounded[:, k], held_out.shows(k)) for k in range(rounded.shape[1])], np.float32)


def _best(probabilities: np.ndarray, is_class: np.ndarray) -> float:
    if not is_class.any():
        return HALF
    order = np.argsort(-probabilities, kind="stable")
    falling, found = probabilities[order], np.cumsum(is_class[order])
    last = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)  # of equal probabilities
    f1 = 2 * found[last] / (last + 1 + is_class.sum())
    at = int(last[np.argmax(f1)])
    if at + 1 == len(falling):
        return float(falling[at] / 2)
    halfway = np.float32((float(falling[at]) + float(falling[at + 1])) / 2)
    return float(halfway if halfway > falling[at + 1] else falling[at])  # between neighbours there is nothing


def of_metrics(metrics: Mapping[str, Any], class_names: Sequence[str]) -> np.ndarray | None:
    """Those that the metrics of a phase record, float32 [num_classes]; None where there are none of these classes."""
    stored = metrics.get("label_thresholds")
    if not stored or set(stored["by_class"]) != set(class_names):
        return None
    return np.array([stored["by_class"][name] for name in class_names], np.float32)


def recorded(
    held_out: LabelEvaluation | None, class_names: Sequence[str], *, chosen_on: str = "validation"
) -> dict[str, Any]:
    """Chooses them; what the metrics of a phase say of that, JSON values. None for no held-out images: 1/2 each.

    Args:
      held_out: what they are chosen on.
      class_names: of the classes.
      chosen_on: what that is: `validation`, or `folds`, whose models have judged what they left out.
    """
    values = np.full(len(class_names), HALF) if held_out is None else choose(held_out)
    shown = np.zeros(len(class_names), int) if held_out is None else held_out.truth.sum(axis=0)
    by_class, shown_by = (dict(zip(class_names, column.tolist(), strict=True)) for column in (values, shown))
    images = 0 if held_out is None else len(held_out.truth)
    found = {"chosen_on": chosen_on, "images": images, "by_class": by_class, "shown_by": shown_by}
    return {"label_thresholds": found}


def in_words(stored: Mapping[str, Any] | None) -> list[str]:
    """Lines on what they were chosen on, out of `recorded`, and a warning of classes for which that was little."""
    images = (stored or {}).get("images", 0)
    if not stored or not images:
        return ["every threshold is 1/2: there is no validation split to choose them on"]
    return [f"thresholds chosen on {counted(images, image_of(stored))}", *warning(stored)]


def image_of(stored: Mapping[str, Any]) -> str:
    """What an image is that they were chosen on: `validation image`, or one that a fold left out."""
    return "validation image" if stored["chosen_on"] == "validation" else "left-out image"


def warning(stored: Mapping[str, Any]) -> list[str]:
    """A line on the classes whose threshold few images have chosen; none where there are none."""
    images, least = stored["images"], stored["by_class"]
    evidence = {name: min(shown, images - shown) for name, shown in stored.get("shown_by", {}).items()}
    weak = sorted((name for name, count in evidence.items() if count < FEW), key=lambda name: evidence[name])
    if not weak:
        return []
    shown = stored["shown_by"]
    named = [f"{in_a_line(name)} ({shown[name]:,} of {images:,}: {as_text(least[name])})" for name in weak]
    return [
        f"warning: few {image_of(stored)}s show, or do not show, {listed(named, limit=10)}: thresholds that fewer than "
        f"{FEW} images choose say little, and are drawn towards 1/2"
    ]


def as_text(threshold: float) -> str:
    """`0.317`; never 0 or 1, which none is."""
    text = f"{threshold:.3f}"
    return {"0.000": "<0.001", "1.000": ">0.999"}.get(text, text)
