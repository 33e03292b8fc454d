"""TensorBoard's event files as part of the training state.

A checkpoint records how long each event file is. A restart cuts them back to that, because the steps after the
checkpoint come again, and goes on in a new file. So every point is there exactly once.
"""

import os
from collections.abc import Mapping
from pathlib import Path


def sizes(folder: Path) -> dict[str, int]:
    """Bytes of each event file below `folder`, by its path from there."""
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in _event_files(folder)}


def cut_back(folder: Path, recorded: Mapping[str, int]) -> bool:
    """Removes what was written after the sizes were recorded; returns whether anything is left."""
    left = False
    for path in _event_files(folder):
        size = recorded.get(path.relative_to(folder).as_posix())
        if size is None:
            path.unlink()
            continue
        left = True
        if path.stat().st_size > size:
            os.truncate(path, size)
    return left


def _event_files(folder: Path) -> list[Path]:
    """Those with points; the profiler leaves an empty one that only says that there is a profile."""
    found = folder.glob("*/events.out.tfevents.*")
    return sorted(path for path in found if path.suffix != ".profile-empty")
