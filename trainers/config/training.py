"""What can be set about the phases and how they are optimized."""

import dataclasses

from ftdata.config import check_settings, setting
from ftdata.errors import UserError

# Upper bounds that only a slip exceeds.
_EPOCHS, _MANY = 100_000, 1_000_000_000


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """The phases and how they are optimized."""

    batch_size: int = setting(32, "pictures per step over all devices", minimum=1, maximum=65_536)
    gradient_accumulation_steps: int = setting(
        1,
        "pieces into which a device splits its part of a batch: less memory, and the same update except where dropout "
        "or stochastic depth draws (other masks, as good) or batch normalization trains (statistics of each piece)",
        minimum=1,
        maximum=64,
    )
    steps_per_epoch: int | None = setting(None, "steps per epoch (one pass over the data)", minimum=1, maximum=_MANY)
    transfer_epochs: int = setting(5, "epochs of training the head", minimum=1, maximum=_EPOCHS, affects="transfer")
    transfer_learning_rate: float = setting(1e-3, "its highest", minimum=0.0, affects="transfer")
    finetune_epochs: int = setting(
        10, "epochs of training the unfrozen layers", minimum=1, maximum=_EPOCHS, affects="finetune"
    )
    finetune_learning_rate: float = setting(1e-4, "its highest", minimum=0.0, affects="finetune")
    unfreeze: tuple[str, ...] = setting(
        ("all",),
        "layers to fine-tune: comma-separated names or beginnings of them (block_1 is not block_10), or all",
        affects="finetune",
    )
    pretrain_epochs: int = setting(30, "epochs from random weights", minimum=1, maximum=_EPOCHS, affects="pretrain")
    pretrain_learning_rate: float = setting(1e-3, "its highest", minimum=0.0, affects="pretrain")
    optimizer: str = setting("adam", "the optimizer", choices=("adam", "adamw", "sgd", "rmsprop"))
    learning_rate_schedule: str = setting(
        "constant", "course of the learning rate over a phase", choices=("constant", "cosine")
    )
    warmup_steps: int = setting(
        0,
        "steps of linear increase of the learning rate at the start of a phase, a fifth of its steps at most",
        minimum=0,
        maximum=_MANY,
    )
    weight_decay: float = setting(0.0, "decoupled decay of kernels per step, times the learning rate", minimum=0.0)
    label_smoothing: float = setting(0.0, "share spread over all classes", minimum=0.0, maximum=0.9)
    gradient_clip_norm: float | None = setting(None, "largest global norm of the gradient", minimum=0.0)
    ema_decay: float | None = setting(
        None,
        "decay of averaged weights, which are then evaluated and kept; lower in the first steps of a phase",
        minimum=0.0,
        maximum=0.99999,
    )
    class_weight: str = setting("balanced", "weights of the classes", choices=("balanced", "none"))
    early_stopping_patience: int | None = setting(
        None, "epochs without improvement to stop after", minimum=1, maximum=_EPOCHS
    )
    monitor: str | None = setting(
        None,
        "score on the validation split that chooses the best epoch (balanced_accuracy where class weights are "
        "balanced, else accuracy)",
        choices=("accuracy", "balanced_accuracy", "f1_macro", "loss"),
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if self.gradient_clip_norm == 0:
            raise UserError("gradient_clip_norm must be above 0, got 0: leave it out for no clipping")
        if not self.unfreeze or not all(self.unfreeze):
            raise UserError(f"unfreeze must be layer-name prefixes or all, got {self.unfreeze!r}")

    @property
    def monitored(self) -> str:
        """The score that chooses the best epoch: where training lets every class count alike, so does the choice."""
        return self.monitor or ("accuracy" if self.class_weight == "none" else "balanced_accuracy")
