"""Features of a few augmented views of each training image, computed once and read at every step."""

import contextlib
import functools
import math
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from ftdata.augment.augmentation import Augmentation
from ftdata.cache import features
from ftdata.cache.features import Layout
from ftdata.cache.images import FeatureViews, ImageStream
from ftdata.cache.row_writer import Put
from ftdata.errors import UserError
from ftdata.log import log
from ftdata.names import counted
from trainers.config import Phase
from trainers.models.cut import Cut, fingerprint
from trainers.rundir.fingerprint import code_versions
from trainers.rundir.progress import Progress
from trainers.runtime.devices import runs_on_gpu
from trainers.training import feature_computation
from trainers.training.context import RunContext
from trainers.training.plan import PhasePlan

_SILENCE_S = 30.0  # between two lines on how far the filling is


def view_augmentation(context: RunContext) -> Augmentation:
    """How the views look: by the seed of the run, so that all phases and runs of that seed have the same."""
    return Augmentation(context.config.augment, seed=context.config.seed)


def number_of_views(plan: PhasePlan, context: RunContext) -> int:
    """Of each training image in a phase: no more than passes over the data, and one where nothing is changed."""
    most = context.config.training.feature_views
    most = most if plan.solves_head else min(most, _passes(plan, context))
    return most if view_augmentation(context).layers else min(most, 1)


def of_phase(
    phase: Phase, plan: PhasePlan, context: RunContext, parts: Cut | None, progress: Progress
) -> FeatureViews | None:
    """What a phase reads instead of its training images, where that is asked for and can be had; noted in `progress`.

    Logs what there is in a line, or why it is nothing. What a phase has begun with it keeps.

    Raises:
      Interrupted: somebody asked to stop; what was computed is kept.
      UserError: the phase has begun with features, and there is no room for them now.
    """
    if not context.config.training.feature_views:
        return None
    if parts is None:
        log.info(f"  features: none in {phase.name}, which trains from the first layer on")
        return None
    if progress.step and not progress.features:
        log.info(f"  features: none, since {phase.name} has begun without room for them")
        return None
    began = time.perf_counter()
    layout = layout_of(parts.prefix, number_of_views(plan, context), context)
    try:
        # a worker that waits for the others hears a signal at once: whatever it leaves behind, the store is whole
        alone = context.processes.size == 1
        with context.stop.deferred() if alone else contextlib.nullcontext():
            found, made = opened(parts.prefix, layout, context)
    except OSError as error:
        reason = f"no room on disk for {_described(layout, context)} ({error.strerror or error})"
        if progress.step:
            raise UserError(f"{phase.name} has begun with features, and there is {reason}") from error
        log.info(f"  features: {reason}: every image is augmented and computed at every step instead")
        return None
    rows, seconds = len(found.order) * layout.views, time.perf_counter() - began
    there = f", {rows - made:,} of the {rows:,} were there" if 0 < made < rows else ""
    how = f"{'computed' if made else 'read'} in {seconds:.{0 if made else 1}f} s{there}"
    log.info(f"  features: {_described(layout, context)}, {how} (in {found.tier})")
    before = progress.features or {"computed": 0, "seconds": 0.0}
    spent = before["seconds"] + (seconds if made else 0.0)
    progress.features = {"rows": rows, "computed": before["computed"] + made, "seconds": spent}
    return found


def in_words(progress: Progress) -> str:
    """What a phase reads instead of its training images: `16,680 rows of features, 8,340 of them computed in 25 s`."""
    rows, computed = progress.features["rows"], progress.features["computed"]
    some = "" if computed >= rows else f"{computed:,} of them "
    how = f"{some}computed in {progress.features['seconds']:.0f} s" if computed else "which were there"
    return f"{counted(rows, 'row')} of features, {how}"


def shown_first(images: np.ndarray, index: np.ndarray, views: FeatureViews, context: RunContext) -> np.ndarray:
    """The views of training images that come in the first pass, float32 [k, side, side, 3].

    Args:
      images: uint8 [k, side, side, 3].
      index: which they are, int [k].
      views: of the phase.
      context: of the run.
    """
    augmentation = view_augmentation(context)
    drawn = augmentation.view_seeds(context.source.train.digests[index], views.order[index, 0])
    return augmentation.view(tf.constant(images), tf.constant(drawn)).numpy()


def outlook(parts: Cut | None, plan: PhasePlan, context: RunContext) -> list[str]:
    """Lines on the features that a phase would compute, before it does."""
    asked = context.config.training.feature_views
    if not asked:
        return []
    if parts is None:
        return ["features: none, since the first layer trains"]
    layout = layout_of(parts.prefix, number_of_views(plan, context), context)
    lines = [f"features: {_described(layout, context)}, {_to_compute(parts.prefix, layout, context)}"]
    if not plan.solves_head and _passes(plan, context) <= asked:
        lines.append(
            "note: there are as many views as passes over the images, so computing them takes as long as training "
            "without; only another run that reads them gains"
        )
    return lines


def _to_compute(prefix: keras.Model, layout: Layout, context: RunContext) -> str:
    """How many features a run would compute, and about how long that takes here: two batches are tried."""
    rows = len(context.source.train) * layout.views
    lacking = features.missing(place(prefix, context), context.source.train.digests, layout)
    if not lacking:
        return "which are there"
    compute, size = _computation(prefix, layout, context), feature_computation.BATCH * context.shard.count
    side = context.config.image_size
    pixels = np.random.default_rng(0).integers(0, 256, (size, side, side, context.config.channels), np.uint8)
    digests = np.resize(context.source.train.digests, (size, 2))
    drawn = view_augmentation(context).view_seeds(digests, np.zeros(size, int))
    compute(pixels, drawn)  # compiles
    began = time.perf_counter()
    compute(pixels, drawn)
    seconds = (time.perf_counter() - began) * math.ceil(lacking / size)
    there = f"{rows - lacking:,} of which are there; the rest" if lacking < rows else "which"
    return f"{there} take about {seconds:.0f} s to compute, once"


def _passes(plan: PhasePlan, context: RunContext) -> int:
    return max(1, round(plan.total_steps * plan.global_batch / len(context.source.train)))


def layout_of(prefix: keras.Model, views: int, context: RunContext) -> Layout:
    """How the features lie in their store."""
    dtype = tf.as_dtype(keras.DTypePolicy(context.config.precision).compute_dtype)
    return Layout(views, tuple(prefix.outputs[0].shape[1:]), dtype)


def _described(layout: Layout, context: RunContext) -> str:
    count, views = len(context.source.train), counted(layout.views, "view")
    size = count * layout.views * layout.row_bytes / 2**20
    return f"{counted(count, 'image')} x {views} of {math.prod(layout.shape):,} numbers, {size:,.0f} MiB"


def opened(prefix: keras.Model, layout: Layout, context: RunContext) -> tuple[FeatureViews, int]:
    """The features of the training images and how many were not there before.

    Raises:
      OSError: no room on disk.
      Interrupted: somebody asked to stop; what was computed is kept.
    """
    assert context.feature_store is not None, "a run that asks for views has a place for them"
    path, digests, processes = place(prefix, context), context.source.train.digests, context.processes
    make, limit = _maker(prefix, layout, context), context.feature_store.limit_gib
    if processes.size == 1:
        return features.open_views(path, digests, layout, seed=context.config.seed, make=make, limit_gib=limit)
    with processes.failing_together(OSError):  # none begins before all have looked
        lacking = features.missing(path, digests, layout)
    with processes.failing_together(OSError):
        part = processes.index, processes.size
        features.fill_part(path, digests, layout, part=part, make=make, limit_gib=limit)
    with processes.failing_together(OSError):
        views, _ = features.open_views(path, digests, layout, seed=context.config.seed, make=make, limit_gib=limit)
    return views, lacking


def are_there(prefix: keras.Model, layout: Layout, context: RunContext) -> bool:
    """Whether all features of the training images are kept already."""
    return not features.missing(place(prefix, context), context.source.train.digests, layout)


def place(prefix: keras.Model, context: RunContext) -> Path:
    """Of the store on disk: another for whatever else than the images decides their features."""
    assert context.feature_store is not None, "a run that asks for views has a place for them"
    config, versions = context.config, code_versions()
    made_with = [
        *(fingerprint(prefix), config.augment, config.seed, config.precision, config.fold_batch_norm),
        *(config.compile_mode, "GPU" if runs_on_gpu(context.strategy) else "CPU"),
        *(versions[name] for name in ("tensorflow", "keras", "onednn")),
    ]
    return context.feature_store.path(made_with)


def _maker(prefix: keras.Model, layout: Layout, context: RunContext) -> Callable[[np.ndarray, Put], None]:
    """`make` of `features.open_views`, on all devices of this process."""
    images, digests, augmentation = context.images["train"], context.source.train.digests, view_augmentation(context)
    # made when it is needed: a large network is not called again in a moment
    computation = functools.cache(lambda: _computation(prefix, layout, context))
    done, said = 0, time.perf_counter()
    share = len(digests) * layout.views // context.processes.size  # about, where other workers make the rest

    def make(places: np.ndarray, put: Put) -> None:
        nonlocal done, said
        compute = computation()
        # a stream is read to its end for whatever is taken
        known, decoded = np.unique(places // layout.views), None
        if isinstance(images, ImageStream):
            decoded = images.take(known)
        size = feature_computation.BATCH * context.shard.count
        for begin in context.stop.between(range(0, len(places), size)):
            part = places[begin : begin + size]
            index, view = np.divmod(np.pad(part, (0, size - len(part)), mode="edge"), layout.views)
            own, of_image = np.unique(index, return_inverse=True)
            pixels = images.take(own) if decoded is None else decoded[np.searchsorted(known, own)]
            found = compute(pixels[of_image], augmentation.view_seeds(digests[index], view))
            put(np.arange(begin, begin + len(part)), found[: len(part)].view(layout.stored))
            done += len(part)
            if time.perf_counter() - said > _SILENCE_S:
                said = time.perf_counter()
                log.info(f"  features: {done:,} of {share:,}")

    return make


def _computation(
    prefix: keras.Model, layout: Layout, context: RunContext
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    return feature_computation.create(
        prefix,
        view_augmentation(context),
        layout.dtype,
        strategy=context.strategy,
        replicas=context.shard.count,
        compiled=context.config.compile_mode,
        fold_batch_norm=context.config.fold_batch_norm,
    )
