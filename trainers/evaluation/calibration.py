"""How far probabilities can be trusted: expected calibration error, reliability, and a temperature that corrects it."""

import dataclasses
import math

import numpy as np

from trainers.evaluation.scores import Evaluation

_BINS = 15  # as in Guo et al., 2017, arXiv:1706.04599
_COLDEST, _HOTTEST = 0.05, 20.0
# Chosen by simulation (test_temperature.py): of the pairs tried, this one never raises the expected
# loss on other images by more than 0.003 nats, which is what is left of chance in a model that was calibrated already,
# and still brings half of what a temperature can give at 30 images, 87 % at 100 and all of it at 1,000.
_WIDTH = 0.3  # standard deviation of log T before any image is seen: two models in three lie between 0.74 and 1.35
_LEAST_EVIDENCE = math.log(20)  # nats by which T must be more plausible than 1: odds of 20 to 1


@dataclasses.dataclass(frozen=True)
class Reliability:
    """Per bin of confidence that holds images: mean confidence, accuracy, number of images."""

    confidence: np.ndarray
    accuracy: np.ndarray
    count: np.ndarray


def reliability(evaluation: Evaluation) -> Reliability:
    """Sorts the answers into 15 bins of equal width by the probability of the predicted class."""
    confidence = evaluation.confidence
    right = evaluation.predicted == evaluation.labels
    number = np.clip(np.ceil(confidence * _BINS).astype(int) - 1, 0, _BINS - 1)
    counts = np.bincount(number, minlength=_BINS)
    kept = counts > 0
    sums = (np.bincount(number, weights=values, minlength=_BINS)[kept] for values in (confidence, right))
    mean_confidence, accuracy = (total / counts[kept] for total in sums)
    return Reliability(mean_confidence, accuracy, counts[kept])


def expected_calibration_error(evaluation: Evaluation) -> float:
    """Mean distance between confidence and accuracy over the bins, each by its number of images.

    Guo et al., 2017, arXiv:1706.04599, equation 3.
    """
    bins = reliability(evaluation)
    return float(np.sum(bins.count * np.abs(bins.accuracy - bins.confidence)) / np.sum(bins.count))


@dataclasses.dataclass(frozen=True)
class Confidence:
    """The mean probability of the predicted class beside the accuracy.

    Attributes:
      claimed: that mean.
      right: the share of right answers.
      by_chance: how far the two lie apart in 95 of 100 sets of so many images where every probability is right.
    """

    claimed: float
    right: float
    by_chance: float

    @classmethod
    def of(cls, evaluation: Evaluation) -> "Confidence":
        """That of n answers. Of right probabilities p the number of right answers varies by the sum of p (1 - p)."""
        highest = evaluation.confidence
        right = float(np.mean(evaluation.predicted == evaluation.labels))
        error = math.sqrt(float(np.sum(highest * (1 - highest)))) / len(highest)
        return cls(float(highest.mean()), right, 1.96 * error)

    @property
    def in_words(self) -> str:
        """The direction, in a sentence."""
        points = 100 * (self.claimed - self.right)
        said = f"It claims {self.claimed:.1%} on average and is right in {self.right:.1%}"
        if abs(points) <= 100 * self.by_chance:
            return f"{said}: neither over- nor underconfident by more than chance would give."
        word = "overconfident" if points > 0 else "underconfident"
        advice = "is right less often" if points > 0 else "is right more often"
        return f"{said}: {word} by {abs(points):.1f} points, so it {advice} than it says."


def rounded(temperature: float) -> str:
    """A temperature for a line of output, with as many digits as mean something: `1.07`, `3.1`."""
    return f"{temperature:.1f}" if temperature >= 2 else f"{temperature:.2f}"


@dataclasses.dataclass(frozen=True)
class Temperature:
    """What the scores before the softmax are divided by, and the number of images that tell so."""

    value: float
    images: int

    @property
    def in_words(self) -> str:
        """For a line of output."""
        if self.value == 1.0:
            return f"temperature 1: the {self.images:,} held-out images are too little evidence for another"
        return f"temperature {rounded(self.value)}, fitted on {self.images:,} held-out images"


def fit_temperature(evaluation: Evaluation) -> Temperature:
    """The most plausible temperature; above 1 the model was overconfident.

    Guo et al., 2017, arXiv:1706.04599, minimize the cross entropy. On few images, or where no answer is wrong, its
    minimum is far from the temperature that suits other images, or at the bound. So log T is taken as normally
    distributed around 0, which adds log(T)² / (2 width²) to the summed cross entropy, a weight that fades as images are
    added; and where the sum at the minimum is not clearly below that at 1, the temperature is 1.
    """
    from scipy import optimize

    def cost(logarithm: float) -> float:
        scaled = evaluation.with_temperature(math.exp(logarithm))
        return float(-np.sum(scaled.log_likelihoods)) + 0.5 * (logarithm / _WIDTH) ** 2

    found = optimize.minimize_scalar(cost, bounds=(math.log(_COLDEST), math.log(_HOTTEST)), method="bounded")
    is_evident = cost(0.0) - found.fun >= _LEAST_EVIDENCE
    return Temperature(math.exp(found.x) if is_evident else 1.0, len(evaluation.labels))
