"""The epoch (or average, or share of the way to it) with the best mean over what was left out: chosen by all groups,
never by one."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trainers.evaluation import calibration, label_temperatures, label_thresholds, scores
from trainers.evaluation.label_scores import LabelEvaluation
from trainers.evaluation.scores import Evaluation
from trainers.evaluation.summary import Summary, summary_kind
from trainers.folds.expectation import Expectation, expect
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
    class_names: Sequence[str] = (),
) -> dict[str, Any]:
    """The candidate that is best in the mean over the groups, or over the folds where there are no groups.

    Args:
      candidates: of each the scores of all images, each by the model that has not seen it.
      monitor: the score to choose by, such as `balanced_accuracy`, taken of each group by itself.
      groups: of the images; they count equally.
      folds: which images were left out together, bool [n] each.
      class_names: of several labels an image, to name what is chosen for each.

    Returns:
      JSON values: the `epoch` after which the phase on all images is to end (0 keeps the model that it starts from),
      among how many it was chosen, and what metrics.json says: the mean scores of what was left out, and what to
      expect of a new group. Of several labels an image they are the thresholds and temperatures of the classes, on the
      scores of what was left out, the mAP of each group, and what to expect of a new one.
    """
    parts = list(folds) if groups is None else [groups.of_image == place for place in range(len(groups.names))]
    every = next(iter(candidates.values()))
    if isinstance(every, LabelEvaluation):  # what shows nothing has no mAP
        parts = [part for part in parts if every.truth[part].any()] or parts
    kind = summary_kind(every.labels)
    rows: list[Row] = [
        {
            "candidate": candidate,
            "epoch": candidate.epoch,
            **validation_columns(_mean(candidates[candidate], parts), kind=kind),
        }
        for candidate in sorted(candidates, key=lambda one: (one.epoch, one.ema_decay or 0, -one.alpha))
    ]
    best = max(rows, key=lambda row: monitor_key(row, monitor))  # the first of several
    scored = candidates[best["candidate"]]
    found: dict[str, Any] = {"epoch": best["epoch"], "chosen_among": len(rows)}
    if any(candidate.ema_decay is not None for candidate in candidates):
        found["ema_decay"] = best["candidate"].ema_decay
    if any(candidate.alpha != 1 for candidate in candidates):
        found["interpolation"] = {"alpha": best["candidate"].alpha if best["epoch"] else 0.0, "epoch": best["epoch"]}
    found |= {name: value for name, value in best.items() if name.startswith("validation_")}
    if isinstance(scored, LabelEvaluation):
        return found | _of_labels(scored, groups, class_names)
    temperature = calibration.fit_temperature(scored)
    found |= {"temperature": temperature.value, "temperature_images": temperature.images}
    if groups is None:
        return found
    right = np.bincount(groups.of_image, scored.predicted == scored.labels, len(groups.names))
    found |= _of_new_group(expect(right, groups.sizes), "accuracy")
    return found | {"groups": dict(zip(groups.names, (right / groups.sizes).tolist(), strict=True))}


def _of_new_group(expected: Expectation, score: str) -> dict[str, Any]:
    return {
        f"expected_new_group_{score}": expected.mean,
        "expected_new_group_interval": expected.interval and list(expected.interval),
        "new_group_range": expected.new_group_range and list(expected.new_group_range),
    }


def _of_labels(left_out: LabelEvaluation, groups: Groups | None, class_names: Sequence[str]) -> dict[str, Any]:
    """What the scores of images left out choose for each of several labels, and the mAP of each group."""
    found = label_thresholds.recorded(left_out, class_names, chosen_on="folds")
    found |= label_temperatures.recorded(left_out, class_names, chosen_on="folds")
    if groups is None:
        return found
    parts = {name: groups.of_image == place for place, name in enumerate(groups.names)}
    judged = {name: part for name, part in parts.items() if left_out.truth[part].any()}
    by_group = by_part(left_out, judged, "map")
    sizes = np.array([judged[name].sum() for name in by_group])
    if len(by_group):  # a group in which nothing is shown has no mAP
        found |= _of_new_group(expect(np.array(list(by_group.values())) * sizes, sizes), "map")
    return found | {"group_map": by_group}


def chosen(values: Mapping[str, Any]) -> Candidate:
    """The candidate that `choose` has found, out of its JSON values."""
    alpha = values.get("interpolation", {}).get("alpha", 1.0) if values["epoch"] else 1.0
    return Candidate(values["epoch"], values.get("ema_decay"), alpha)


def by_part(scored: Evaluation, parts: Mapping[str, np.ndarray], monitor: str) -> dict[str, float]:
    """The score to choose by of each part of the images, bool [n], by its name: higher is better."""
    sign = -1.0 if monitor == "loss" else 1.0
    return {
        name: sign * float(getattr(scores.scored(scored.logits[part], scored.labels[part]), monitor))
        for name, part in parts.items()
    }


def _mean(scored: Evaluation, parts: Sequence[np.ndarray]) -> Summary:
    """The mean of the scores of parts of the images, bool [n] each."""
    each, kind = [scores.scored(scored.logits[part], scored.labels[part]) for part in parts], type(scored.summary)
    names = [field.name for field in dataclasses.fields(kind)]
    return kind(**{name: float(np.mean([getattr(one, name) for one in each])) for name in names})
