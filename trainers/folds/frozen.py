"""Heads on the features of the frozen network, each fitted without some images and judged on those."""

import concurrent.futures
import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np
from threadpoolctl import threadpool_limits

from ftdata.cache.features import Layout
from ftdata.config import AugmentConfig
from ftdata.errors import UserError
from ftdata.log import log
from ftdata.sources import weighting
from trainers.config import PHASES
from trainers.evaluation import excerpt
from trainers.evaluation.scores import Evaluation
from trainers.folds.division import Fold
from trainers.models.cut import cut
from trainers.training import discriminant_head, feature_views, head_solver, logistic_head, phase_model
from trainers.training.context import RunContext

_MOST_THREADS = 4  # each holds a copy of the features
_CELLS = 2**24  # logits that are computed together


@dataclasses.dataclass(frozen=True, eq=False)
class FrozenFeatures:
    """What the frozen network makes of n images: `plain`, float32 [n, channels], of each as it is, and `views`, float32
    [k, n, channels], of what a head is fitted on: k augmented views of each, or the same as `plain` where none are
    asked for. `made` of them were not on disk."""

    plain: np.ndarray
    views: np.ndarray
    made: int


def features_of(prefix: keras.Model, context: RunContext) -> FrozenFeatures:
    """The features of the training images of a run, read from disk or computed once and kept there.

    Raises:
      UserError: they cannot be kept on disk.
      Interrupted: somebody asked to stop; what was computed is kept.
    """
    plain, made = _read(prefix, 1, _unchanged(context))
    count = context.config.training.feature_views
    if not count or not feature_views.view_augmentation(context).layers:
        return FrozenFeatures(plain[0], plain, made)
    views, more = _read(prefix, count, context)
    return FrozenFeatures(plain[0], views, made + more)


def are_there(prefix: keras.Model, context: RunContext) -> bool:
    """Whether `features_of` would compute nothing."""
    count = context.config.training.feature_views
    parts = [(1, _unchanged(context)), *([(count, context)] if count else [])]
    return all(
        feature_views.are_there(prefix, feature_views.layout_of(prefix, views, part), part) for views, part in parts
    )


def frozen_part(context: RunContext) -> keras.Model:
    """What of the network gives the features: images to a vector each.

    Raises:
      UserError: nothing of it is frozen.
    """
    parts = cut(phase_model.build(PHASES["transfer"], context))
    if parts is None or len(parts.prefix.outputs[0].shape) != 2:
        raise UserError(
            f"{context.config.model.backbone} has no frozen layers that give a vector, of which to estimate"
        )
    return parts.prefix


def _unchanged(context: RunContext) -> RunContext:
    """Without augmentation, under which all seeds are one."""
    config = dataclasses.replace(context.config, augment=AugmentConfig(augment=False), seed=0)
    return dataclasses.replace(context, config=config)


def _read(prefix: keras.Model, views: int, context: RunContext) -> tuple[np.ndarray, int]:
    layout: Layout = feature_views.layout_of(prefix, views, context)
    try:
        with context.stop.deferred():
            found, made = feature_views.opened(prefix, layout, context)
    except OSError as error:
        raise UserError(
            f"the features of the images cannot be kept ({error.strerror or error}): give another --data_dir"
        ) from error
    rows = np.arange(len(found.order), dtype=np.int64) * views
    return np.stack([head_solver.read(found, rows + view) for view in range(views)]), made


def judged(
    features: FrozenFeatures,
    labels: np.ndarray,
    folds: Sequence[Fold],
    *,
    groups: np.ndarray | None,
    name: str,
    class_names: Sequence[str],
    class_weights: str | Mapping[str, float],
    monitor: str,
    learned: Callable[[Fold], np.ndarray] | None = None,
) -> Evaluation:
    """Every image judged by a head that was fitted without its fold: logistic regression, or of many classes linear
    discriminant analysis.

    C, or the shrinkage, is chosen within what a head is fitted on, over whole groups of it.

    Args:
      features: of n images.
      labels: int [n].
      folds: that leave out each image once.
      groups: int [n], within which C is not to be chosen; None for none.
      name: what the folds are, for a line of output.
      class_names: of the classes.
      class_weights: `balanced`, `none`, or the weights of some classes by name.
      monitor: the score that chooses C.
      learned: the images, bool [n], that the head of a fold is fitted on; None for all that are not left out.
    """

    def fitted(fold: Fold) -> tuple[tuple[np.ndarray, np.ndarray], float, float | None]:
        kept = np.flatnonzero(~fold.left_out if learned is None else learned(fold))
        own, inside = labels[kept], None if groups is None else groups[kept]
        weights = dict(enumerate(weighting.class_weights(own, class_names, class_weights).tolist()))
        return solved(features.views[:, kept], own, weights, groups=inside, monitor=monitor)

    # the products are small: threads of one product would wait for each other, so each fit gets one
    are_many = len(class_names) > excerpt.MANY_CLASSES
    solved = discriminant_head.solved if are_many else logistic_head.solved
    workers = 1 if are_many else min(_MOST_THREADS, os.cpu_count() or 1)
    with threadpool_limits(None if are_many else 1), concurrent.futures.ThreadPoolExecutor(workers) as pool:
        heads = list(pool.map(fitted, folds))
    logits = np.zeros((len(labels), len(class_names)), np.float32 if are_many else np.float64)
    for fold, ((kernel, bias), _, _) in zip(folds, heads, strict=True):
        left_out = np.flatnonzero(fold.left_out)
        # of many classes a few images at a time: no second matrix of all images and classes
        pieces = -(-len(left_out) * len(class_names) // _CELLS) if are_many else 1
        for some in np.array_split(left_out, pieces):
            logits[some] = features.plain[some] @ kernel + bias
    if learned is None:
        chosen = ", ".join(f"{strength:g}" for _, strength, _ in heads)
        kind = "of discriminant analysis, as the classes are many, shrinkage " if are_many else "C="
        log.info(f"  heads without each of the {name}: {kind}{chosen}")
    return Evaluation(logits, labels)
