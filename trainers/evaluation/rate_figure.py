"""The figure of a learning-rate range test: the loss over the learning rate, and the rate that it suggests."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from trainers.evaluation.figures import BLUE, ORANGE
from trainers.models.class_names import in_a_figure


def loss_over_rate(
    rates: np.ndarray,
    losses: np.ndarray,
    smoothed: np.ndarray,
    *,
    start: float,
    diverged: float,
    suggested: float,
    others: Mapping[str, float],
    title: str,
) -> Figure:
    """Losses as points, the smoothed loss as a line, over a logarithmic axis, with the suggestion marked.

    Args:
      rates: learning rates of the steps, rising, float [n].
      losses: of the steps, float [n]; those far above the smoothed loss are not shown.
      smoothed: losses, float [n].
      start: the loss before anything is learned.
      diverged: the smoothed loss from which on it diverges.
      suggested: the rate that is suggested.
      others: rates by other rules, to be marked.
      title: of the figure.
    """
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.axhline(start, color="0.6", linestyle="--", linewidth=1, label="before training")
    axes.axhline(diverged, color="0.6", linestyle=":", linewidth=1, label="diverging")
    axes.plot(rates, losses, "o", color="0.75", markersize=3, label="loss of a step")
    axes.plot(rates, smoothed, color=BLUE, label="smoothed")
    for marker, (name, rate) in zip("v^sD", others.items(), strict=False):
        height = np.interp(np.log(rate), np.log(rates), smoothed)
        axes.plot(rate, height, marker, color="0.3", markersize=7, label=f"{name}: {rate:.1e}")
    axes.axvline(suggested, color=ORANGE, label=f"suggested: {suggested:g}")
    lowest = min(smoothed.min(), np.quantile(losses, 0.02))
    room = diverged - lowest
    limits = {"xlim": (rates[0], rates[-1]), "ylim": (max(0.0, lowest - 0.1 * room), diverged + 0.1 * room)}
    axes.set(xscale="log", xlabel="learning rate", ylabel="training loss", title=in_a_figure(title), **limits)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=9, loc="best")
    return figure
