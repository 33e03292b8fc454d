"""Save and restore everything that decides the next step.

A checkpoint is a folder `step-<number>` with `variables.npz` (weights, optimizer variables), `state.json`
(counters, history, which epoch is the best), `best.keras` (the model of that epoch) and `manifest.json` (digests of
the others). It is filled under a temporary name, forced to disk and renamed, so that a crash leaves the one
before it. Nothing is unpickled.

Stays own, because tf.train.Checkpoint and Keras's BackupAndRestore keep variables and counters alone: after a crash the
best model and the history could be of other steps than the weights.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ftdata.atomic import force_to_disk, temporary_name
from ftdata.errors import UserError
from ftdata.log import log
from trainers.rundir.run_dir import WriteFailed

_KEEP = 2
_VARIABLES, _STATE, _BEST, _MANIFEST = "variables.npz", "state.json", "best.keras", "manifest.json"


def path_of(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step lies."""
    return folder / f"step-{step:09d}"


def best_model(path: Path) -> Path:
    """Where the model of the best epoch lies in a checkpoint that has one."""
    return path / _BEST


def copied(groups: Mapping[str, Sequence[Any]]) -> dict[str, np.ndarray]:
    """The values of variables, by group and place, in arrays of their own: training may continue."""
    return {f"{group}/{n:05d}": np.array(v.numpy()) for group, vs in groups.items() for n, v in enumerate(vs)}


def save(
    folder: Path, *, step: int, arrays: Mapping[str, np.ndarray], state: Mapping[str, Any], best: Path | None = None
) -> Path:
    """Writes a checkpoint and removes all but the newest two, and those of later steps (which come again).

    Args:
      folder: where checkpoints lie.
      step: the number of steps done.
      arrays: what `copied` returned.
      state: JSON values.
      best: the model of the best epoch. It is linked, not copied, where the file system can.

    Raises:
      WriteFailed: no space, no permission; what was written is removed, the checkpoints before are untouched.
    """
    target = path_of(folder, step)
    temporary = temporary_name(target)
    try:
        temporary.mkdir(parents=True)
        _fill(temporary, arrays=arrays, state=state, best=best)
        _discard(target)  # the same step again, after a restart from the checkpoint before it
        os.replace(temporary, target)
        force_to_disk(folder)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise WriteFailed(target, error) from error
    earlier = [path for path in _all(folder) if path <= target]
    for path in set(_all(folder)) - set(earlier[-_KEEP:]):
        _discard(path)
    return target


def _fill(folder: Path, *, arrays: Mapping[str, np.ndarray], state: Mapping[str, Any], best: Path | None) -> None:
    with (folder / _VARIABLES).open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)
    (folder / _STATE).write_text(json.dumps(state), encoding="utf-8")
    if best:
        _link(best, folder / _BEST)
    _seal(folder)


def _link(path: Path, target: Path) -> None:
    try:
        os.link(path, target)
    except OSError:  # a file system without hard links
        shutil.copyfile(path, target)


def _seal(folder: Path) -> None:
    """Writes the digests of the files of a checkpoint, and forces all of it to disk."""
    digests = {path.name: _sha256(path) for path in sorted(folder.iterdir())}
    (folder / _MANIFEST).write_text(json.dumps(digests), encoding="utf-8")
    for path in (*folder.iterdir(), folder):
        force_to_disk(path)


def keep(path: Path, folder: Path) -> Path:
    """Keeps a checkpoint without its best model in another folder, by links where the file system can.

    Raises:
      WriteFailed: no space, no permission.
    """
    target = folder / path.name
    temporary = temporary_name(target)
    try:
        temporary.mkdir(parents=True)
        for name in (_VARIABLES, _STATE):
            _link(path / name, temporary / name)
        _seal(temporary)
        _discard(target)
        os.replace(temporary, target)
        force_to_disk(folder)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise WriteFailed(target, error) from error
    return target


def discard_beyond(folder: Path, step: int) -> None:
    """Removes the checkpoints of later steps."""
    for path in _all(folder):
        if path > path_of(folder, step):
            _discard(path)


def read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The values of a checkpoint, by group and place as of `copied`, and its state.

    Raises:
      UserError: it is not whole.
    """
    damaged = _damaged_files(path)
    if damaged:
        raise UserError(f"checkpoint {path} is damaged ({', '.join(damaged)})")
    with np.load(path / _VARIABLES, allow_pickle=False) as arrays:
        return dict(arrays), json.loads((path / _STATE).read_text(encoding="utf-8"))


def group_digests(arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
    """SHA-256 of each group over its values in order, with their shapes."""
    digests: dict[str, Any] = {}
    for key in sorted(arrays):
        digest = digests.setdefault(key.partition("/")[0], hashlib.sha256())
        digest.update(f"{key} {arrays[key].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[key]).reshape(-1).view(np.uint8))
    return {group: digest.hexdigest() for group, digest in digests.items()}


def sha256(content: bytes) -> str:
    """SHA-256 of some bytes, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def latest(folder: Path) -> Path | None:
    """The newest checkpoint whose digests are right; damaged ones are reported and passed over."""
    for path in reversed(_all(folder)):
        damaged = _damaged_files(path)
        if not damaged:
            return path
        log.info(f"checkpoint {path} is damaged ({', '.join(damaged)}): using the one before")
    if _all(folder):
        log.info(f"no checkpoint in {folder} is whole: starting the phase over")
    return None


def _damaged_files(path: Path) -> list[str]:
    try:
        manifest = json.loads((path / _MANIFEST).read_text(encoding="utf-8"))
        damaged = [name for name in {_VARIABLES, _STATE, *manifest} if _sha256(path / name) != manifest[name]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [f"{type(error).__name__}: {error}"]
    return sorted(damaged)


def restore(path: Path, *, groups: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Assigns the saved values to the variables and returns the saved state.

    Raises:
      UserError: the checkpoint holds other variables than these.
    """
    with np.load(path / _VARIABLES, allow_pickle=False) as arrays:
        expected = {f"{group}/{n:05d}": v for group, vs in groups.items() for n, v in enumerate(vs)}
        if set(expected) != set(arrays.files):
            raise UserError(f"checkpoint {path} holds {len(arrays.files)} variables, the model {len(expected)}")
        for key, variable in expected.items():
            variable.assign(arrays[key])
    return json.loads((path / _STATE).read_text(encoding="utf-8"))


def weights_sha256(weights: Sequence[Any]) -> str:
    """SHA-256 over the weights in order, as float32 bytes."""
    digest = hashlib.sha256()
    for weight in weights:
        digest.update(np.ascontiguousarray(weight.numpy(), np.float32).tobytes())
    return digest.hexdigest()


def _all(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"))


def _discard(path: Path) -> None:
    """Removes a checkpoint, under another name first: half of one would be reported as damaged."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path.rename(temporary_name(path.with_name(f"old-{path.name}"))))


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
