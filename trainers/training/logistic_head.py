"""A linear head as logistic regression. numpy and scikit-learn only.

Multinomial logistic regression with an L2 penalty, by L-BFGS, on features of mean 0 and variance 1; the scaling becomes
part of the layer's weights, so that the model keeps its layers. The strength of the penalty is chosen by
cross-validation on one view of each image, whole groups at a time where there are groups.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # of scikit-learn's C, the inverse of the penalty
_MOST_FOLDS, _ITERATIONS = 5, 1_000
# Of the gradient where L-BFGS stops: scikit-learn's own, and one that tells strengths apart in a quarter of the time.
_FINE, _ROUGH = 1e-4, 1e-2
_WITHOUT_FOLDS = 1e-2  # C where there are too few images to choose it
_SCORING = {"loss": "neg_log_loss"}  # scikit-learn's name of a score, where it has another


def choose(
    features: np.ndarray,
    labels: np.ndarray,
    weights: dict[int, float],
    *,
    groups: np.ndarray | None,
    monitor: str,
) -> tuple[float, float | None]:
    """The C with the best mean score over the folds, and that score; None where there are too few images for folds.

    Args:
      features: float32 [n, channels].
      labels: int32 [n].
      weights: of each class.
      groups: int [n], which fold together.
      monitor: the score, such as `balanced_accuracy`.
    """
    units = labels if groups is None else np.unique(np.stack([labels, groups], axis=1), axis=0)[:, 0]
    folds = min(_MOST_FOLDS, *np.bincount(units)) if len(units) else 0
    if folds < 2:
        return _WITHOUT_FOLDS, None
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    grid = {"logisticregression__C": STRENGTHS}
    search = GridSearchCV(
        _model(STRENGTHS[0], weights, tolerance=_ROUGH),
        grid,
        cv=kind(folds, shuffle=True, random_state=0),
        scoring=_SCORING.get(monitor, monitor),
        refit=False,
    )
    search.fit(features, labels, groups=groups)
    return float(search.best_params_["logisticregression__C"]), float(search.best_score_)


def folded(model: Pipeline) -> tuple[np.ndarray, np.ndarray]:
    """Kernel, float32 [channels, classes], and bias of a dense layer that scales and gives the logits."""
    scaler, regression = model[0], model[-1]
    kernel, bias = (regression.coef_ / scaler.scale_).T, regression.intercept_
    bias = bias - scaler.mean_ @ kernel
    if kernel.shape[1] == 1:  # of two classes scikit-learn keeps the difference
        kernel, bias = np.concatenate([-kernel, kernel], axis=1) / 2, np.concatenate([-bias, bias]) / 2
    return kernel.astype(np.float32), bias.astype(np.float32)


def solved(
    views: np.ndarray,
    labels: np.ndarray,
    weights: dict[int, float],
    *,
    groups: np.ndarray | None,
    monitor: str,
) -> tuple[tuple[np.ndarray, np.ndarray], float, float | None]:
    """The head of all views, with the strength that one view of each image chooses.

    Args:
      views: float32 [k, n, channels].
      labels: int [n].
      weights: of each class.
      groups: int [n], which fold together.
      monitor: the score, such as `balanced_accuracy`.

    Returns:
      Kernel and bias as of `folded`; C and its score as of `choose`.
    """
    strength, score = choose(views[0], labels, weights, groups=groups, monitor=monitor)
    rows = views.reshape(-1, views.shape[-1])
    return folded(fit(rows, np.tile(labels, len(views)), weights, strength=strength)), strength, score


def fit(features: np.ndarray, labels: np.ndarray, weights: dict[int, float], *, strength: float) -> Pipeline:
    """The head of features [n, channels] of labels, int [n], with the weights of the classes and C `strength`."""
    return _model(strength, weights).fit(features, labels)


def _model(strength: float, weights: dict[int, float], *, tolerance: float = _FINE) -> Pipeline:
    regression = LogisticRegression(C=strength, class_weight=weights, max_iter=_ITERATIONS, tol=tolerance)
    return make_pipeline(StandardScaler(), regression)
