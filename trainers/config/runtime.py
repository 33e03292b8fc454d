"""What can be set about the machine, and what is watched."""

import dataclasses

from ftdata.config import NOTHING, check_settings, setting
from ftdata.errors import UserError

_MANY = 1_000_000_000  # an upper bound that only a slip exceeds


@dataclasses.dataclass(frozen=True)
class RuntimeConfig:
    """The machine, and what is watched. Only precision and compilation touch the numbers."""

    distribution_strategy: str = setting(
        "auto",
        "how the devices share the work",
        choices=("auto", "one_device", "mirrored", "multi_worker_mirrored", "tpu"),
        affects=NOTHING,
    )
    worker_timeout_s: float = setting(
        60.0,
        "seconds of silence after which another worker counts as dead",
        minimum=1.0,
        maximum=86_400.0,
        affects=NOTHING,
    )
    mixed_precision: str = setting(
        "auto",
        "compute type",
        choices=("auto", "float32", "mixed_float16", "mixed_bfloat16"),
    )
    jit_compile: str = setting("auto", "compile the step with XLA", choices=("auto", "true", "false"))
    steps_per_execution: int = setting(
        1, "steps the device is given in one call", minimum=1, maximum=100, affects=NOTHING
    )
    deterministic: bool = setting(False, "the same bits on a GPU too, at a price in speed")
    tensorboard: bool = setting(True, "write TensorBoard event files", affects=NOTHING)
    profile_steps: tuple[int, ...] | None = setting(
        None, "START,STOP: steps of each phase to profile for TensorBoard", minimum=0, maximum=_MANY, affects=NOTHING
    )
    log_every_steps: int = setting(20, "steps between points in TensorBoard", minimum=1, maximum=_MANY, affects=NOTHING)
    checkpoint_every_steps: int = setting(
        200, "steps between checkpoints (one more follows each epoch)", minimum=1, maximum=_MANY, affects=NOTHING
    )

    def __post_init__(self) -> None:
        check_settings(self)
        steps = self.profile_steps
        if steps is not None and (len(steps) != 2 or steps[0] >= steps[1]):
            raise UserError(f"profile_steps must be START,STOP with START < STOP, got {steps!r}")
