"""Weights between those that fine-tuning started from and those it found: WiSE-FT (Wortsman et al., 2021,
arXiv:2109.01903).

Everything of the network that is a floating-point number is interpolated: kernels and the rest of the base, the head
(which transfer has trained), and the moving statistics of batch normalization that trains, which are not estimated
afresh: that would take a pass over the training images. What is frozen is the same at both ends and stays, bit for bit.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from ftdata.log import log
from trainers.config import Phase
from trainers.evaluation.summary import in_words
from trainers.models.classifier import load_weights, save_classifier
from trainers.rundir.progress import Progress, Row
from trainers.rundir.run_dir import write_atomically
from trainers.training.averaging import averaged_weights
from trainers.training.context import Candidate, RunContext
from trainers.training.epoch_row import monitor_key, validation_columns
from trainers.training.held_out import HeldOut

ALPHAS = (0.75, 0.5, 0.25)  # shares of the fine-tuned weights


def between(start: Sequence[np.ndarray], tuned: Sequence[np.ndarray], alpha: float) -> list[np.ndarray]:
    """alpha * tuned + (1 - alpha) * start, exact where both are equal; what is no float is that of `tuned`."""

    def mixed(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        is_float = np.issubdtype(other.dtype, np.floating)
        return (one + alpha * (other - one)).astype(other.dtype) if is_float else other

    return [mixed(one, other) for one, other in zip(start, tuned, strict=True)]


def choose(phase: Phase, context: RunContext, network: keras.Model, held_out: HeldOut, progress: Progress) -> Row:
    """Scores mixtures of a trained phase's start and its result on the validation split, and keeps the best of all.

    The result is the best epoch, or the last where none was better than the start. All of it is a function of what the
    last checkpoint and the phase before hold: a run that is killed in between does it again, with the same bits.

    Args:
      phase: that starts from another.
      context: of the run; the best model of the phase is written where a mixture is better.
      network: as the last step has left it; its weights are overwritten.
      held_out: scores it.
      progress: of the phase, which has ended.

    Returns:
      The row of the best model, with `interpolation`: its `alpha`, the share of the result (0 is the start), the
      `epoch` of the result, and what decided among those that were tried.
    """
    chosen_before = context.role.chosen.get(phase.name)
    if chosen_before:
        return _as_chosen(chosen_before, phase, context, network, progress)
    best, rows, monitor = progress.best, progress.history, context.config.monitor
    assert best is not None, "a finished phase has a best epoch"
    result = best if best["epoch"] else rows[-1]
    if not result["epoch"]:  # nothing was trained
        return best
    ends = _ends(phase, context, network, progress, result) if context.processes.is_chief else None
    tried = {1.0: result, **{alpha: _scored(alpha, ends, context, network, held_out) for alpha in ALPHAS}, 0.0: rows[0]}
    chosen = 1.0 if result is best else 0.0
    for alpha, row in tried.items():
        if monitor_key(row, monitor) > monitor_key(tried[chosen], monitor):
            chosen = alpha
    if chosen in ALPHAS and ends:
        _write(phase, context, network, between(*ends, chosen))
    score = f"validation_{monitor}"
    log.info(
        f"{phase.name}: {in_words(monitor)} on the way from its start to epoch {result['epoch']}: "
        + ", ".join(f"{alpha:.0%} {row[score]:.4f}{'*' * (alpha == chosen)}" for alpha, row in reversed(tried.items()))
    )
    names = dict.fromkeys((score, "validation_loss"))
    found: dict[str, Any] = {
        **{"alpha": chosen, "epoch": result["epoch"]},
        "tried": [{"alpha": alpha, **{name: row[name] for name in names}} for alpha, row in tried.items()],
    }
    scores = {name: tried[chosen][name] for name in validation_columns(None)}
    return {**(result if chosen else rows[0]), **scores, "interpolation": found}


def _as_chosen(
    candidate: Candidate, phase: Phase, context: RunContext, network: keras.Model, progress: Progress
) -> Row:
    """What folds have chosen, which need no scores any more."""
    best = progress.best
    assert best is not None, "a finished phase has a best epoch"
    is_trained = candidate.epoch and phase.name not in context.role.soup  # the models of a soup are mixed already
    if is_trained and candidate.alpha != 1 and context.processes.is_chief:
        _write(phase, context, network, between(*_ends(phase, context, network, progress, best), candidate.alpha))
    return best


def start_of(phase: Phase, context: RunContext, network: keras.Model) -> list[np.ndarray]:
    """The weights that a phase starts from, in every worker; the network keeps its own."""
    assert phase.starts_from is not None, "it starts from another phase"
    held = _values(network)
    if context.processes.is_chief:
        load_weights(network, context.run_dir.phase(phase.starts_from).best)
    context.processes.broadcast_variables(network.weights)
    start = _values(network)
    assign(network, held)
    return start


@contextlib.contextmanager
def mixed_with(start: Sequence[np.ndarray], network: keras.Model, alpha: float) -> Iterator[None]:
    """Puts `between` the start and what is in the network into it while the block runs."""
    held = _values(network)
    assign(network, between(start, held, alpha))
    try:
        yield
    finally:
        assign(network, held)


def _write(phase: Phase, context: RunContext, network: keras.Model, values: Sequence[np.ndarray]) -> None:
    assign(network, values)
    write_atomically(context.run_dir.phase(phase.name).best, lambda path: save_classifier(network, path))


def _ends(
    phase: Phase, context: RunContext, network: keras.Model, progress: Progress, result: Row
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The weights at the start of the phase, and those of the epoch that is its result: in rank 0."""
    assert phase.starts_from is not None, "it starts from another phase"
    if result is progress.best:
        load_weights(network, context.run_dir.phase(phase.name).best)
        tuned = _values(network)
    else:  # the last epoch, whose weights are still there
        with averaged_weights(network.optimizer, result.get("ema_decay")):
            tuned = _values(network)
    load_weights(network, context.run_dir.phase(phase.starts_from).best)
    return _values(network), tuned


def _scored(
    alpha: float,
    ends: tuple[list[np.ndarray], list[np.ndarray]] | None,
    context: RunContext,
    network: keras.Model,
    held_out: HeldOut,
) -> Row:
    """The validation scores of a mixture; rank 0 alone has the ends."""
    if ends:
        assign(network, between(*ends, alpha))
    context.processes.broadcast_variables(network.weights)
    return validation_columns(held_out.evaluate("validation"))


def _values(network: keras.Model) -> list[np.ndarray]:
    return [np.array(variable.numpy()) for variable in network.weights]


def assign(network: keras.Model, values: Sequence[np.ndarray]) -> None:
    """Gives the network these weights, in the order of `network.weights`."""
    for variable, value in zip(network.weights, values, strict=True):
        variable.assign(value)
