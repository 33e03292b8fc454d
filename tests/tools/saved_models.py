"""What exported SavedModels answer, in a process where neither KerasHub nor this project can be imported.

python -I saved_models.py reads lines of JSON, a SavedModel and the files of images, and answers each with the
probabilities as a line of JSON.
"""

import contextlib
import csv
import importlib.abc
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np


class _Absent(importlib.abc.MetaPathFinder):
    """Packages that are as if not installed."""

    def find_spec(self, fullname, path, target=None):
        if fullname.split(".")[0] in ("keras_hub", "tensorflow_text", "ftdata", "trainers", "flags"):
            raise ModuleNotFoundError(f"{fullname} must not be needed to run an export", name=fullname)


class Reader:
    """The process, which reads one SavedModel after the other."""

    def __init__(self, process: subprocess.Popen):
        self._process = process

    def probabilities(self, saved_model: Path, files: list[Path]) -> np.ndarray:
        """float64 [n, num_classes] of n images as they lie on disk."""
        print(json.dumps([str(saved_model), [str(file) for file in files]]), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        assert answer, "the process that reads SavedModels has ended"
        return np.array(json.loads(answer))


@contextlib.contextmanager
def reader(folder: Path) -> Iterator[Reader]:
    """A process that lasts as long as the context, in an empty folder."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    command, pipe = [sys.executable, "-I", __file__], subprocess.PIPE
    with subprocess.Popen(command, cwd=folder, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield Reader(process)
        finally:
            process.stdin.close()


def difference(reader: Reader, run: Path, images: Path) -> float:
    """The largest one between a probability of a run's predictions.csv and that of its SavedModel."""
    with (run / "evaluation/predictions.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream))[1:]
    expected = np.array([[float(value) for value in row[3:]] for row in rows])
    temperature = json.loads((run / "export/parity.json").read_text(encoding="utf-8"))["temperature"]
    found = reader.probabilities(run / "export/saved_model", [images / row[0] for row in rows]) ** temperature
    return float(np.max(np.abs(found / found.sum(axis=1, keepdims=True) - expected)))


def _main() -> None:
    sys.meta_path.insert(0, _Absent())
    import tensorflow as tf

    for line in sys.stdin:
        saved_model, files = json.loads(line)
        call = tf.saved_model.load(saved_model).signatures["serving_default"]
        found = call(image_bytes=tf.constant([Path(file).read_bytes() for file in files]))
        print(json.dumps(found["probabilities"].numpy().tolist()), flush=True)


if __name__ == "__main__":
    _main()
