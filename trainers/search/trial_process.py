"""Runs a trial in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import trainers
from ftdata.errors import UserError
from trainers.rundir.run_dir import read_json, write_json
from trainers.runtime.signals import Interrupted, StopRequest

# Exit statuses: settings or data that no trial can use, and what this one cannot be trained with; 1 is a bug's
USER_ERROR, CANNOT_TRAIN = 3, 4
_STOPPED = {status: number for number in (signal.SIGTERM, signal.SIGINT) for status in (-number, 128 + number)}
_KILLED, _GRACE_S = (-signal.SIGKILL,), 1.0
_EVERY_S = 0.1
_LONGEST_LINE = 2_000


class TrialFailed(Exception):
    """A trial ended otherwise than by an error that the user can fix: the message says how, in a few words."""


def run(folder: Path, request: Mapping[str, Any], *, stop: StopRequest) -> dict[str, Any]:
    """Does what `request` says (`trainers.commands.trial`) and returns what came out.

    A signal that arrives meanwhile is passed on, so that the trial saves what it has.

    Args:
      folder: of the trial; its output is appended to log.txt there.
      request: without `result` and `started`.
      stop: whether somebody asks to stop.

    Raises:
      UserError: the trial's.
      TrialFailed: it was killed, or has a bug.
      Interrupted: somebody asked to stop, this process or the trial.
    """
    folder.mkdir(parents=True, exist_ok=True)
    asked, answer = folder / "request.json", folder / "result.json"
    answer.unlink(missing_ok=True)
    write_json(asked, {**request, "result": str(answer), "started": time.time()})
    command = [sys.executable, "-P", "-m", "trainers.commands.trial", str(asked)]
    path = os.pathsep.join([str(Path(trainers.__file__).parent.parent), os.environ.get("PYTHONPATH", "")])
    with (folder / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # ends with this process, and the trial with it
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": path.strip(os.pathsep)},
            start_new_session=True,  # Ctrl-C reaches this process alone, which passes it on
        )
    assert process.stdin is not None
    is_told = False
    try:
        while process.poll() is None:
            if stop.number is not None and not is_told:
                process.terminate()
                is_told = True
            time.sleep(_EVERY_S)
    finally:
        process.stdin.close()  # whatever has happened: no trial outlives the search
        process.wait()
    if process.returncode in _KILLED:
        time.sleep(_GRACE_S)  # who kills a trial may be about to kill this process too
    stop.check()
    if process.returncode == USER_ERROR:
        raise UserError(_last_error(folder / "log.txt"))
    if process.returncode in _STOPPED:
        raise Interrupted(_STOPPED[process.returncode])
    if process.returncode == CANNOT_TRAIN:
        raise TrialFailed(_last_error(folder / "log.txt"))
    if process.returncode:
        raise TrialFailed(_in_words(process.returncode) + f"; see {folder / 'log.txt'}")
    found = read_json(answer)
    if found is None:
        raise TrialFailed(f"it has left no result; see {folder / 'log.txt'}")
    return found


def _last_error(path: Path) -> str:
    """What stands after `error: ` at the end of the output."""
    text = path.read_bytes()[-_LONGEST_LINE:].decode("utf-8", "replace")
    return text.rpartition("error: ")[2].strip()


def _in_words(status: int) -> str:
    if status == -9:
        return "killed by SIGKILL, as when memory runs out"
    return f"ended by signal {-status}" if status < 0 else f"exit status {status}"
