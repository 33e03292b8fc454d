"""A linear head solved for instead of trained step by step: logistic regression on the features of the images.

Multinomial logistic regression with an L2 penalty, by L-BFGS, on features of mean 0 and variance 1; the scaling becomes
part of the layer's weights, so that the model keeps its layers. The strength of the penalty is chosen by
cross-validation on one view of each image, whole groups at a time where there are groups.
"""

import time

import keras
import numpy as np
import tensorflow as tf
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from ftdata.cache.images import FeatureViews
from ftdata.log import log
from trainers.training.context import RunContext

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # of scikit-learn's C, the inverse of the penalty
_MOST_FOLDS, _ITERATIONS = 5, 1_000
_WITHOUT_FOLDS = 1e-2  # C where there are too few images to choose it
_SCORING = {"loss": "neg_log_loss"}  # scikit-learn's name of a score, where it has another


def solve(network: keras.Model, views: FeatureViews, context: RunContext) -> None:
    """Sets the weights of the layer `logits`, which is the only one that trains; logs what was chosen.

    Args:
      network: that the phase trains.
      views: features [b, channels] of all training images.
      context: with their labels, the weights of the classes, and their groups.
    """
    began, labels, count = time.perf_counter(), context.source.train.labels, views.order.shape[1]
    weights = {label: float(weight) for label, weight in enumerate(context.class_weights)}
    rows = np.arange(len(labels), dtype=np.int64) * count
    monitor = context.config.monitor
    everything = np.concatenate([_read(views, rows + view) for view in range(count)])
    with threadpool_limits(1):  # the products are small: several would wait for each other
        strength, score = choose(everything[: len(labels)], labels, weights, groups=context.groups, monitor=monitor)
        model = _model(strength, weights).fit(everything, np.tile(labels, count))
    network.get_layer("logits").set_weights(list(folded(model)))
    chosen = f"C={strength:g}" + ("" if score is None else f" ({monitor} {abs(score):.4f} over folds)")
    log.info(f"  head: logistic regression on {len(everything):,} rows, {chosen}, {time.perf_counter() - began:.0f} s")


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
        _model(STRENGTHS[0], weights),
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


def _model(strength: float, weights: dict[int, float]) -> Pipeline:
    regression = LogisticRegression(C=strength, class_weight=weights, max_iter=_ITERATIONS)
    return make_pipeline(StandardScaler(), regression)


def _read(views: FeatureViews, rows: np.ndarray) -> np.ndarray:
    with tf.device("CPU:0"):
        return tf.cast(views.read_at(tf.constant(rows)), tf.float32).numpy()
