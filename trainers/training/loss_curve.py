"""The loss over the learning rate, as a range test finds it, and the learning rates that it suggests."""

import dataclasses
import functools

import numpy as np

_DECAY = 0.7  # of the smoothing, per step
_RISE, _LEAST_RISE = 0.5, 0.25  # of the loss at the start; a small loss wavers by more than half of itself
_FALL = 0.05  # of the loss at the start: less may be chance


@dataclasses.dataclass(frozen=True)
class LossCurve:
    """Losses of a range test.

    Attributes:
      rates: learning rate of each step, rising, float [n].
      losses: of the steps, float [n].
      starting_losses: of the same images, augmented alike, by the weights that the test starts with, float [n].
      has_diverged: whether the test was ended by a loss that diverges.
    """

    rates: np.ndarray
    losses: np.ndarray
    starting_losses: np.ndarray
    has_diverged: bool

    @functools.cached_property
    def start(self) -> float:
        """The loss before anything is learned."""
        return float(np.mean(self.starting_losses))

    @property
    def _rise(self) -> float:
        return max(_RISE * self.start, _LEAST_RISE)

    @property
    def diverged(self) -> float:
        """The smoothed loss from which on it diverges: half above that of the start."""
        return self.start + self._rise

    @functools.cached_property
    def smoothed(self) -> np.ndarray:
        """The losses without what is due to the choice of images, smoothed, float [n].

        What the learning rates have changed of each loss is smoothed exponentially over the steps before and after,
        with bias correction at both ends: one that looks back only would lag behind the rates. A change counts as twice
        the rise that `diverges_at` asks for at most: how far a loss diverges says nothing of the rates before.
        """
        change = np.minimum(self.losses - self.starting_losses, 2 * self._rise)
        step = np.arange(len(change))
        weights = _DECAY ** np.abs(step[:, None] - step)
        return self.start + weights @ change / weights.sum(axis=1)

    @property
    def diverges_at(self) -> float | None:
        """The rate at which the smoothed loss gets there; None where it stays below."""
        above = np.flatnonzero(self.smoothed > self.diverged)
        if len(above):
            return float(self.rates[above[0]])
        return float(self.rates[-1]) if self.has_diverged else None

    @property
    def lowest_at(self) -> float | None:
        """The rate of the lowest smoothed loss; None where that hardly falls."""
        lowest = int(self.smoothed.argmin())
        return float(self.rates[lowest]) if self.smoothed[lowest] < (1 - _FALL) * self.start else None

    @property
    def steepest_at(self) -> float | None:
        """The rate at which the smoothed loss falls fastest over the logarithm of the rate; None as `lowest_at`."""
        if self.lowest_at is None:
            return None
        slopes = np.gradient(self.smoothed, np.log(self.rates))
        return float(self.rates[slopes[: int(self.smoothed.argmin()) + 1].argmin()])

    @property
    def rules(self) -> dict[str, float]:
        """The learning rate by each rule that can be applied: `divergence` is a tenth of where the loss diverges,
        `minimum` a tenth of where it is lowest, `lowest` that rate itself, `steepest` where it falls fastest."""
        applied = {
            "divergence": (0.1, self.diverges_at),
            "minimum": (0.1, self.lowest_at),
            "lowest": (1.0, self.lowest_at),
            "steepest": (1.0, self.steepest_at),
        }
        return {name: float(f"{share * rate:.1e}") for name, (share, rate) in applied.items() if rate is not None}

    @property
    def best_rule(self) -> str | None:
        """The rule to follow; None where the loss neither falls nor rises.

        The divergence is steep, so where it begins depends least on chance: a tenth of that, but not beyond the lowest
        loss. Where nothing diverges, a tenth of where the loss is lowest.
        """
        rules = self.rules
        if "divergence" in rules:
            return min((name for name in ("divergence", "lowest") if name in rules), key=lambda name: rules[name])
        return "minimum" if rules else None
