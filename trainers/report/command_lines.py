"""Command lines that use a run, to copy: with its folder, and where they read its images, with its flags."""

import shlex
from collections.abc import Iterable, Iterator

from trainers.config import TrainConfig, settings
from trainers.report.run_files import RunFiles

_PROGRAM = "python -m trainers.main"
_OWN = ("phase", "model_dir", "overwrite")
_NAMED = ("dataset", "image_dir", "labels_csv", "records", "group_pattern", "backbone", "image_size")


def line(run: RunFiles, phase: str, *flags: str) -> str:
    """A command that uses the run."""
    return _joined([f"--model_dir={run.run_dir.root.resolve()}", f"--phase={phase}", *flags])


def again(run: RunFiles, phase: str, *flags: str) -> str:
    """A command on the images of the run, with the flags that it was started with."""
    return _joined([*_given(run), f"--model_dir={run.run_dir.root.resolve()}", f"--phase={phase}", *flags])


def started(run: RunFiles) -> str | None:
    """The command line of the run; None where it was started from Python."""
    given = run.record.get("command_line", [])
    return _joined(given[1:]) if given else None


def _joined(arguments: Iterable[str]) -> str:
    """For a shell; the value of a flag is quoted where it has to be, not its name."""
    parts = (argument.partition("=") for argument in arguments)
    quoted = (shlex.quote(name) + (f"={shlex.quote(value)}" if equals else "") for name, equals, value in parts)
    return " ".join([_PROGRAM, *quoted])


def _given(run: RunFiles) -> Iterator[str]:
    """The flags of the run but its folder and its phase, paths whole; of a run from Python those that name images."""
    command_line = run.record.get("command_line", [])
    paths = {field.name for field, _ in settings(TrainConfig()) if field.metadata["is_path"]}
    if not command_line:
        names = (*_NAMED, "channels") if run.settings.get("channels", 3) != 3 else _NAMED
        known = [f"--{name}={value}" for name in names if (value := run.settings.get(name)) is not None]
        yield from known if any(run.settings.get(name) for name in names[:4]) else ["--image_dir=FOLDER", *known]
        return
    arguments = iter(command_line[1:])
    for argument in arguments:
        name, has_value, value = argument.lstrip("-").partition("=")
        if name.removeprefix("no") == "overwrite":
            continue
        if not has_value and name in run.settings and not isinstance(run.settings[name], bool):
            value = next(arguments, "")  # --name value
        if name in _OWN:
            continue
        if name in paths and run.settings.get(name):
            value = run.settings[name]
        yield f"--{name}={value}" if value or has_value else argument
