"""The epoch (or average, or share of the way to it) with the best mean over what was left out: chosen by all groups,
never by one."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trainers.evaluation import calibration
from trainers.evaluation.scores import Evaluation, Summary
from trainers.folds.expectation import expect
from trainers.folds.groups import Groups
from trainers.rundir.progress import Row
from trainers.training.context import Candidate
from trainers.training.epoch_row import monitor_key, validation_columns

START = Candidate(0)  # what a phase starts from


def choose(
    candidates: Mapping[Candidate, Evaluation],
    *,
    monitor: str,
    groups: Groups | None,
    folds: Sequence[np.ndarray],
) -> dict[str, Any]:
    """The candidate that is best in the mean over the groups, or over the folds where there are no groups.

    Args:
      candidates: of each the scores of all images, each by the model that has not seen it.
      monitor: the score to choose by, such as `balanced_accuracy`, taken of each group by itself.
      groups: of the images; they count equally.
      folds: which images were left out together, bool [n] each.

    Returns:
      JSON values: the `epoch` after which the phase on all images is to end (0 keeps the model that it starts from),
      among how many it was chosen, and what metrics.json says: the mean scores of what was left out, and what to
      expect of a new group.
    """
    parts = folds if groups is None else [groups.of_image == place for place in range(len(groups.names))]
    rows: list[Row] = [
        {"candidate": candidate, "epoch": candidate.epoch, **validation_columns(_mean(candidates[candidate], parts))}
        for candidate in sorted(candidates, key=lambda one: (one.epoch, one.ema_decay or 0, -one.alpha))
    ]
    best = max(rows, key=lambda row: monitor_key(row, monitor))  # the first of several
    scored = candidates[best["candidate"]]
    temperature = calibration.fit_temperature(scored)
    found: dict[str, Any] = {"epoch": best["epoch"], "chosen_among": len(rows)}
    if any(candidate.ema_decay is not None for candidate in candidates):
        found["ema_decay"] = best["candidate"].ema_decay
    if any(candidate.alpha != 1 for candidate in candidates):
        found["interpolation"] = {"alpha": best["candidate"].alpha if best["epoch"] else 0.0, "epoch": best["epoch"]}
    found |= {name: value for name, value in best.items() if name.startswith("validation_")}
    found |= {"temperature": temperature.value, "temperature_images": temperature.images}
    if groups is None:
        return found
    right = np.bincount(groups.of_image, scored.predicted == scored.labels, len(groups.names))
    expected = expect(right, groups.sizes)
    return found | {
        "expected_new_group_accuracy": expected.accuracy,
        "expected_new_group_interval": expected.interval and list(expected.interval),
        "new_group_range": expected.new_group_range and list(expected.new_group_range),
        "groups": dict(zip(groups.names, (right / groups.sizes).tolist(), strict=True)),
    }


def chosen(values: Mapping[str, Any]) -> Candidate:
    """The candidate that `choose` has found, out of its JSON values."""
    alpha = values.get("interpolation", {}).get("alpha", 1.0) if values["epoch"] else 1.0
    return Candidate(values["epoch"], values.get("ema_decay"), alpha)


def by_part(scored: Evaluation, parts: Mapping[str, np.ndarray], monitor: str) -> dict[str, float]:
    """The score to choose by of each part of the images, bool [n], by its name: higher is better."""
    sign = -1.0 if monitor == "loss" else 1.0
    return {
        name: sign * float(getattr(Evaluation(scored.logits[part], scored.labels[part]), monitor))
        for name, part in parts.items()
    }


def _mean(scored: Evaluation, parts: Sequence[np.ndarray]) -> Summary:
    """The mean of the scores of parts of the images, bool [n] each."""
    each = [Evaluation(scored.logits[part], scored.labels[part]).summary for part in parts]
    return Summary(
        **{
            field.name: float(np.mean([getattr(one, field.name) for one in each]))
            for field in dataclasses.fields(Summary)
        }
    )
