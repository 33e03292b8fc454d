"""Running averages of the weights, which are evaluated and saved in their place."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

_Pair = tuple[keras.Variable, keras.Variable]  # a variable and its average


class Averaging:
    """Running averages of the weights, each with a decay: min(d, (1 + n) / (10 + n)) after n applied steps.

    An average starts at the weights that the phase starts with; with a constant decay it would stay there for
    1 / (1 - d) steps, longer than many phases. The formula is that of TensorFlow's ExponentialMovingAverage. Steps that
    loss scaling skips do not count.

    The moving statistics of batch normalization that trains are averaged alike: those of the last step belong to
    other weights. Keras averages the trainable variables alone, with one decay, and keeps those averages among its own
    variables; all others are kept here, so that a saved model's optimizer remains one that Keras can read.

    Args:
      optimizer: with `use_ema`; it calls this in the place of its own method, a private one that a test pins.
      decays: of each average; the optimizer keeps the first.

    Attributes:
      own: the averages that are kept here.
    """

    def __init__(self, optimizer: keras.optimizers.Optimizer, decays: Sequence[float]):
        self.optimizer, self.decays = optimizer, tuple(decays)
        self.own: list[keras.Variable] = []
        self._pairs: list[list[_Pair]] = []  # of each decay

    def build(self, statistics: Sequence[keras.Variable]) -> None:
        """Makes the averages, which start at the present values, of the built optimizer's variables and statistics."""
        variables = [*self.optimizer._trainable_variables, *statistics]
        kept = list(self.optimizer._model_variables_moving_average)
        for _ in self.decays:
            rest = variables[len(kept) :]
            made = [keras.Variable(v.numpy(), dtype=v.dtype, trainable=False) for v in rest]
            self._pairs.append(list(zip(variables, [*kept, *made], strict=True)))
            self.own += made
            kept = []
        self.restart()

    def restart(self) -> None:
        """Lets the averages start again at the present values."""
        for pairs in self._pairs:
            for variable, average in pairs:
                average.assign(variable.numpy())

    def pairs(self, decay: float | None = None) -> list[_Pair]:
        """Every averaged variable with its average of this decay, by default the first."""
        return self._pairs[0 if decay is None else self.decays.index(decay)]

    def __call__(self, trainable_variables: Any) -> None:
        """Takes the weights after a step in; Keras calls it before it counts the step."""
        applied = tf.cast(self.optimizer.iterations.value, tf.float32)
        for highest, pairs in zip(self.decays, self._pairs, strict=True):
            decay = tf.minimum(highest, (1 + applied) / (10 + applied))
            for variable, average in pairs:
                share = 1 - tf.cast(decay, variable.dtype)
                average.assign(average.value + share * (variable.value - average.value))  # exact where they are equal


def highest_decay(steps: int) -> float:
    """The decay at the last of so many steps of an average that is asked for with a higher one."""
    return steps / (9 + steps)


def averaging_of(optimizer: keras.optimizers.Optimizer) -> Averaging | None:
    """That of an optimizer, or of the one inside it where it scales the loss; None without averaging."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    found = inner._update_model_variables_moving_average
    return found if isinstance(found, Averaging) else None


def restart_averages(optimizer: keras.optimizers.Optimizer) -> None:
    """Lets the averages start again at the present values; nothing happens without averaging."""
    averaging = averaging_of(optimizer)
    if averaging:
        averaging.restart()


@contextlib.contextmanager
def averaged_weights(optimizer: keras.optimizers.Optimizer, decay: float | None = None) -> Iterator[None]:
    """Puts the averages of a decay, by default the first, into the model while the block runs; nothing happens without
    averaging."""
    averaging = averaging_of(optimizer)
    pairs = averaging.pairs(decay) if averaging else []

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
