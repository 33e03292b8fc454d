"""The scores of the held-out splits in a phase: what is frozen is computed once for each image, not in every epoch."""

import functools
from typing import Any

import keras
import tensorflow as tf

from ftdata.cache import features, filling, planner, resources
from ftdata.cache.images import Images
from trainers.evaluation.scores import Evaluation
from trainers.evaluation.step import EvaluationStep, InferenceStep
from trainers.evaluation.summary import Summary
from trainers.models.cut import Cut
from trainers.training.context import RunContext, evaluate_split


class HeldOut:
    """Scores the held-out splits with a model while a phase trains it.

    Held-out images are never augmented. Where the first layers are frozen, what those make of an image (its features)
    is kept in memory from the first time a split is scored, if it fits.

    Args:
      network: that the phase trains; what trains in it is decided before.
      context: with its images open.
      parts: the network, cut; None where it begins with a layer that trains.
    """

    def __init__(self, network: keras.Model, context: RunContext, parts: Cut | None):
        config = context.config
        self._context, self._network, self._parts = context, network, parts
        self._features: dict[str, Images] = {}
        self._options: dict[str, Any] = {
            "strategy": context.strategy,
            "compiled": config.compile_mode,
            "fold_batch_norm": config.fold_batch_norm,
        }

    # made when they are needed: a large network is not called again in a moment

    @functools.cached_property
    def _score(self) -> EvaluationStep:
        return EvaluationStep(self._network, **self._options)

    @functools.cached_property
    def _prefix(self) -> InferenceStep | None:
        return InferenceStep(self._parts.prefix, **self._options) if self._parts else None

    @functools.cached_property
    def _suffix(self) -> EvaluationStep | None:
        return EvaluationStep(self._parts.suffix, **self._options) if self._parts else None

    def evaluate(self, name: str) -> Evaluation | Summary:
        """The scores of a split, as `evaluate_split`.

        Raises:
          Interrupted: somebody asked to stop; in all workers.
        """
        if self._prefix and name not in self._features:
            found = self._computed(name, self._prefix)
            if found is not None:
                self._features[name] = found
        if self._suffix and name in self._features:
            return evaluate_split(name, self._context, self._suffix, self._features[name])
        return evaluate_split(name, self._context, self._score)

    def _computed(self, name: str, prefix: InferenceStep) -> Images | None:
        """The features of the images of a split that this process scores; None where memory has no room for them, or
        somebody asked to stop."""
        context, tensor = self._context, prefix.network.outputs[0]
        count, dtype = len(context.source.splits[name]), tf.as_dtype(tensor.dtype)
        layout = features.Layout(1, tuple(tensor.shape[1:]), dtype)
        needed = count * layout.row_bytes // context.processes.size
        if not planner.fits("memory", needed=needed, free=resources.available_memory()):
            return None
        rows = filling.aligned((count, *layout.shape), layout.stored)
        batches = 0
        for batch in context.new_consensus().between(context.held_out_batches(name)):
            index, found = prefix(batch)
            rows[index] = found.view(layout.stored)
            batches += 1
        is_whole = batches == -(-count // context.config.training.batch_size)
        return features.in_memory(rows, dtype) if is_whole else None
