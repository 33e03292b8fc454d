"""Features of a few augmented views of each training image, computed once and read at every step."""

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
from ftdata.log import log
from trainers.models import cut, folding
from trainers.rundir.fingerprint import code_versions
from trainers.runtime.compilation import COMPILE_AUGMENTATION, COMPILE_STEP
from trainers.runtime.devices import runs_on_gpu
from trainers.training.context import RunContext
from trainers.training.plan import PhasePlan

# Images of one call on one device, always as many: kernels choose by it how they add up, so one by itself would get
# other bits than one of several.
_BATCH = 32
_SILENCE_S = 30.0  # between two lines on how far the filling is


def view_augmentation(context: RunContext) -> Augmentation:
    """How the views look: by the seed of the run, so that all phases and runs of that seed have the same."""
    return Augmentation(context.config.augment, seed=context.config.seed)


def number_of_views(plan: PhasePlan, context: RunContext) -> int:
    """Of each training image in a phase: no more than passes over the data, and one where nothing is changed."""
    passes = round(plan.total_steps * plan.global_batch / len(context.source.train))
    most = context.config.training.feature_views
    most = most if plan.solves_head else min(most, max(1, passes))
    return most if view_augmentation(context).layers else min(most, 1)


def open_views(prefix: keras.Model, plan: PhasePlan, context: RunContext) -> FeatureViews | None:
    """The features of the training images in a phase; those that no earlier run has left on disk are computed.

    Logs what there is in a line. None where the disk has no room for them, which is logged.

    Args:
      prefix: the part of the network that is computed once, from images to features.
      plan: of the phase.
      context: with its images open, and with the place of its features.

    Raises:
      Interrupted: somebody asked to stop; what was computed is kept.
    """
    began, split, views = time.perf_counter(), context.source.train, number_of_views(plan, context)
    output, augmentation = prefix.outputs[0], view_augmentation(context)
    dtype = tf.as_dtype(keras.DTypePolicy(context.config.precision).compute_dtype)
    layout = Layout(views, tuple(output.shape[1:]), dtype)
    size = f"{len(split):,} images x {views} view{'' if views == 1 else 's'} of {math.prod(layout.shape):,} numbers"
    try:
        with context.stop.deferred():
            found, made = features.open_views(
                place(prefix, context),
                split.digests,
                layout,
                seed=context.config.seed,
                make=_maker(prefix, augmentation, layout, context),
                limit_gib=context.feature_store.limit_gib if context.feature_store else None,
            )
    except OSError as error:
        log.info(f"  features: no room for {size} on disk ({error}): every image is augmented at every step instead")
        return None
    rows, seconds = len(split) * views, time.perf_counter() - began
    there = f", {rows - made:,} of the {rows:,} were there" if 0 < made < rows else ""
    how = f"{'computed' if made else 'read'} in {seconds:.{0 if made else 1}f} s{there}"
    log.info(f"  features: {size}, {rows * layout.row_bytes / 2**20:,.0f} MiB, {how} (in {found.tier})")
    return found


def place(prefix: keras.Model, context: RunContext) -> Path:
    """Of the store on disk: another for whatever else than the images decides their features."""
    assert context.feature_store is not None, "a run that asks for views has a place for them"
    config, versions = context.config, code_versions()
    made_with = [
        *(cut.fingerprint(prefix), config.augment, config.seed, config.precision, config.fold_batch_norm),
        *(config.compile_mode, "GPU" if runs_on_gpu(context.strategy) else "CPU"),
        *(versions[name] for name in ("tensorflow", "keras", "onednn")),
    ]
    return context.feature_store.path(made_with)


def _maker(
    prefix: keras.Model, augmentation: Augmentation, layout: Layout, context: RunContext
) -> Callable[[np.ndarray, Put], None]:
    """`make` of `features.open_views`, on all devices of this process."""
    images, digests, replicas = context.images["train"], context.source.train.digests, context.shard.count
    compute = _computation(prefix, augmentation, layout.dtype, context)
    done, said = 0, time.perf_counter()

    def make(places: np.ndarray, put: Put) -> None:
        nonlocal done, said
        # a stream is read to its end for whatever is taken
        known, decoded = np.unique(places // layout.views), None
        if isinstance(images, ImageStream):
            decoded = images.take(known)
        size = _BATCH * replicas
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
                log.info(f"  features: {done:,} of {len(digests) * layout.views:,}")

    return make


def _computation(
    prefix: keras.Model, augmentation: Augmentation, dtype: tf.DType, context: RunContext
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """(images uint8 [n, side, side, 3], seeds as of `Augmentation.view`) -> features [n, ...], n for all replicas."""
    strategy, compiled = context.strategy, context.config.compile_mode
    network = folding.for_inference(prefix) if context.config.fold_batch_norm else prefix
    augment: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] = augmentation.view
    if compiled == COMPILE_AUGMENTATION:
        augment = tf.function(augment, jit_compile=True)

    def replica_step(images: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
        pixels = tf.cast(augment(images, seeds), prefix.inputs[0].dtype)
        return tf.cast(network(pixels, training=False), dtype)

    step = tf.function(replica_step, jit_compile=True) if compiled == COMPILE_STEP else replica_step
    run = tf.function(lambda images, seeds: strategy.run(step, args=(images, seeds)))
    replicas = context.shard.count

    def dealt(array: np.ndarray) -> tf.Tensor:
        parts = np.split(array, replicas)
        return strategy.experimental_distribute_values_from_function(
            lambda replica: tf.constant(parts[replica.replica_id_in_sync_group % replicas])
        )

    def compute(images: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        found = strategy.experimental_local_results(run(dealt(images), dealt(seeds)))
        return np.concatenate([part.numpy() for part in found])

    return compute
