"""Exported files against the model they came from: each is run in a fresh process and compared."""

import contextlib
import dataclasses
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ftdata.errors import UserError
from trainers.runtime.signals import StopRequest

_LONGEST_S, _LOOKS_PER_S = 600, 5
_SCRIPT = Path(__file__).with_name("parity_worker.py")

# (largest difference of a probability, least share of equal labels). float16 rounds weights to 11 bits; int8 is an
# approximation whose worth is in the labels.
TOLERANCES = {
    "saved_model": (1e-4, 0.99),
    "keras": (1e-4, 0.99),
    "litert": (1e-3, 0.99),
    "litert_float16": (0.05, 0.98),
    "litert_int8": (0.5, 0.9),
    "onnx": (1e-3, 0.99),
    "openvino": (1e-3, 0.99),
    "web": (1e-3, 0.99),
}
_ROUNDED = (0.05, 0.98)  # where the resize is not TensorFlow's own: a pixel in 1,000 is rounded the other way
_ANY_ANSWER = (1.0, 0.0)  # of what a runtime makes of a file by default: reported, as nothing in the file can change it

_UNDECIDED = 0.05  # of `unlike`, about 1

Row = dict[str, Any]  # of parity.json


@dataclasses.dataclass(frozen=True)
class Samples:
    """Images: `images` uint8 [n, side, side, channels] (or n of any sizes), the same as `files`' bytes, `labels` int
    [n], -1 of no class, or float [n, num_classes] of several labels, and what a model gives for them: `probabilities`,
    float32 [n, num_classes], and perhaps `unlike`, float32 [n]."""

    images: Any
    files: Sequence[bytes]
    labels: np.ndarray
    answers: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)


def check_parity(
    kind: str, path: Path, samples: Samples, whole: Samples, *, stop: StopRequest
) -> tuple[list[Row], dict[str, dict[str, np.ndarray]]]:
    """Runs the file in a process without this project's code and compares; a row for each way to call it, and what it
    gives when it is called so, like `samples.answers`.

    Args:
      kind: the export format.
      path: the file or folder.
      samples: what it is run on, and what it should give.
      whole: the same, images at their own sizes, for formats that take such.
      stop: looked at while the process runs.

    Raises:
      UserError: the file cannot be run; the message ends with the last line of the reason.
      Interrupted: somebody asked to stop.
    """
    with tempfile.TemporaryDirectory() as folder:
        inputs, output = Path(folder, "inputs.npz"), Path(folder, "output.npz")
        content = np.frombuffer(b"".join(samples.files), np.uint8)
        pixels, shapes = np.concatenate([image.ravel() for image in whole.images]), [i.shape for i in whole.images]
        ends = np.cumsum([len(file) for file in samples.files])
        np.savez(inputs, images=samples.images, content=content, ends=ends, pixels=pixels, shapes=shapes)
        file = Path(folder, path.name)  # by a plain path: TensorFlow takes brackets in one for a pattern
        file.symlink_to(path.resolve())
        command = [sys.executable, "-I", str(_SCRIPT), kind, str(file), str(inputs), str(output)]
        why_not = _run(command, folder, stop)
        if why_not:
            raise UserError(f"export {path} cannot be run by itself: {why_not}")
        found = dict(np.load(output, allow_pickle=False))
    latency = json.loads(str(found.pop("latency")))
    common = {"format": kind, "file": path.name, "bytes": _size(path)}
    rows, answers = [], {}
    for name in latency:
        on = whole if name == "any_size" else samples
        given = {key: found.get(f"{name}/{key}", np.full_like(values, np.nan)) for key, values in on.answers.items()}
        answers[name] = given
        rows.append({**common, "call": name, "images": int(np.sum(_is_known(on.labels)))})
        rows[-1] |= {**compare(tolerance(kind, name), given, on.answers, on.labels), "latency_ms": latency[name]}
    return rows, answers


def _run(command: Sequence[str], folder: str, stop: StopRequest) -> str | None:
    """Runs a command in `folder`; returns what went wrong in a line."""
    pipes: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=folder, encoding="utf-8", errors="replace", **pipes) as process:
        try:
            for _ in stop.between(range(_LONGEST_S * _LOOKS_PER_S)):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    _, complaints = process.communicate(timeout=1 / _LOOKS_PER_S)
                    break
            else:
                return f"it has not answered in {_LONGEST_S} s"
        finally:
            process.kill()
    stop.check()  # Ctrl-C reaches both processes
    if not process.returncode:
        return None
    return (complaints.strip().splitlines() or [f"exit status {process.returncode}"])[-1]


def refuse(rows: Sequence[Row], *, report: Path) -> None:
    """Does nothing if every row is within its tolerance.

    Raises:
      UserError: the files that are not.
    """
    wrong = [f"{row['file']} ({row['call']})" for row in rows if not row["is_within"]]
    if wrong:
        raise UserError(
            f"export: not the answers of the model, beyond tolerance: {', '.join(wrong)}; see {report}. Leave the "
            "format out of --export_formats, or evaluate with another --none_of_these where that is what differs"
        )


def tolerance(kind: str, call: str) -> tuple[float, float]:
    """The largest difference of a probability and the least share of equal labels of a way to call a format."""
    if call.startswith("default_"):
        return _ANY_ANSWER
    return _ROUNDED if call == "any_size" and kind != "saved_model" else TOLERANCES[kind]


def compare(
    allowed: tuple[float, float],
    given: Mapping[str, np.ndarray],
    reference: Mapping[str, np.ndarray],
    labels: np.ndarray,
) -> Row:
    """The numbers of a row, and whether they are within what is allowed, as in TOLERANCES.

    Probabilities are compared on the images that are of a class. Of `unlike` what counts is whether it refuses the same
    images, but for those within _UNDECIDED of the limit.
    """
    is_known = _is_known(labels)
    probabilities, expected = given["probabilities"][is_known], reference["probabilities"][is_known]
    difference = float(np.max(np.abs(probabilities - expected)))
    found, wanted_labels = _answers(probabilities, labels), _answers(expected, labels)
    agreement = float(np.mean(found == wanted_labels))
    right = found == labels[is_known] if labels.ndim == 1 else (found == (labels > 0)).all(axis=1)
    largest, least = allowed
    within = difference <= largest and agreement >= least  # a NaN is not
    row: Row = {
        "max_probability_difference": difference,
        "label_agreement": agreement,
        "accuracy": float(np.mean(right)),
        "tolerance": {"max_probability_difference": largest, "label_agreement": least},
        "is_within": bool(within),
    }
    if "unlike" in reference:
        unlike, wanted = given["unlike"], reference["unlike"]
        alike = ((unlike > 1) == (wanted > 1)) | (np.abs(wanted - 1) < _UNDECIDED)
        row["max_unlike_difference"] = float(np.max(np.abs(unlike - wanted)))
        row["none_of_these_agreement"] = float(np.mean(alike & np.isfinite(unlike)))
        row["is_within"] = bool(within and row["none_of_these_agreement"] >= least)
    return row


def _is_known(labels: np.ndarray) -> np.ndarray:
    """Which images are of a class, or of several or none: bool [n]."""
    return labels >= 0 if labels.ndim == 1 else np.ones(len(labels), bool)


def _answers(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The most probable class, int [n]; of several labels those over 1/2, bool [n, num_classes]."""
    return probabilities.argmax(axis=1) if labels.ndim == 1 else probabilities > 0.5


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
