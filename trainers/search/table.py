"""What a search has tried, as a table."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from trainers.evaluation.summary import in_words
from trainers.search import halving
from trainers.search.result import Result
from trainers.search.state import State
from trainers.search.trials import FINE_TUNED, HEADS, minutes


@dataclasses.dataclass(frozen=True)
class Row:
    """A trial: what was tried, and what came out of it if it came to an end."""

    name: str
    network: Mapping[str, Any]
    changes: Mapping[str, Any]
    result: Result | None
    remark: str

    @property
    def metrics(self) -> Mapping[str, Any]:
        """JSON values; empty where it did not come to an end."""
        return self.result.metrics if self.result else {}

    @property
    def seconds(self) -> float:
        """That it took."""
        return self.result.seconds if self.result else 0.0


def rows(state: State) -> list[Row]:
    """The heads alone, then what was fine-tuned, in the order in which they were planned."""
    chosen, dropped = (state.get("chosen") or {}).get("name"), state.get("dropped") or {}

    def row(kind: str, name: str, network: Mapping[str, Any], changes: Mapping[str, Any]) -> Row:
        found, failed = state.result(kind, name), state.failure(name)
        remark = "chosen" if name == chosen else dropped.get(name) or (f"failed: {failed}" if failed else "")
        if found and found.folds < whole and not remark:
            remark = "stopped: others were better"
        return Row(name, network, changes, found, remark)

    whole = _most_folds(state)
    networks = state.get("networks") or []
    heads = [row(HEADS, halving.head_name(network), network, {}) for network in networks]
    plan = state.get("schedule") or {"trials": []}
    return heads + [row(FINE_TUNED, trial.name, trial.network, trial.changes) for trial in halving.planned(plan)]


def _most_folds(state: State) -> int:
    return max((found.folds for kind in (HEADS, FINE_TUNED) for found in state.results(kind)), default=0)


def lines(state: State) -> list[str]:
    """The table, and how optimistic the choice is."""
    found = rows(state)
    width = max(len(row.name) for row in found)
    whole = _most_folds(state)
    text = [f"{'tried':<{width}}  folds  left out   95 % of the mean       time"]
    for row in found:
        if row.result is None:
            text.append(f"{row.name:<{width}}      -         -                  -          -  {row.remark}")
            continue
        bounds = row.result.metrics.get("expected_new_group_interval")
        span = f"{bounds[0]:.1%} to {bounds[1]:.1%}" if bounds else "-"
        text.append(
            f"{row.name:<{width}}  {row.result.folds:>2}/{whole:<2}  {row.result.accuracy:>8.1%}  {span:>17}  "
            f"{minutes(row.seconds):>9}  {row.remark}".rstrip()
        )
    return [*text, *caution(state.get("chosen"))]


def caution(chosen: Mapping[str, Any]) -> list[str]:
    """How optimistic it is to take the best of several at its word: a sentence, or none of one."""
    if chosen["among"] < 2:
        return []
    monitor = chosen.get("monitor", "accuracy")
    what = f"chosen by {in_words(monitor)} among {chosen['among']} models (epochs and averages of the trials)"
    if chosen["optimism"] is None:
        return [f"{what}: the best of several looks a little better than it is"]
    honest, points = chosen["score"] - chosen["optimism"], 100 * chosen["optimism"]
    numbers = f"{honest:.1%}, {points:.1f} points less" if monitor != "loss" else f"{-honest:.3f}"
    return [
        f"{what}; choosing without each part that was left out, and judging by that part, gives {numbers} (trials that "
        "were stopped earlier are not in this)"
    ]
