"""When a run was made, and on what machine, as its files tell: a page that is written again says the same."""

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ftdata.errors import UserError
from ftdata.names import counted
from trainers.report.run_files import RunFiles
from trainers.rundir.run_dir import read_json

_EVENTS = "events.out.tfevents"  # .SECONDS.HOST...: when TensorBoard's writer made the file


def facts(run: RunFiles) -> list[tuple[str, str]]:
    """What stands in the first screen; what no file tells is left out."""
    found = [("Run", said)] if (said := _dates(run)) else []
    return [*found, *([("Machine", machine)] if (machine := machine_of(run)) else [])]


def _dates(run: RunFiles) -> str:
    """`2026-11-27 05:38 to 06:24 UTC`."""
    began, ended = _began(run), _ended(run)
    if began is None:
        return f"finished {_written(ended)} UTC" if ended else ""
    if ended is None or ended < began:
        return f"started {_written(began)} UTC"
    if _written(began) == _written(ended):
        return f"{_written(began)} UTC"
    same_day = began.date() == ended.date()
    return f"{_written(began)} to {f'{ended:%H:%M}' if same_day else _written(ended)} UTC"


def _written(moment: datetime.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _began(run: RunFiles) -> datetime.datetime | None:
    """As the record says; of a run of an older version the first of its event files, those of folds among them."""
    if started := run.record.get("started"):
        try:
            return datetime.datetime.fromisoformat(started).astimezone(datetime.UTC)
        except (TypeError, ValueError):
            return None
    root = run.run_dir.root
    return min((*_stamps(root / "logs"), *_stamps(run.run_dir.folds)), default=None)


def _ended(run: RunFiles) -> datetime.datetime | None:
    """When the final numbers of the last phase were written for TensorBoard, after everything else."""
    return max(_stamps(run.run_dir.hparams(run.final)), default=None) if run.final else None


def _stamps(folder: Path) -> Iterator[datetime.datetime]:
    for path in folder.rglob(f"{_EVENTS}.*"):
        seconds = path.name.removeprefix(f"{_EVENTS}.").partition(".")[0]
        if seconds.isdecimal() and len(seconds) <= 11:
            yield datetime.datetime.fromtimestamp(int(seconds), datetime.UTC)


def machine_of(run: RunFiles) -> str:
    """`AMD EPYC, 2 cores, no GPU used`; of several starts that of the last; empty where no receipt says so."""
    found = _hardware(run)
    if not found:
        return ""
    cores = found.get("threads", {}).get("cores")
    parts = [str(found.get("processor") or "unknown processor"), *([counted(cores, "core")] if cores else [])]
    gpus, devices = found.get("gpu") or [], str(found.get("devices", ""))
    count = devices.partition(" ")[0]
    if not gpus:
        return ", ".join([*parts, "no GPU used"])
    return ", ".join([*parts, f"{count} x {', '.join(map(str, gpus))}" if count not in ("", "1") else str(gpus[0])])


def _hardware(run: RunFiles) -> dict[str, Any]:
    try:
        entries = (read_json(run.run_dir.receipt) or {}).get("entries", ())
        return next((entry["hardware"] for entry in reversed(entries) if entry["kind"] == "environment"), {})
    except (UserError, KeyError, TypeError, AttributeError):
        return {}  # verify says what is wrong with it
