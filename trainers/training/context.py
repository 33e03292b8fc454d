"""What all phases of a run share."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from ftdata import pipeline
from ftdata.cache.features import FeatureStore
from ftdata.cache.images import Images
from ftdata.names import counted
from ftdata.sources.source import Source
from trainers.config import ResolvedConfig
from trainers.evaluation import scores
from trainers.evaluation.scores import Evaluation
from trainers.evaluation.step import EvaluationStep
from trainers.evaluation.summary import Summary, summary_kind
from trainers.rundir.receipt import Receipt
from trainers.rundir.record import RunRecord
from trainers.rundir.run_dir import RunDir
from trainers.runtime.devices import distribute, runs_on_gpu
from trainers.runtime.processes import ALONE, ProcessGroup
from trainers.runtime.signals import StopRequest
from trainers.runtime.stopping import StopConsensus


class Candidate(NamedTuple):
    """A model of a phase among which folds choose.

    Attributes:
      epoch: after which it is taken; 0 is the model that the phase starts from.
      ema_decay: of the average that it is, where there are several.
      alpha: share of the way from the start of the phase (`interpolation`).
    """

    epoch: int
    ema_decay: float | None = None
    alpha: float = 1.0


@dataclasses.dataclass(frozen=True)
class FoldRole:
    """What a run is for where folds choose: one of the folds, or the run on all images that follows them.

    Attributes:
      is_fold: its held-out group must not choose: the last epoch is kept, and nothing stops early.
      keep: takes (phase, candidate, scores, weights) of every validation, in rank 0.
      chosen: of the run that follows, by phase: what the folds chose, so that it ends after that epoch.
      soup: of the run that follows, by phase: gives the weights that take the place of those it would train.
      metrics: of the run that follows, by phase: what the folds say of it.
    """

    is_fold: bool = False
    keep: Callable[[str, Candidate, Evaluation, Sequence[keras.Variable]], None] | None = None
    chosen: Mapping[str, Candidate] = dataclasses.field(default_factory=dict)
    soup: Mapping[str, Callable[[], Sequence[np.ndarray]]] = dataclasses.field(default_factory=dict)
    metrics: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class RunContext:
    """What all phases of a run share.

    Attributes:
      config: the settings, with nothing left to the program.
      source: the data.
      class_weights: weight of each class in the loss, float32 [num_classes].
      strategy: the devices of all processes.
      run_dir: the files; rank 0 alone uses them.
      record: what config.json is to say.
      images: decoded images of each split by its name, once they are open.
      groups: of the training images, int [n], where there are groups.
      feature_store: where features of training images are kept, where they are asked for.
      stop: whether this process was asked to stop.
      processes: that train together.
      role: what the run is for where folds choose.
      receipt: what the run is computed from and has computed; None in other workers than rank 0 and in folds.
    """

    config: ResolvedConfig
    source: Source
    class_weights: np.ndarray
    strategy: tf.distribute.Strategy
    run_dir: RunDir
    record: RunRecord
    images: dict[str, Images] = dataclasses.field(default_factory=dict)
    feature_store: FeatureStore | None = None
    groups: np.ndarray | None = None
    stop: StopRequest = dataclasses.field(default_factory=StopRequest)
    processes: ProcessGroup = ALONE
    role: FoldRole = dataclasses.field(default_factory=FoldRole)
    receipt: Receipt | None = None

    def new_consensus(self) -> StopConsensus:
        """On when to stop, for one phase or evaluation."""
        return StopConsensus(self.stop, self.processes)

    @property
    def hardware(self) -> str:
        """Devices, precision and compilation, in words."""
        kind = "GPU" if runs_on_gpu(self.strategy) else "CPU"
        compiled = self.config.compile_mode
        return (
            f"{counted(self.strategy.num_replicas_in_sync, f'{kind} device')}, {self.config.precision}, "
            f"XLA compiles {'nothing' if compiled == 'nothing' else f'the {compiled}'}"
        )

    def distribute(self, dataset: tf.data.Dataset) -> Iterable[pipeline.Batch]:
        """A dataset of one batch a replica and step, dealt to the replicas."""
        return distribute(self.strategy, dataset)

    def held_out_batches(self, name: str, images: Images | None = None) -> Iterable[pipeline.Batch]:
        """Every image of a split once, or what is given in their place, dealt to the replicas."""
        dataset = pipeline.for_evaluation(
            self.images[name] if images is None else images,
            self.source.splits[name].labels,
            global_batch=self.config.training.batch_size,
            shard=self.shard,
        )
        return self.distribute(dataset)

    def deal(self, elements: Iterator[pipeline.Batch]) -> Iterator[pipeline.Batch]:
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


def evaluate_split(
    name: str, context: RunContext, score: EvaluationStep, images: Images | None = None
) -> Evaluation | Summary:
    """Scores every image of a split: in rank 0 all scores, in other workers the sums.

    Args:
      name: of the split.
      context: with its images open.
      score: of the images, or of their features.
      images: what is scored, the features of the split; by default its images.

    Raises:
      Interrupted: somebody asked to stop; in all workers.
    """
    labels, consensus = context.source.splits[name].labels, context.new_consensus()
    batches = consensus.between(context.held_out_batches(name, images))
    if not consensus.is_shared:
        return scores.evaluate_batches(score, batches, labels)
    own = [score(batch) for batch in batches]
    arrays = [np.concatenate(column) for column in zip(*own, strict=True)]
    parts = consensus.gather(arrays)
    if context.processes.is_chief:
        whole = scores.assemble(((index, logits) for index, logits in parts), labels)
        context.processes.broadcast_object(lambda: dataclasses.asdict(whole.summary))
        return whole
    return summary_kind(labels)(**context.processes.broadcast_object(dict))
