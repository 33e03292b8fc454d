"""How far probabilities can be trusted: expected calibration error, reliability, and a temperature that mends it."""

import dataclasses

import numpy as np

from trainers.evaluate import Evaluation

_BINS = 15  # as in Guo et al., 2017, arXiv:1706.04599
_COLDEST, _HOTTEST = 0.05, 20.0


@dataclasses.dataclass(frozen=True)
class Reliability:
    """Per bin of confidence that holds pictures: mean confidence, share of right answers, number of pictures."""

    confidence: np.ndarray
    accuracy: np.ndarray
    count: np.ndarray


def reliability(evaluation: Evaluation) -> Reliability:
    """Sorts the answers into 15 bins of equal width by the probability of the predicted class."""
    confidence = evaluation.probabilities.max(axis=1)
    right = evaluation.predicted == evaluation.labels
    number = np.clip(np.ceil(confidence * _BINS).astype(int) - 1, 0, _BINS - 1)
    counts = np.bincount(number, minlength=_BINS)
    kept = counts > 0
    sums = (np.bincount(number, weights=values, minlength=_BINS)[kept] for values in (confidence, right))
    mean_confidence, accuracy = (total / counts[kept] for total in sums)
    return Reliability(mean_confidence, accuracy, counts[kept])


def expected_calibration_error(evaluation: Evaluation) -> float:
    """Mean distance between confidence and accuracy over the bins, each by its number of pictures.

    Guo et al., 2017, arXiv:1706.04599, equation 3.
    """
    bins = reliability(evaluation)
    return float(np.sum(bins.count * np.abs(bins.accuracy - bins.confidence)) / np.sum(bins.count))


def with_temperature(evaluation: Evaluation, temperature: float) -> Evaluation:
    """The scores before the softmax divided by `temperature`: the same answers, with another confidence."""
    scores = np.log(np.maximum(evaluation.probabilities, 1e-300)) / temperature
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return Evaluation(exponentials / exponentials.sum(axis=1, keepdims=True), evaluation.labels)


def fit_temperature(evaluation: Evaluation) -> float:
    """The temperature with the lowest cross entropy, between 0.05 and 20; above 1 the model was too sure."""
    from scipy import optimize

    def loss(logarithm: float) -> float:
        return with_temperature(evaluation, float(np.exp(logarithm))).loss

    bounds = (np.log(_COLDEST), np.log(_HOTTEST))
    return float(np.exp(optimize.minimize_scalar(loss, bounds=bounds, method="bounded").x))
