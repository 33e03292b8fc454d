"""`index.html`: the runs below a folder in a table that can be sorted, and their curves in one chart."""

import dataclasses
import datetime
import os
import urllib.parse
from collections.abc import Sequence
from pathlib import Path

from ftdata.errors import UserError
from ftdata.log import log
from ftdata.names import counted
from trainers.report import curves, fold_means, several_labels, summary
from trainers.report.blocks import between, percent
from trainers.report.charts import COLORS, Chart, Line
from trainers.report.run_files import RunFiles
from trainers.rundir.run_dir import RunDir, write_atomically

_COLUMNS = (
    *("run", "data", "backbone", "phase", "accuracy", "95% interval", "mAP", "new group", "images/s"),
    *("seconds", "finished (UTC)"),
)
_TEXTS = 4  # the first columns; the others are numbers


@dataclasses.dataclass(frozen=True)
class Cell:
    """What stands in a cell, and what it is sorted by."""

    text: str
    key: str


def write(root: Path, folders: Sequence[Path]) -> Path:
    """Writes index.html into `root`, atomically, and returns its path.

    Args:
      root: the folder.
      folders: those of the runs, below it; a run that cannot be read is named and left out.

    Raises:
      WriteFailed: no space, no permission.
    """
    text = html(root, [run for folder in folders if (run := _read(folder))])
    path = root / "index.html"
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    return path


def _read(folder: Path) -> RunFiles | None:
    try:
        return RunFiles.read(RunDir(folder))
    except UserError as error:
        log.info(f"warning: {folder} is left out: {error}")
        return None


def html(root: Path, runs: Sequence[RunFiles]) -> str:
    """The page as text; the same files, changed at the same times, give the same text."""
    from trainers.report.rendering import render

    rows = [(_address(root, run), _cells(root, run)) for run in runs]
    columns, at = list(_COLUMNS), _COLUMNS.index("mAP")
    several = any(several_labels.applies(run) for run in runs)
    if not several:
        columns.pop(at)
        rows = [(address, [*cells[:at], *cells[at + 1 :]]) for address, cells in rows]
    chart, name = _chart(root, runs), root.resolve().name
    return render("index.html", name=name, columns=columns, texts=_TEXTS, rows=rows, chart=chart, several=several)


def _address(root: Path, run: RunFiles) -> str | None:
    """The page of the run, relative to the index; None where there is none."""
    if not run.run_dir.report.is_file():
        return None
    return urllib.parse.quote(os.fsencode(run.run_dir.report.relative_to(root).as_posix()))


def _cells(root: Path, run: RunFiles) -> list[Cell]:
    found, expected, finished = summary.accuracy(run), summary.new_group(run), _finished(run)
    scored, of_labels = (None, found) if several_labels.applies(run) else (found, None)
    data = run.data.rstrip("/").rpartition("/")[2] or run.data  # a whole path would fill the screen
    texts = [
        _name(root, run),
        data,
        run.backbone,
        run.final or ("estimate" if run.estimate else "-"),
    ]
    low = scored.interval[0] if scored and scored.interval else None
    rate, seconds = run.metrics.get("images_per_second"), run.metrics.get("seconds")
    return [
        *(Cell(text, text.casefold()) for text in texts),
        _share(scored),
        _number(low, _interval(scored)),
        _share(of_labels),
        _share(expected, " mAP" if of_labels else ""),
        _number(rate, "-" if rate is None else f"{rate:,.0f}"),
        _number(seconds, "-" if seconds is None else f"{seconds:,.0f}"),
        _number(finished.timestamp(), f"{finished:%Y-%m-%d %H:%M}") if finished else _number(None, "-"),
    ]


def _share(score: summary.Score | None, of: str = "") -> Cell:
    return _number(score.accuracy, f"{percent(score.accuracy)}{of}") if score else _number(None, "-")


def _number(value: float | None, text: str) -> Cell:
    return Cell(text, "" if value is None else repr(float(value)))


def _interval(scored: summary.Score | None) -> str:
    return between(scored.interval) if scored and scored.interval else "-"


def _name(root: Path, run: RunFiles) -> str:
    return run.run_dir.root.relative_to(root).as_posix()


def _finished(run: RunFiles) -> datetime.datetime | None:
    """When the final numbers were written."""
    path = run.run_dir.phase(run.final).metrics if run.final else run.run_dir.estimate / "metrics.json"
    return datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC) if path.is_file() else None


def _chart(root: Path, runs: Sequence[RunFiles]) -> Chart | None:
    """Validation accuracy, or mAP, over the epochs of both phases, of as many runs as there are colours, the latest; of
    runs with folds the accuracy on what these left out."""
    drawn = [run for run in runs if run.histories and run.final]
    latest = sorted(drawn, key=lambda run: run.run_dir.phase(run.final or "").metrics.stat().st_mtime_ns)[-2 * COLORS :]
    lines, of_labels = list[Line](), any(several_labels.applies(run) for run in latest)
    for number, run in enumerate(run for run in drawn if run in latest):
        several = several_labels.applies(run)
        epochs = curves.over_all(fold_means.histories(run) or run.histories)
        score, suffix = ("validation_map", ", mAP") if several else ("validation_accuracy", "")
        x, y = [place for place, _ in epochs], [row.get(score) for _, row in epochs]
        if any(value is not None for value in y):
            lines.append(Line(_name(root, run) + suffix, x, y, number % COLORS, dashed=number >= COLORS))
    if not lines:
        return None
    title = "Validation accuracy" + (", or mAP" if of_labels else "")
    about = f"{title.lower().replace('map', 'mAP')} over the epochs of all phases, one after the other, of "
    about += counted(len(lines), "run")
    about += f", the latest of {len(drawn)}" if len(drawn) > len(latest) else ""
    return Chart(
        "runs", title, about, lines, "epoch", "score" if of_labels else "validation accuracy", whole=True, y_shares=True
    )
