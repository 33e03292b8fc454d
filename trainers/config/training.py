"""What can be set about the phases and how they are optimized."""

import dataclasses

from ftdata.errors import UserError
from ftdata.settings import NOTHING, as_text, check_settings, said, setting
from trainers.config import lora

# Upper bounds that only a slip exceeds.
_EPOCHS, _MANY, _MOST_FOLDS = 100_000, 1_000_000_000, 100


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """The phases and how they are optimized."""

    batch_size: int = setting(32, "images per step over all devices (global batch size)", minimum=1, maximum=65_536)
    gradient_accumulation_steps: int = setting(
        1,
        "parts into which each device splits its batch, to use less memory. The update is the same, except where "
        "dropout or stochastic depth draws (other masks, as good) or batch normalization trains (statistics of a part)",
        minimum=1,
        maximum=64,
    )
    steps_per_epoch: int | None = setting(
        None, "steps that make up one epoch", unset="one pass over the training images", minimum=1, maximum=_MANY
    )
    transfer_epochs: int = setting(
        5, "epochs of the transfer phase, which trains the new head", minimum=1, maximum=_EPOCHS, affects="transfer"
    )
    transfer_learning_rate: float = setting(
        1e-3, "peak learning rate of the transfer phase", minimum=0.0, affects="transfer"
    )
    finetune_epochs: int = setting(
        10,
        "epochs of the finetune phase, which trains the unfrozen layers and the head",
        minimum=1,
        maximum=_EPOCHS,
        affects="finetune",
    )
    finetune_learning_rate: float = setting(
        1e-4, "peak learning rate of the finetune phase", minimum=0.0, affects="finetune"
    )
    unfreeze: tuple[str, ...] = setting(
        ("all",),
        "layers that the finetune phase trains: comma-separated names or their beginnings (block_1 is not block_10), "
        "or all",
        affects="finetune",
    )
    lora_rank: int = setting(
        0,
        "rank (a number of columns) of the difference that the finetune phase trains in place of a kernel (LoRA); 0 "
        "trains the kernels",
        minimum=0,
        maximum=256,
        affects="finetune",
    )
    lora_targets: tuple[str, ...] | None = setting(
        None,
        "with --lora_rank, comma-separated patterns of names of Dense or 1x1 convolution layers",
        unset="queries and values of a transformer",
        affects="finetune",
    )
    pretrain_epochs: int = setting(
        30,
        "epochs of the pretrain phase, which trains every layer from random weights",
        minimum=1,
        maximum=_EPOCHS,
        affects="pretrain",
    )
    pretrain_learning_rate: float = setting(
        1e-3, "peak learning rate of the pretrain phase", minimum=0.0, affects="pretrain"
    )
    optimizer: str = setting(
        "adam",
        "optimizer of every phase; sgd is with Nesterov momentum 0.9",
        choices=("adam", "adamw", "sgd", "rmsprop"),
    )
    learning_rate_schedule: str = setting(
        "constant",
        "learning rate after the warmup: constant at its peak, or cosine, from the peak to 0 at the end of a phase",
        choices=("constant", "cosine"),
    )
    warmup_steps: int = setting(
        0,
        "steps at the start of a phase in which the learning rate rises linearly, a fifth of its steps at most",
        minimum=0,
        maximum=_MANY,
    )
    weight_decay: float = setting(
        0.0,
        "weight decay of the kernels (decoupled, per step, times the learning rate); 0 is off",
        minimum=0.0,
    )
    label_smoothing: float = setting(
        0.0,
        "fraction of every label that is spread evenly over all classes; with --task=multi, by which every 0 and 1 is "
        "brought nearer to 1/2",
        minimum=0.0,
        maximum=0.9,
    )
    gradient_clip_norm: float | None = setting(
        None,
        "largest global norm of the gradient, to which a larger one is scaled down",
        unset="off",
        minimum=0.0,
    )
    layer_decay: float = setting(
        1.0,
        "factor by which the finetune phase lowers the learning rate from each twelfth of the base to the one before "
        "it, the head's rate being full; 1 is off",
        minimum=0.01,
        maximum=1.0,
        affects="finetune",
    )
    l2_start: float = setting(
        0.0,
        "factor of a penalty in the finetune phase, half the squared distance of the base's kernels from where they "
        "started (L2-SP); 0 is off",
        minimum=0.0,
        affects="finetune",
    )
    interpolate_weights: bool = setting(
        False,
        "after the finetune phase, also evaluate weights 25, 50 and 75 % of the way from its start to its result, and "
        "keep the best by --monitor (WiSE-FT)",
        affects="finetune",
    )
    ema_decay: tuple[float, ...] | float | None = setting(
        None,
        "decay per step of the exponential moving average (EMA) of the weights, which is then evaluated and saved in "
        "their place; lower in the first steps of a phase. Of several, comma-separated, the best by --monitor is kept",
        unset="off",
        minimum=0.0,
        maximum=0.99999,
    )
    feature_views: int = setting(
        0,
        "number of augmented views of each training image, taken in turn, whose features (what the frozen layers make "
        "of them) are computed once and kept below --data_dir; 0 augments and computes every image at every step",
        minimum=0,
        maximum=64,
    )
    head_solver: str = setting(
        "sgd",
        "how the transfer phase finds the head: sgd trains it by --optimizer, lbfgs solves logistic regression on the "
        "features of --feature_views",
        choices=("sgd", "lbfgs"),
        affects="transfer",
    )
    folds: str | None = setting(
        None,
        "groups leaves out each group of --group_pattern in turn, a number that many parts of the images: a model is "
        "trained without each, their mean chooses the epoch, and then all images are trained on",
        unset="off",
    )
    soup: bool = setting(
        False,
        "with --folds, average the weights of the folds' models (model soup) in the finetune phase, in place of "
        "training one on all images",
        affects="finetune",
    )
    learning_curve: bool = setting(
        False,
        "with --phase=estimate, also say what more images and more groups would bring, from heads that learn from a "
        "part of them (some twenty times as many heads)",
        affects=NOTHING,
    )
    class_weight: tuple[str, ...] | str = setting(
        "balanced",
        "weights of the classes in the loss: balanced is inverse to their number of images, none is 1 for each, and "
        "NAME=WEIGHT,... is that of the classes named and 1 for the others; with --task=multi of the images that show "
        "them alone, balanced being the number of images without a class to one with it",
    )
    early_stopping_patience: int | None = setting(
        None,
        "epochs without a better --monitor after which a phase stops",
        unset="off",
        minimum=1,
        maximum=_EPOCHS,
    )
    monitor: str | None = setting(
        None,
        "score on the validation split that chooses the best epoch",
        unset="map (mean average precision) with --task=multi, otherwise balanced_accuracy with "
        "--class_weight=balanced, otherwise accuracy",
        choices=("accuracy", "balanced_accuracy", "f1_macro", "map", "loss"),
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if self.gradient_clip_norm == 0:
            raise UserError("gradient_clip_norm must be above 0, got 0: none switches clipping off")
        if self.folds not in (None, "groups") and not (self.folds.isdecimal() and 2 <= int(self.folds) <= _MOST_FOLDS):
            raise UserError(f"folds must be groups, or a number from 2 to {_MOST_FOLDS}, got {said(self.folds)}")
        if isinstance(weights := self.class_weights, dict):  # recorded alike, however they are written
            entries = tuple(f"{name}={as_text(weight)}" for name, weight in sorted(weights.items()))
            object.__setattr__(self, "class_weight", entries if len(entries) > 1 else entries[0])
        if self.soup and not self.folds:
            raise UserError("soup must be false without folds, whose models it averages; --folds=groups or a number")
        if not self.unfreeze or not all(self.unfreeze):
            raise UserError(f"unfreeze must be layer-name prefixes or all, got {said(as_text(self.unfreeze))}")
        lora.check(self)
        if self.ema_decay == () or len(set(self.ema_decays)) < len(self.ema_decays):
            raise UserError(
                f"ema_decay must be one number or several that differ, got {as_text(self.ema_decays)}: none switches "
                "averaging off"
            )

    @property
    def ema_decays(self) -> tuple[float, ...]:
        """Of each average of the weights; empty without averaging."""
        if self.ema_decay is None:
            return ()
        return self.ema_decay if isinstance(self.ema_decay, tuple) else (self.ema_decay,)

    @property
    def monitored(self) -> str:
        """The score that chooses the best epoch: where training lets every class count alike, so does the choice."""
        return self.monitor or ("balanced_accuracy" if self.class_weight == "balanced" else "accuracy")

    @property
    def class_weights(self) -> str | dict[str, float]:
        """`balanced`, `none`, or the weights of the classes that are named.

        Raises:
          UserError: what is no name and no weight.
        """
        if self.class_weight in ("balanced", "none"):
            return str(self.class_weight)
        weights: dict[str, float] = {}
        entries = self.class_weight if isinstance(self.class_weight, tuple) else (self.class_weight,)
        for entry in entries:
            name, _, weight = entry.rpartition("=")
            if not (name and name not in weights and _is_weight(weight)):
                raise UserError(
                    "class_weight must be balanced, none, or NAME=WEIGHT,... with each class once and weights from "
                    f"1e-06 to 1e+06, got {said(as_text(self.class_weight))}"
                )
            weights[name] = float(weight)
        return weights


def _is_weight(text: str) -> bool:
    try:
        return 1e-6 <= float(text) <= 1e6
    except ValueError:
        return False
