"""What can be set about the machine, and what is watched."""

import dataclasses

from ftdata.errors import UserError
from ftdata.settings import NOTHING, as_text, check_settings, setting

_MANY = 1_000_000_000  # an upper bound that only a slip exceeds


@dataclasses.dataclass(frozen=True)
class RuntimeConfig:
    """The machine, and what is watched. Only precision, compilation and folding touch the numbers."""

    distribution_strategy: str = setting(
        "auto",
        "tf.distribute strategy: which devices share a batch; auto is all GPUs, in a cluster those of all workers",
        choices=("auto", "one_device", "mirrored", "multi_worker_mirrored", "tpu"),
        affects=NOTHING,
    )
    worker_timeout_s: float = setting(
        60.0,
        "seconds without a sign of life after which another worker counts as dead",
        minimum=1.0,
        maximum=86_400.0,
        affects=NOTHING,
    )
    mixed_precision: str = setting(
        "auto",
        "dtype policy of the network; auto is chosen by hardware and network",
        choices=("auto", "float32", "mixed_float16", "mixed_bfloat16"),
    )
    jit_compile: str = setting(
        "auto",
        "whether XLA compiles the training step; auto is the whole step on a GPU, the augmentation alone on a CPU and "
        "with --deterministic",
        choices=("auto", "true", "false"),
    )
    fold_batch_norm: str = setting(
        "auto",
        "whether frozen batch normalization is computed as part of the convolution before it; auto is true on a CPU, "
        "false on a GPU, where it was not measured",
        choices=("auto", "true", "false"),
    )
    steps_per_execution: int = setting(
        1, "training steps that one call from Python runs on the device", minimum=1, maximum=100, affects=NOTHING
    )
    deterministic: bool = setting(False, "whether a GPU gives the same bits every time, at a price in speed")
    tensorboard: bool = setting(True, "whether TensorBoard event files are written to --model_dir", affects=NOTHING)
    track: str = setting(
        "none",
        "tracking server that gets settings, scores of every epoch, final numbers and the report, beside TensorBoard; "
        "mlflow is what MLFLOW_TRACKING_URI names, else mlflow.db beside --model_dir",
        choices=("none", "mlflow"),
        affects=NOTHING,
    )
    profile_steps: tuple[int, ...] | None = setting(
        None,
        "START,STOP: steps of each phase that are profiled for TensorBoard",
        unset="off",
        minimum=0,
        maximum=_MANY,
        affects=NOTHING,
    )
    log_every_steps: int = setting(
        20, "steps between two points of the curves in TensorBoard", minimum=1, maximum=_MANY, affects=NOTHING
    )
    checkpoint_every_steps: int = setting(
        200, "steps between two checkpoints; one more follows each epoch", minimum=1, maximum=_MANY, affects=NOTHING
    )
    keep_checkpoints: int = setting(
        2,
        "number of checkpoints of each phase that stay, evenly spread over it, for --phase=verify to start from; each "
        "takes the room of the weights and the optimizer",
        minimum=0,
        maximum=1_000,
        affects=NOTHING,
    )

    def __post_init__(self) -> None:
        check_settings(self)
        steps = self.profile_steps
        if steps is not None and (len(steps) != 2 or steps[0] >= steps[1]):
            raise UserError(f"profile_steps must be START,STOP with START < STOP, got {as_text(steps)}")
