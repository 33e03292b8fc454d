"""Save and restore everything that decides the next step.

A checkpoint is a folder `step-<number>` with `variables.npz` (weights, optimizer variables), `state.json`
(counters, history, best epoch) and `manifest.json` (digests of both). It is filled under a temporary name,
forced to disk and renamed, so that a crash leaves the one before it. Nothing is unpickled.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

_KEEP = 2
_FILES = ("variables.npz", "state.json")


def save(folder: Path, *, step: int, groups: Mapping[str, Sequence[Any]], state: Mapping[str, Any]) -> Path:
    """Writes a checkpoint and removes all but the newest two.

    Args:
      folder: where checkpoints lie.
      step: the number of steps done.
      groups: variables by group name; each has `numpy()`.
      state: JSON values.
    """
    target = folder / f"step-{step:09d}"
    temporary = folder / f".tmp-{os.getpid()}-{target.name}"
    for leftover in folder.glob(".tmp-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    temporary.mkdir(parents=True)
    arrays = {f"{group}/{n:05d}": v.numpy() for group, vs in groups.items() for n, v in enumerate(vs)}
    np.savez(temporary / _FILES[0], **arrays)
    (temporary / _FILES[1]).write_text(json.dumps(state))
    digests = {name: _sha256(temporary / name) for name in _FILES}
    (temporary / "manifest.json").write_text(json.dumps(digests))
    for path in (*temporary.iterdir(), temporary):
        _force_to_disk(path)
    if target.exists():  # the same step again, after a restart from the checkpoint before it
        shutil.rmtree(target)
    os.replace(temporary, target)
    _force_to_disk(folder)
    for old in _all(folder)[:-_KEEP]:
        shutil.rmtree(old)
    return target


def latest(folder: Path) -> Path | None:
    """The newest checkpoint whose digests are right; damaged ones are reported and passed over."""
    for path in reversed(_all(folder)):
        try:
            manifest = json.loads((path / "manifest.json").read_text())
            damaged = [name for name in _FILES if _sha256(path / name) != manifest[name]]
        except (OSError, ValueError, KeyError) as error:
            damaged = [str(error)]
        if not damaged:
            return path
        print(f"checkpoint {path} is damaged ({', '.join(damaged)}): using the one before", flush=True)
    return None


def restore(path: Path, *, groups: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Assigns the saved values to the variables and returns the saved state.

    Raises:
      ValueError: the checkpoint holds other variables than these.
    """
    with np.load(path / _FILES[0], allow_pickle=False) as arrays:
        expected = {f"{group}/{n:05d}": v for group, vs in groups.items() for n, v in enumerate(vs)}
        if set(expected) != set(arrays.files):
            raise ValueError(f"checkpoint {path} holds {len(arrays.files)} variables, the model {len(expected)}")
        for key, variable in expected.items():
            variable.assign(arrays[key])
    return json.loads((path / _FILES[1]).read_text())


def weights_sha256(weights: Sequence[Any]) -> str:
    """SHA-256 over the weights in order, as float32 bytes."""
    digest = hashlib.sha256()
    for weight in weights:
        digest.update(np.ascontiguousarray(weight.numpy(), np.float32).tobytes())
    return digest.hexdigest()


def _all(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"))


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _force_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
