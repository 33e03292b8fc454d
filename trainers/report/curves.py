"""Loss and accuracy over the epochs of a run: curves, or a table where the epochs are too few for one."""

from collections.abc import Mapping, Sequence

import numpy as np

from ftdata.names import counted
from trainers.evaluation.summary import in_words
from trainers.report import blocks, fold_means, several_labels
from trainers.report.blocks import Block, Table, Text, percent
from trainers.report.charts import Chart, Line
from trainers.report.run_files import RunFiles
from trainers.rundir.progress import Row


def curves(run: RunFiles) -> list[Block]:
    """Loss and accuracy over the epochs of all phases on one axis."""
    rows = [row for history in run.histories.values() for row in history]
    if not rows:
        return []
    monitor = run.metrics.get("monitor") or run.settings.get("monitor") or "accuracy"
    ends = np.cumsum([0, *(history[-1]["epoch"] for history in run.histories.values())])
    places = [place for place, _ in over_all(run.histories)]
    left_out = fold_means.histories(run)
    judged = over_all(left_out)
    span = (min(places) - 0.5, max(float(ends[-1]), *(place for place, _ in judged), 0.0) + 0.5)
    charts = []
    called = _called(run)
    for panel in ("loss", "accuracy"):
        drawn = [
            Line("training (augmented)", places, [row.get(panel) for row in rows], 0),
            Line("validation", places, [row.get(f"validation_{panel}") for row in rows], 1),
        ]
        if judged:
            seen = [row.get(f"validation_{panel}") for _, row in judged]
            drawn.append(Line(fold_means.title(run), [place for place, _ in judged], seen, 2))
        if panel == "accuracy" and monitor not in ("accuracy", "loss"):
            chosen_by = [row.get(f"validation_{monitor}") for row in rows]
            drawn.append(Line(f"validation, {in_words(monitor)}", places, chosen_by, 1, dashed=True))
            means = [row.get(f"validation_{monitor}") for _, row in judged]
            drawn.append(Line(f"left out, {in_words(monitor)}", [place for place, _ in judged], means, 2, dashed=True))
        lines = [line for line in drawn if any(value is not None for value in line.y)]
        if not lines:
            continue
        last = ", ".join(f"{line.name} {_score(panel, _last(line.y))}" for line in lines)
        epochs = f"{counted(int(ends[-1]), 'epoch')} of {' and '.join(run.histories)}"
        about = f"{called[panel]} over {epochs}; at the end {last}"
        axis = "score" if panel != called[panel] else panel  # beside the share of images mAP is drawn
        charts.append(
            Chart(
                f"curve-{panel}", called[panel].capitalize(), about, lines, "epoch", axis,
                x_range=span, switches=switches(run.histories), whole=True, y_shares=panel == "accuracy",
            )
        )  # fmt: skip
    if not charts:
        return []
    if all(chart.is_compact for chart in charts):
        return [_in_numbers(run.histories, called)]
    return [blocks.Row(charts), *([Text(fold_means.in_words(run))] if judged else [])]


def switches(histories: Mapping[str, Sequence[Row]]) -> list[tuple[float, str]]:
    """Where each phase begins on the common axis of the epochs, with its name."""
    ends = np.cumsum([0, *(history[-1]["epoch"] for history in histories.values())])
    lasting = [name for name, history in histories.items() if history[-1]["epoch"]]  # not a head that is solved for
    return [(end + 0.5, name) for end, name in zip(ends.tolist(), histories, strict=False) if name in lasting]


def _called(run: RunFiles) -> dict[str, str]:
    """The scores as a reader knows them: with several labels an image, accuracy is that of whole images."""
    return {"loss": "loss", "accuracy": several_labels.EXACT if several_labels.applies(run) else "accuracy"}


def _in_numbers(histories: Mapping[str, Sequence[Row]], called: Mapping[str, str]) -> Table:
    """One or two epochs, in which no curve can be seen, as a table."""
    columns = ("loss", "accuracy", "validation_loss", "validation_accuracy")
    rows = [(phase, row) for phase, history in histories.items() for row in history]
    rows = [(phase, row) for phase, row in rows if any(row.get(column) is not None for column in columns)]
    known = [column for column in columns if any(row.get(column) is not None for _, row in rows)]
    cells = [
        (f"{phase}, epoch {row['epoch']:.0f}" if row["epoch"] else f"{phase}, start", *(_cell(row, c) for c in known))
        for phase, row in rows
    ]
    titles = [_title(column, called) for column in known]
    return Table("Epochs: too few for a curve; training is on augmented images", ("phase", *titles), cells)


def _title(column: str, called: Mapping[str, str]) -> str:
    split, _, score = column.rpartition("_")
    return f"{split or 'training'} {called[score]}"


def _cell(row: Row, column: str) -> str:
    value = row.get(column)
    if value is None:
        return "-"
    return _score(column.rpartition("_")[2], value)


def over_all(histories: Mapping[str, Sequence[Row]]) -> list[tuple[float, Row]]:
    """The epochs of all phases, one after the other, each with its place on their common axis."""
    found, end = list[tuple[float, Row]](), 0.0
    for history in histories.values():
        found += [(end + row["epoch"], row) for row in history]
        end += history[-1]["epoch"]
    return found


def _score(panel: str, value: float) -> str:
    return percent(value) if panel == "accuracy" else f"{value:.3f}"


def _last(values: Sequence[float | None]) -> float:
    return next(value for value in reversed(values) if value is not None)
