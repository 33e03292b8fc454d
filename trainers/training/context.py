"""What all phases of a run share."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from ftdata import pipeline
from ftdata.cache.images import Images
from ftdata.sources.source import Source
from trainers.config import TrainConfig
from trainers.evaluation import scores
from trainers.evaluation.scores import Evaluation, Summary
from trainers.evaluation.step import EvaluationStep
from trainers.rundir.run_dir import RunDir
from trainers.runtime import devices as strategy
from trainers.runtime.compilation import compile_mode
from trainers.runtime.processes import ALONE, ProcessGroup
from trainers.runtime.signals import StopRequest
from trainers.runtime.stopping import StopConsensus


@dataclasses.dataclass(frozen=True)
class RunContext:
    """Configuration, data, float32 weights of the classes, devices, files, and the pictures of each split once open.

    Only the chief of a team uses the files.
    """

    config: TrainConfig
    source: Source
    class_weights: np.ndarray
    strategy: tf.distribute.Strategy
    run_dir: RunDir
    pictures: dict[str, Images] = dataclasses.field(default_factory=dict)
    stop: StopRequest = dataclasses.field(default_factory=StopRequest)
    processes: ProcessGroup = ALONE

    @property
    def agreement(self) -> StopConsensus:
        """On when to stop; a new one, for a phase or an evaluation."""
        return StopConsensus(self.stop, self.processes)

    @property
    def compiled(self) -> str:
        """What XLA compiles."""
        on_gpu = strategy.runs_on_gpu(self.strategy)
        return compile_mode(self.config.runtime.jit_compile, on_gpu=on_gpu)

    def distribute(self, dataset: tf.data.Dataset) -> Any:
        """A dataset of one batch a replica and step, dealt to the replicas."""
        return self.strategy.distribute_datasets_from_function(lambda _: dataset)

    def deal(self, elements: Iterator[Any]) -> Iterator[Any]:
        """Batches that were not made by a dataset here, dealt to the replicas likewise."""
        here = self.shard.count
        try:
            while True:
                parts = [next(elements) for _ in range(here)]
                yield self.strategy.experimental_distribute_values_from_function(
                    lambda replica, parts=parts: parts[replica.replica_id_in_sync_group % here]
                )
        except StopIteration:
            return

    @property
    def shard(self) -> pipeline.Shard:
        """This process feeds its own replicas; all workers have as many."""
        total = self.strategy.num_replicas_in_sync
        count = total // self.processes.size
        return pipeline.Shard(first=self.processes.index * count, count=count, total=total)


def evaluate_split(name: str, context: RunContext, score: EvaluationStep) -> Evaluation | Summary:
    """Scores every picture of a split: in the chief all scores, in other workers the sums."""
    labels = getattr(context.source, name).labels
    batch_size = context.config.training.batch_size
    dataset = pipeline.for_evaluation(context.pictures[name], labels, global_batch=batch_size, shard=context.shard)
    agreement = context.agreement
    batches = agreement.between(context.distribute(dataset))
    if not agreement.is_shared:
        return scores.evaluate_batches(score, batches, labels)
    own = [score(batch) for batch in batches]
    arrays = [np.concatenate(column) for column in zip(*own, strict=True)]
    parts = agreement.gather(arrays)
    if context.processes.is_chief:
        whole = scores.assemble(((index, logits) for index, logits in parts), labels)
        context.processes.broadcast_object(lambda: dataclasses.asdict(whole.summary))
        return whole
    return Summary(**context.processes.broadcast_object(dict))
