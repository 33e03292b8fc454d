"""What all phases of a run share."""

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from ftdata import pipeline
from ftdata.cache import Pictures
from ftdata.source import Source
from trainers import evaluate, record, strategy
from trainers.config import TrainConfig
from trainers.evaluate import Evaluation
from trainers.interrupt import StopRequest
from trainers.step import EvaluationStep
from trainers.workdir import Workdir


@dataclasses.dataclass(frozen=True)
class Job:
    """Configuration, data, float32 weights of the classes, devices, files, and the pictures of each split once open."""

    config: TrainConfig
    source: Source
    class_weights: np.ndarray
    strategy: tf.distribute.Strategy
    workdir: Workdir
    pictures: dict[str, Pictures] = dataclasses.field(default_factory=dict)
    stop: StopRequest = dataclasses.field(default_factory=StopRequest)

    @property
    def compiled(self) -> str:
        """What XLA compiles."""
        on_gpu = strategy.runs_on_gpu(self.strategy)
        return record.what_to_compile(self.config.runtime.jit_compile, on_gpu=on_gpu)

    def distribute(self, dataset: tf.data.Dataset) -> Any:
        """A dataset of one batch a replica and step, dealt to the replicas."""
        return self.strategy.distribute_datasets_from_function(lambda _: dataset)

    @property
    def shard(self) -> pipeline.Shard:
        """All replicas are fed by this process."""
        count = self.strategy.num_replicas_in_sync
        return pipeline.Shard(first=0, count=count, total=count)


def evaluate_split(name: str, job: Job, score: EvaluationStep) -> Evaluation:
    """Scores every picture of a split."""
    labels = getattr(job.source, name).labels
    batch_size = job.config.training.batch_size
    dataset = pipeline.for_evaluation(job.pictures[name], labels, global_batch=batch_size, shard=job.shard)
    return evaluate.evaluate(score, job.stop.between(job.distribute(dataset)), labels)
