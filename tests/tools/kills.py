"""Kill a run with SIGKILL again and again, and compare what it leaves with what a run left alone leaves.

python -m tests.tools.kills --kills=50 --work=FOLDER [--devices=2] -- --dataset=cutlery [further flags of trainers.main]
"""

import argparse
import collections
import csv
import dataclasses
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests import ROOT

_TIMINGS = (
    "images_per_second",
    "input_wait_fraction",
    "seconds",
    "checkpoint_stall_seconds",
    "checkpoint_write_seconds",
)
# What a process is killed in, in this order again and again, so that each of them is reached in both phases.
_AIMS = (
    *("anywhere", "checkpoint", "validation", "anywhere", "checkpoint", "switch", "switch"),
    *("checkpoint", "validation", "anywhere"),
)


@dataclasses.dataclass
class Run:
    """A run in a model_dir of its own, and the moments in which it was killed."""

    root: Path
    flags: list[str]
    devices: int = 1
    killed_in: list[str] = dataclasses.field(default_factory=list)

    @property
    def model_dir(self) -> Path:
        return self.root / "model"

    @property
    def validating(self) -> Path:
        return self.root / "validating"

    @property
    def log(self) -> Path:
        """What the newest process prints."""
        return self.root / "log.txt"

    def start(self) -> subprocess.Popen:
        self.root.mkdir(parents=True, exist_ok=True)
        self.validating.unlink(missing_ok=True)
        command = [sys.executable, "-m", "tests.tools.watched_main", str(self.devices), str(self.validating)]
        with self.log.open("w") as log:
            return subprocess.Popen(
                [*command, f"--model_dir={self.model_dir}", *self.flags],
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
                start_new_session=True,
            )

    def finish(self) -> None:
        if self.start().wait() != 0:
            raise AssertionError(self.log.read_text())

    def kill_once(self, aim: str, generator: random.Random) -> bool:
        """Starts the run and kills it at a moment of this kind; False if the run ended before."""
        process = self.start()
        if not self._wait_for(aim, process):
            process.wait()
            return False
        longest = {"anywhere": 3.0, "checkpoint": 0.01, "validation": 0.2, "switch": 3.0, "finetune": 0.3}[aim]
        time.sleep(generator.uniform(0, longest))
        os.killpg(process.pid, signal.SIGKILL)
        if process.wait() != -signal.SIGKILL:
            return False
        self.killed_in += self._moments()
        return True

    def _wait_for(self, aim: str, process: subprocess.Popen) -> bool:
        while process.poll() is None:
            text = self.log.read_text()
            signs = {
                "anywhere": "\ntransfer" in text,  # the data are there
                "checkpoint": bool(self._half_written()),
                "validation": self.validating.exists(),
                "switch": self._is_between_phases() and ("transfer" in text or "resuming" in text),
                "finetune": "\nfinetune" in text and self._has_step(),
            }
            if signs[aim]:
                return True
            time.sleep(0.001)
        if process.returncode:
            raise AssertionError(text)
        return False

    def _has_step(self) -> bool:
        """Whether a step of finetune is kept; the first checkpoint is of the model it starts from."""
        return any(self.model_dir.glob("finetune/checkpoints/step-*[1-9]*"))

    def _half_written(self) -> list[Path]:
        return [
            *self.model_dir.glob("*/checkpoints/.tmp-*-step-*"),
            *self.model_dir.glob("folds/*/*/checkpoints/.tmp-*"),
        ]

    def _is_between_phases(self) -> bool:
        """Whether every step of transfer is done and none of finetune is kept."""
        if list(self.model_dir.glob("finetune/checkpoints/step-*")):
            return False
        if (self.model_dir / "transfer/metrics.json").exists():
            return True
        for state in self.model_dir.glob("transfer/checkpoints/step-*/state.json"):
            total = re.search(r"--transfer_epochs=(\d+)", " ".join(self.flags))
            try:
                if total and len(json.loads(state.read_text())["history"]) == int(total.group(1)):
                    return True
            except (OSError, ValueError):  # removed meanwhile
                continue
        return False

    def _moments(self) -> list[str]:
        """What the process was in when it died, as the files it left tell; the phase as well."""
        in_folds = (self.model_dir / "folds").exists() and not (self.model_dir / "transfer").exists()
        phase = "finetune" if (self.model_dir / "transfer/metrics.json").exists() else "transfer"
        signs = {
            "folds": in_folds,
            "checkpoint": bool(self._half_written()),
            "validation": self.validating.exists(),
            "switch": self._is_between_phases(),
        }
        return [phase, *(name for name, holds in signs.items() if holds)]


def sweep(work: Path, flags: list[str], *, kills: int, devices: int = 1, seed: int = 0) -> dict[str, int]:
    """Kills runs until there were `kills`, ends each, and compares each with one left alone.

    Returns:
      How many kills hit which moment.

    Raises:
      AssertionError: a run differs from the one left alone.
    """
    generator = random.Random(seed)
    alone = Run(work / "alone", flags, devices)
    alone.finish()
    counts: collections.Counter[str] = collections.Counter()
    while counts["kills"] < kills:
        run = Run(work / f"killed-{counts['runs']}", flags, devices)
        before = counts["kills"]
        for aim in _AIMS:
            if counts["kills"] == kills or not run.kill_once(aim, generator):
                break
            counts["kills"] += 1
        assert counts["kills"] > before, "a run could not be killed at all"
        run.finish()
        assert differences(alone.model_dir, run.model_dir) == []
        receipts = [(one.model_dir / "receipt.json").read_bytes() for one in (alone, run)]
        assert receipts[0] == receipts[1]
        counts["runs"] += 1
        counts.update(run.killed_in)
        print(f"run {counts['runs']}: {counts['kills'] - before} kills in {run.killed_in}: the same", flush=True)
    return dict(counts)


def differences(alone: Path, killed: Path) -> list[str]:
    """What differs between two finished runs, timings aside."""
    found = [f"left over: {path}" for path in (*killed.rglob(".tmp-*"), *killed.glob("lock"))]
    of_phases = (path for name in ("metrics.json", "history.csv", "*.npy") for path in alone.rglob(name))
    for path in (*of_phases, *alone.glob("folds/*.json"), *alone.glob("evaluation/*.[ct]*")):
        name = path.relative_to(alone)
        if _without_timings(path) != _without_timings(killed / name):
            found.append(str(name))
    for folder in alone.glob("logs/*/*"):
        name = folder.relative_to(alone)
        expected, points = tensorboard_points(folder), tensorboard_points(killed / name)
        if len({point[:2] for point in points}) != len(points):
            found.append(f"{name}: points twice")
        if sorted(points) != sorted(expected):
            found.append(f"{name}: {sorted(set(points) ^ set(expected))[:4]}")
    return found


def _without_timings(path: Path) -> object:
    if path.suffix == ".json":
        values = json.loads(path.read_text(encoding="utf-8"))
        return {name: value for name, value in values.items() if name not in _TIMINGS}
    if path.name == "history.csv":
        with path.open(encoding="utf-8") as stream:
            return [{k: v for k, v in row.items() if k not in _TIMINGS} for row in csv.DictReader(stream)]
    return path.read_bytes()


def tensorboard_points(folder: Path) -> list[tuple[str, int, bytes]]:
    """(tag, step, value) of every point in the event files of a folder; no value for timings and for the settings."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    points = []
    for path in folder.glob("events.out.tfevents.*"):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                is_same = value.tag.rpartition("/")[2] not in (*_TIMINGS, "configuration")
                points.append((value.tag, event.step, value.tensor.SerializeToString() if is_same else b""))
    return points


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("flags", nargs="*")
    given = parser.parse_args()
    print(sweep(given.work, given.flags, kills=given.kills, devices=given.devices, seed=given.seed))


if __name__ == "__main__":
    main()
