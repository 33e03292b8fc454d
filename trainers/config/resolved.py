"""The settings of training with nothing left to the program: resolved once, before anything is built."""

import dataclasses

from ftdata.config import AugmentConfig
from trainers.config.model import ModelConfig
from trainers.config.phases import Phase
from trainers.config.runtime import RuntimeConfig
from trainers.config.training import TrainingConfig


@dataclasses.dataclass(frozen=True)
class ResolvedConfig:
    """What the phases of a run compute with.

    Only `trainers.commands` sees the whole TrainConfig; it makes this from it. What a section says of a value that
    stands here too (`auto`, None) no longer counts.

    Attributes:
      phases: to run, in order.
      seed: of everything random.
      image_size: side of the square that the model sees, pixels.
      precision: dtype policy, such as `mixed_bfloat16`.
      compile_mode: what XLA compiles: `step`, `augmentation` or `nothing`.
      fold_batch_norm: whether frozen batch normalization is computed as part of the convolution before it.
      monitor: the score that chooses the best epoch, such as `balanced_accuracy`.
      data_service: address of the tf.data service that decodes the training images; empty for none.
      augment: random changes of the training images.
      model: the network.
      training: the phases and how they are optimized.
      runtime: the machine, and what is watched.
      task: `single`, or `multi` where an image may have several labels.
      channels: of an image.
    """

    phases: tuple[Phase, ...]
    seed: int
    image_size: int
    precision: str
    compile_mode: str
    fold_batch_norm: bool
    monitor: str
    data_service: str
    augment: AugmentConfig
    model: ModelConfig
    training: TrainingConfig
    runtime: RuntimeConfig
    task: str = "single"
    channels: int = 3
