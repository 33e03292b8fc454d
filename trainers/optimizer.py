"""The optimizer: loss scaling, reduction then clipping, and averaged weights."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from trainers.config import TrainingConfig


class ReplicaLossScaleOptimizer(keras.optimizers.LossScaleOptimizer):
    """Loss scaling that skips a step when the gradients of any replica are not finite.

    Keras 3.15 looks at replica 0 alone: an overflow on another replica makes the weights NaN.
    """

    def check_finite(self, grads: Any) -> Any:
        """True on every replica if the gradients of all replicas are finite."""
        finite = tf.cast(super().check_finite(grads), tf.float32)
        context = tf.distribute.get_replica_context()
        return context.all_reduce(tf.distribute.ReduceOp.SUM, 1.0 - finite) == 0.0


def create(config: TrainingConfig, *, policy: str) -> keras.optimizers.Optimizer:
    """The optimizer of a phase; its learning rate is assigned at every step.

    Args:
      config: kind, weight decay, clipping and averaging.
      policy: dtype policy of the model; `mixed_float16` brings loss scaling.
    """
    options: dict[str, Any] = {
        "learning_rate": 0.0,
        "weight_decay": config.weight_decay or None,
        "use_ema": config.ema_decay is not None,
        "ema_momentum": config.ema_decay or 0.99,
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


def build(optimizer: keras.optimizers.Optimizer, variables: Sequence[keras.Variable]) -> None:
    """Makes the optimizer's own variables. Weight decay is for kernels: biases, the scales and offsets of normalization
    and everything else of one dimension or none stay out of it, as they do not overfit and have no scale to lose."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    inner.exclude_from_weight_decay(var_list=[variable for variable in variables if len(variable.shape) < 2])
    optimizer.build(variables)


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


@contextlib.contextmanager
def averaged_weights(optimizer: keras.optimizers.Optimizer) -> Iterator[None]:
    """Puts the averaged weights into the model while the block runs; nothing happens without averaging."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    pairs = (
        list(zip(inner._trainable_variables, inner._model_variables_moving_average, strict=True))
        if inner.use_ema
        else []
    )

    def swap() -> None:
        for variable, average in pairs:
            held = variable.numpy()
            variable.assign(average.numpy())
            average.assign(held)

    swap()
    try:
        yield
    finally:
        swap()
