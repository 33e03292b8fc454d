"""The optimizer: learning rate by step, loss scaling, reduction then clipping, averaged weights with a warm-up."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from trainers.config import TrainingConfig

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
        "use_ema": config.ema_decay is not None,
        "ema_momentum": 0.99 if config.ema_decay is None else config.ema_decay,
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
    if config.gradient_clip_norm:
        _clip_after_reduction(optimizer, config.gradient_clip_norm)
    return ReplicaLossScaleOptimizer(optimizer) if policy == "mixed_float16" else optimizer


def loss_scale(optimizer: keras.optimizers.Optimizer) -> float | None:
    """The scale of the loss, or None without loss scaling."""
    if not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return None
    return float(optimizer.dynamic_scale.numpy())


def applied_steps(optimizer: keras.optimizers.Optimizer) -> int:
    """How many steps changed the weights; loss scaling skips those whose gradients are not finite."""
    return int(optimizer.iterations.numpy())


def _clip_after_reduction(optimizer: keras.optimizers.Optimizer, norm: float) -> None:
    """Clips by the global norm of the gradient of the whole batch.

    Keras clips each replica's share before it reduces, so that N replicas differ from one. Its reduction
    is a private method of the instance; a test pins it.
    """
    reduce = optimizer._all_reduce_sum_gradients

    def reduce_then_clip(grads_and_variables: Any) -> list[tuple[Any, Any]]:
        gradients, variables = zip(*reduce(grads_and_variables), strict=True)
        clipped, _ = tf.clip_by_global_norm(gradients, norm)
        return list(zip(clipped, variables, strict=True))

    optimizer._all_reduce_sum_gradients = reduce_then_clip


class Averaging:
    """The running average of the weights: decay min(d, (1 + n) / (10 + n)) after n applied steps.

    The average starts at the weights that the phase starts with; with a constant decay it would stay there for
    1 / (1 - d) steps, longer than many phases. The formula is that of TensorFlow's ExponentialMovingAverage. Steps that
    loss scaling skips do not count.

    The moving statistics of batch normalization that trains are averaged alike: those of the last step belong to
    other weights. Keras averages the trainable variables alone, and keeps those averages among its own variables; these
    are kept here, so that a saved model's optimizer remains one that Keras can read.
    """

    def __init__(self, optimizer: keras.optimizers.Optimizer, statistics: Sequence[keras.Variable]):
        self.optimizer = optimizer
        self.statistics = list(statistics)
        self.averages = [keras.Variable(v.numpy(), dtype=v.dtype, trainable=False) for v in statistics]
        for variable, average in self._pairs_of_weights():
            average.assign(variable.numpy())

    @property
    def pairs(self) -> list[tuple[keras.Variable, keras.Variable]]:
        """Every averaged variable with its average."""
        return [*self._pairs_of_weights(), *zip(self.statistics, self.averages, strict=True)]

    def _pairs_of_weights(self) -> list[tuple[keras.Variable, keras.Variable]]:
        inner = self.optimizer
        return list(zip(inner._trainable_variables, inner._model_variables_moving_average, strict=True))

    def __call__(self, trainable_variables: Any) -> None:
        """Takes the weights after a step in; Keras calls it before it counts the step."""
        applied = tf.cast(self.optimizer.iterations.value, tf.float32)
        decay = tf.minimum(self.optimizer.ema_momentum, (1 + applied) / (10 + applied))
        for variable, average in self.pairs:
            share = 1 - tf.cast(decay, variable.dtype)
            average.assign(average.value + share * (variable.value - average.value))  # exact where the two are equal


def build_optimizer(
    optimizer: keras.optimizers.Optimizer,
    variables: Sequence[keras.Variable],
    *,
    statistics: Sequence[keras.Variable] = (),
) -> None:
    """Creates the optimizer's variables, within the strategy's scope; averages start at the present values.

    Weight decay is for kernels: biases, the scales and offsets of normalization and everything else of one dimension or
    none stay out of it, as they do not overfit and have no scale to lose.

    Args:
      optimizer: from `make_optimizer`.
      variables: that it trains.
      statistics: variables that the forward pass moves in training, to be averaged with them.
    """
    inner = _inner(optimizer)
    inner.exclude_from_weight_decay(var_list=[variable for variable in variables if len(variable.shape) < 2])
    optimizer.build(variables)
    if inner.use_ema:  # a private method of the instance, pinned by a test
        inner._update_model_variables_moving_average = Averaging(inner, statistics)


def optimizer_state(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable]:
    """All that decides the optimizer's next step and the averages."""
    averaging = _averaging(optimizer)
    return [*optimizer.variables, *(averaging.averages if averaging else ())]


def _inner(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    return getattr(optimizer, "inner_optimizer", optimizer)


def _averaging(optimizer: keras.optimizers.Optimizer) -> Averaging | None:
    found = _inner(optimizer)._update_model_variables_moving_average
    return found if isinstance(found, Averaging) else None


def restart_averages(optimizer: keras.optimizers.Optimizer) -> None:
    """Lets the averages start again at the present values; nothing happens without averaging."""
    averaging = _averaging(optimizer)
    for variable, average in averaging.pairs if averaging else ():
        average.assign(variable.numpy())


@contextlib.contextmanager
def averaged_weights(optimizer: keras.optimizers.Optimizer) -> Iterator[None]:
    """Puts the averages into the model while the block runs; nothing happens without averaging."""
    averaging = _averaging(optimizer)

    def swap() -> None:
        for variable, average in averaging.pairs if averaging else ():
            held = variable.numpy()
            variable.assign(average.numpy())
            average.assign(held)

    swap()
    try:
        yield
    finally:
        swap()


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
