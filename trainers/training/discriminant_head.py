"""A linear head in closed form, of many classes: linear discriminant analysis. numpy and scikit-learn only.

Logistic regression of n images among k classes looks at n * k numbers at each of hundreds of steps; this looks at them
once. The logit of a class is that of a normal density around its mean, of one covariance for all classes, which is
drawn towards the unit matrix (Friedman: Regularized Discriminant Analysis, JASA 84, 1989) as far as cross-validation on
one view of each image says; it also gives the scale of the logits, with which their probabilities come true.
"""

import dataclasses

import numpy as np
from scipy import sparse
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from trainers.evaluation.scores import Evaluation

SHRINKAGES = (0.01, 0.03, 0.1, 0.3, 0.6, 1.0)  # of the covariance towards the unit matrix
SCALES = tuple(2.0**power for power in range(-8, 4))  # of the logits
_MOST_FOLDS, _MOST_JUDGED = 5, 1_000  # images that choose, of all folds together
_WITHOUT_FOLDS = (0.3, 0.25)  # where there are too few images to choose
_ABSENT = -1e4  # the logit of a class without images


@dataclasses.dataclass(frozen=True, eq=False)
class Normals:
    """Normal densities of k classes over features of mean 0 and variance 1, from `mean` and `deviation`, [channels].

    `centres`, [k, channels], and `variances`, [channels], lie along `axes`, [channels, channels], those of the
    covariance within a class; `priors` are logarithms, [k]. float64 all.
    """

    mean: np.ndarray
    deviation: np.ndarray
    axes: np.ndarray
    variances: np.ndarray
    centres: np.ndarray
    priors: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray, labels: np.ndarray, weights: dict[int, float]) -> "Normals":
        """Those of features [n, channels] of labels, int [n], classes counting by `weights`."""
        mean, deviation = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
        deviation[deviation == 0] = 1
        scaled = ((features - mean) / deviation).astype(np.float32)
        counts = np.bincount(labels, minlength=len(weights))
        members = sparse.csr_array((np.ones(len(labels), np.float32), (labels, np.arange(len(labels)))))
        centres = np.zeros((len(weights), features.shape[1]))
        centres[: members.shape[0]] = members @ scaled
        centres /= np.maximum(counts, 1)[:, None]
        within = scaled - centres.astype(np.float32)[labels]
        covariance = (within.T @ within).astype(np.float64) / max(1, len(labels) - np.count_nonzero(counts))
        variances, axes = np.linalg.eigh(covariance)
        shares = counts * np.array([weights[label] for label in range(len(weights))])
        priors = np.full(len(weights), _ABSENT)
        priors[shares > 0] = np.log(shares[shares > 0] / shares.sum())
        return cls(mean, deviation, axes, np.maximum(variances, 0), centres @ axes, priors)

    def head(self, shrinkage: float, scale: float) -> tuple[np.ndarray, np.ndarray]:
        """Kernel, float32 [channels, classes], and bias of a dense layer that gives the logits."""
        weighted = self.centres / ((1 - shrinkage) * self.variances + shrinkage)
        kernel = (self.axes @ weighted.T) / self.deviation[:, None]
        bias = self.priors - (weighted * self.centres).sum(axis=1) / 2 - self.mean @ kernel
        return (scale * kernel).astype(np.float32), (scale * bias).astype(np.float32)


def solved(
    views: np.ndarray,
    labels: np.ndarray,
    weights: dict[int, float],
    *,
    groups: np.ndarray | None,
    monitor: str,
) -> tuple[tuple[np.ndarray, np.ndarray], float, float | None]:
    """The head of all views; arguments and result are those of `logistic_head.solved`, with the shrinkage for C."""
    (shrinkage, scale), score = choose(views[0], labels, weights, groups=groups, monitor=monitor)
    found = Normals.of(views.reshape(-1, views.shape[-1]), np.tile(labels, len(views)), weights)
    return found.head(shrinkage, scale), shrinkage, score


def choose(
    features: np.ndarray, labels: np.ndarray, weights: dict[int, float], *, groups: np.ndarray | None, monitor: str
) -> tuple[tuple[float, float], float | None]:
    """The shrinkage with the best score and the scale with the least loss over folds, and that score; None where there
    are too few images for folds. Arguments are those of `logistic_head.choose`."""
    units = labels if groups is None else np.unique(np.stack([labels, groups], axis=1), axis=0)[:, 0]
    counts = np.bincount(units)
    folds = min(_MOST_FOLDS, *counts[counts > 0])
    if folds < 2:
        return _WITHOUT_FOLDS, None
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    logits: dict[float, list[np.ndarray]] = {shrinkage: [] for shrinkage in SHRINKAGES}
    judged = list[np.ndarray]()
    for learned, others in kind(folds, shuffle=True, random_state=0).split(features, labels, groups):
        some = others[np.isin(labels[others], labels[learned])][:: max(1, len(labels) // _MOST_JUDGED)]
        found = Normals.of(features[learned], labels[learned], weights)
        judged.append(labels[some])
        for shrinkage in SHRINKAGES:
            kernel, bias = found.head(shrinkage, 1.0)
            logits[shrinkage].append(features[some] @ kernel + bias)
    of_images = np.concatenate(judged)
    every = {shrinkage: np.concatenate(parts) for shrinkage, parts in logits.items()}
    scores = {shrinkage: _score(found, of_images, monitor) for shrinkage, found in every.items()}
    best = max(scores, key=lambda shrinkage: scores[shrinkage])
    losses = {scale: Evaluation(every[best] * np.float32(scale), of_images).loss for scale in SCALES}
    return (best, min(losses, key=lambda scale: losses[scale])), scores[best]


def _score(logits: np.ndarray, labels: np.ndarray, monitor: str) -> float:
    """The score that is to be high."""
    score = float(getattr(Evaluation(logits, labels), monitor))
    return -score if monitor == "loss" else score
