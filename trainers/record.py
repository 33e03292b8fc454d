"""config.json: what a run was started with, and whether another start may go on from it."""

import dataclasses
import hashlib
import shutil
import sys
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from ftdata.source import Source
from trainers import backbones, phases, precision
from trainers.config import TrainConfig, as_dict, deciding
from trainers.step import COMPILE_AUGMENTATION, COMPILE_NOTHING, COMPILE_STEP
from trainers.workdir import Workdir, read_json, write_json


def settle(config: TrainConfig, workdir: Workdir, *, on_gpu: bool) -> TrainConfig:
    """Replaces what is left to the program (image size, precision, compilation) by values.

    What an earlier start in the same folder settled on is kept, so that a restart on a slightly different
    machine computes the same numbers.
    """
    earlier = {} if config.overwrite else (read_json(workdir.config) or {}).get("settings", {})
    data, runtime = config.data, config.runtime
    if data.image_size is None:
        size = earlier.get("image_size") or backbones.default_size(config.model.backbone)
        data = dataclasses.replace(data, image_size=size)
    if runtime.mixed_precision == "auto":
        policy = earlier.get("mixed_precision") or precision.resolve("auto", on_gpu=on_gpu)
        runtime = dataclasses.replace(runtime, mixed_precision=policy)
    return dataclasses.replace(config, data=data, runtime=runtime)


def what_to_compile(jit_compile: str, *, on_gpu: bool) -> str:
    """What XLA compiles for `--jit_compile`; `auto`: the step on a GPU, the augmentation alone on a CPU."""
    if jit_compile == "auto":
        return COMPILE_STEP if on_gpu else COMPILE_AUGMENTATION
    return COMPILE_STEP if jit_compile == "true" else COMPILE_NOTHING


def start(workdir: Workdir, config: TrainConfig, source: Source, *, command_line: Sequence[str]) -> None:
    """Checks that the folder is free or holds the same run, and writes config.json.

    Raises:
      ValueError: the folder holds a run with other settings or data; each difference is named.
    """
    if config.overwrite:
        _clear(workdir)
    recorded = read_json(workdir.config) or {"phases": {}}
    deciding_now = {
        phase.name: {**deciding(config, phase.name), "data": fingerprint(source)}
        for phase in phases.sequence(config.phase)
    }
    for name, now in deciding_now.items():
        before = recorded["phases"].get(name)
        if before is not None:
            ignored = f"{name}_" if name != config.phase and workdir.phase(name).metrics.is_file() else None
            _compare(before, now, workdir=workdir, ignored_prefix=ignored)
            deciding_now[name] = before
    values = {
        "settings": as_dict(config),
        "phases": {**recorded["phases"], **deciding_now},
        "versions": {
            "python": sys.version.split()[0],
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
        },
        "command_line": list(command_line),
    }
    write_json(workdir.config, values)


def fingerprint(source: Source) -> dict[str, Any]:
    """What identifies the pictures and their splits: counts, classes, and a digest of names and labels."""
    digest = hashlib.sha256()
    for split in (source.train, source.validation, source.test):
        digest.update("\0".join(split.names).encode(errors="surrogateescape"))
        digest.update(split.labels.tobytes())
    counts = [len(source.train), len(source.validation), len(source.test)]
    return {"counts": counts, "class_names": list(source.class_names), "sha256": digest.hexdigest()}


def _compare(before: dict[str, Any], now: dict[str, Any], *, workdir: Workdir, ignored_prefix: str | None) -> None:
    names = [name for name in now if not (ignored_prefix and name.startswith(ignored_prefix))]
    different = [name for name in names if before.get(name) != now[name]]
    if different:
        lines = [f"  {name}: was {before.get(name)!r}, is {now[name]!r}" for name in different]
        raise ValueError(
            f"model_dir {workdir.root} holds a run with other settings:\n" + "\n".join(lines) + "\n"
            "Choose another --model_dir, restore the settings, or start anew with --overwrite"
        )


def _clear(workdir: Workdir) -> None:
    """Removes what a run wrote, and nothing else; config.json last, so that half of it is not taken for another run."""
    for name in (*phases.PHASES, "evaluation", "export", "logs"):
        shutil.rmtree(workdir.root / name, ignore_errors=True)
    workdir.config.unlink(missing_ok=True)
