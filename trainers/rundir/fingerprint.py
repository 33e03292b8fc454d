"""What a run was computed from (the images and the code), and how two of them differ, in words."""

import hashlib
import importlib.metadata
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ftdata.names import listed
from ftdata.sources.source import Source
from ftdata.sources.split import Split

_SPLITS = {"train": "training", "validation": "validation", "test": "test"}
_ROOT = Path(__file__).parents[2]
PROJECT = "fast-fine-tuning"


def data_fingerprint(source: Source) -> dict[str, Any]:
    """What identifies the images: classes, and for each split its number, and digests of names, labels and contents.

    The name of the data set counts where images are no files, for it holds its version. JSON values.
    """
    are_files = source.train.paths is not None
    return {
        "data_set": None if are_files else source.name,
        "class_names": list(source.class_names),
        **{name: _of_split(source.splits[name]) for name in _SPLITS},
    }


def code_versions() -> dict[str, str]:
    """The versions that can change a result, by name; this project's with a digest of its source files.

    `onednn` is no version but whether TensorFlow was told to use that library (1) or not (0).
    """
    sources = [path for package in ("ftdata", "trainers") for path in sorted((_ROOT / package).rglob("*.py"))]
    return {
        "python": sys.version.split()[0],
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "TensorFlow's default"),
        PROJECT: f"{_own_version()}+{_digest(path.read_bytes() for path in sources)}",
    }


def data_differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """A line for each way in which two results of `data_fingerprint` differ."""
    if not before.keys() >= now.keys():
        return ["data: recorded by another version of this program, so it cannot be compared"]
    lines = []
    if before["data_set"] != now["data_set"]:
        lines.append(f"data set: was {before['data_set'] or 'files'}, is {now['data_set'] or 'files'}")
    lines += _class_differences(before["class_names"], now["class_names"])
    same_classes = before["class_names"] == now["class_names"]
    for name, word in _SPLITS.items():
        old, new = before[name], now[name]
        if old["images"] != new["images"]:
            lines.append(f"{word} images: were {old['images']:,}, are {new['images']:,}")
        elif old["names"] != new["names"]:
            lines.append(f"{word} images: as many as before ({new['images']:,}), but other files")
        elif old["labels"] != new["labels"] and same_classes:
            lines.append(f"{word} images: the same files, but other labels")
        elif old.get("contents", new["contents"]) != new["contents"]:  # older records have sizes instead
            lines.append(f"{word} images: the same file names, but other contents")
    return lines


def code_differences(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """A line for each version in which two results of `code_versions` differ."""
    return [
        f"{name}: was {before.get(name, 'unknown')}, is {now[name]}" for name in now if before.get(name) != now[name]
    ]


def _of_split(split: Split) -> dict[str, Any]:
    return {
        "images": len(split),
        "names": _digest(f"{name}\0".encode(errors="surrogateescape") for name in split.names),
        "labels": _digest([split.labels.tobytes()]),
        "contents": _digest([split.digests.tobytes()]),
    }


def _class_differences(before: Sequence[str], now: Sequence[str]) -> list[str]:
    old, new = set(before), set(now)
    added, removed = [name for name in now if name not in old], [name for name in before if name not in new]
    parts = [f"{what} {listed(names, limit=20)}" for what, names in (("added", added), ("removed", removed)) if names]
    if not parts and list(before) != list(now):
        parts = [f"were in the order {listed(before, limit=20)}, are in the order {listed(now, limit=20)}"]
    return [f"classes: {'; '.join(parts)}"] if parts else []


def _own_version() -> str:
    try:
        return importlib.metadata.version(PROJECT)
    except importlib.metadata.PackageNotFoundError:  # run from its folder
        return "0"


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:16]
