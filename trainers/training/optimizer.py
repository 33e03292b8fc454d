"""The optimizer: learning rate by step, loss scaling, what comes between gradient and update, averages of weights."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from trainers.config import TrainingConfig
from trainers.training.averaging import Averaging, averaging_of
from trainers.training.layer_rates import set_rate_factors
from trainers.training.reduction import Reduction

# Of a phase's steps. Common warm-ups take a twentieth (Goyal et al., 2017, arXiv:1706.02677) to a tenth (Devlin et al.,
# 2018, arXiv:1810.04805) of the training; at twice that the rate is still at its highest when the decay begins.
_LONGEST_WARMUP = 0.2


class ReplicaLossScaleOptimizer(keras.optimizers.LossScaleOptimizer):
    """Loss scaling that skips a step when the gradients of any replica are not finite.

    Keras 3.15 looks at replica 0 alone: an overflow on another replica makes the weights NaN.
    """

    def check_finite(self, grads: Any) -> Any:
        """True on every replica if the gradients of all replicas are finite."""
        finite = tf.cast(super().check_finite(grads), tf.float32)
        context = tf.distribute.get_replica_context()
        return context.all_reduce(tf.distribute.ReduceOp.SUM, 1.0 - finite) == 0.0


def make_optimizer(config: TrainingConfig, *, policy: str) -> keras.optimizers.Optimizer:
    """The optimizer of a phase; its learning rate is assigned at every step.

    Args:
      config: kind, weight decay, clipping and averaging.
      policy: dtype policy of the model; `mixed_float16` brings loss scaling.
    """
    options: dict[str, Any] = {
        "learning_rate": 0.0,
        "weight_decay": config.weight_decay or None,
        "use_ema": bool(config.ema_decays),
        "ema_momentum": config.ema_decays[0] if config.ema_decays else 0.99,
    }
    if config.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(momentum=0.9, nesterov=True, **options)
    else:
        kinds = {
            "adam": keras.optimizers.Adam,
            "adamw": keras.optimizers.AdamW,
            "rmsprop": keras.optimizers.RMSprop,
        }
        if config.optimizer == "adamw":
            options["weight_decay"] = config.weight_decay
        optimizer = kinds[config.optimizer](**options)
    if config.gradient_clip_norm or config.l2_start:
        optimizer._all_reduce_sum_gradients = Reduction(optimizer, clip_norm=config.gradient_clip_norm)
    if config.ema_decays:
        optimizer._update_model_variables_moving_average = Averaging(optimizer, config.ema_decays)
    return ReplicaLossScaleOptimizer(optimizer) if policy == "mixed_float16" else optimizer


def loss_scale(optimizer: keras.optimizers.Optimizer) -> float | None:
    """The scale of the loss, or None without loss scaling."""
    if not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return None
    return float(optimizer.dynamic_scale.numpy())


def applied_steps(optimizer: keras.optimizers.Optimizer) -> int:
    """How many steps changed the weights; loss scaling skips those whose gradients are not finite."""
    return int(optimizer.iterations.numpy())


def build_optimizer(
    optimizer: keras.optimizers.Optimizer,
    variables: Sequence[keras.Variable],
    *,
    statistics: Sequence[keras.Variable] = (),
    rate_factors: Sequence[float] = (),
    penalized: Sequence[keras.Variable] = (),
    penalty: float = 0.0,
) -> None:
    """Creates the optimizer's variables, within the strategy's scope; averages start at the present values.

    Weight decay is for kernels: biases, the scales and offsets of normalization and everything else of one dimension or
    none stay out of it, as they do not overfit and have no scale to lose.

    Args:
      optimizer: from `make_optimizer`.
      variables: that it trains.
      statistics: variables that the forward pass moves in training, to be averaged with them.
      rate_factors: what the learning rate of each variable is multiplied by; empty for 1.
      penalized: those of the variables that a penalty keeps near their present values.
      penalty: its strength, as in `Reduction`.
    """
    inner = _inner(optimizer)
    inner.exclude_from_weight_decay(var_list=[variable for variable in variables if len(variable.shape) < 2])
    optimizer.build(variables)
    averaging, reduction = averaging_of(optimizer), _reduction(optimizer)
    if averaging:
        averaging.build(statistics)
    if reduction and penalty:
        reduction.penalize(penalized, strength=penalty)
    if any(factor != 1 for factor in rate_factors):
        set_rate_factors(inner, rate_factors)


def optimizer_state(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable]:
    """All that decides the optimizer's next step and the averages."""
    averaging, reduction = averaging_of(optimizer), _reduction(optimizer)
    own = [*(averaging.own if averaging else ()), *(reduction.starts if reduction else ())]
    return [*optimizer.variables, *own]


def _inner(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    return getattr(optimizer, "inner_optimizer", optimizer)


def _reduction(optimizer: keras.optimizers.Optimizer) -> Reduction | None:
    found = _inner(optimizer)._all_reduce_sum_gradients
    return found if isinstance(found, Reduction) else None


def warmup(steps: int, *, total_steps: int) -> int:
    """The steps of warm-up of a phase: those asked for, or a fifth of its steps where that is less.

    A warm-up as long as the phase would end it before the learning rate is reached.
    """
    return min(steps, int(total_steps * _LONGEST_WARMUP))


def learning_rate(step: int, *, highest: float, total_steps: int, warmup_steps: int, kind: str) -> float:
    """The learning rate of a step.

    Args:
      step: from 0 to total_steps - 1.
      highest: reached after the warm-up.
      total_steps: of the phase.
      warmup_steps: of linear increase from highest / (warmup_steps + 1), capped as in `warmup`.
      kind: `constant`, or `cosine`: half a period down to 0 over the steps after the warm-up
        (Loshchilov and Hutter, 2016, arXiv:1608.03983, without restarts).
    """
    warmup_steps = warmup(warmup_steps, total_steps=total_steps)
    if step < warmup_steps:
        return highest * (step + 1) / (warmup_steps + 1)
    if kind == "constant":
        return highest
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return highest * 0.5 * (1 + math.cos(math.pi * progress))
