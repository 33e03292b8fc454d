"""Ways to alter a finished run, or what it was trained on, so that nothing but its receipt can tell."""

import dataclasses
import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from trainers.rundir import chain, checkpoint


@dataclasses.dataclass(frozen=True)
class Copy:
    """A copy of a run and of its images, to be altered."""

    run: Path
    photos: Path

    @property
    def entries(self) -> list[dict[str, Any]]:
        """Of its receipt."""
        return json.loads((self.run / "receipt.json").read_text())["entries"]

    def write(self, entries: list[dict[str, Any]], *, anew: bool) -> None:
        """Replaces the receipt; `anew`, with a chain that fits."""
        entries = chain.resealed(entries) if anew else entries
        (self.run / "receipt.json").write_text(json.dumps({"format": 1, "entries": entries}))

    def state(self, phase: str, place: int) -> dict[str, Any]:
        return [one for one in self.entries if one["kind"] == "state" and one["phase"] == phase][place]

    def picture(self, split: str, place: int = 0) -> Path:
        """An image of a split, by the receipt's table."""
        rows = [line.split("\t") for line in (self.run / "receipt_images.txt").read_text().splitlines()]
        return self.photos / json.loads([row[3] for row in rows if row[0] == split][place])


def repaint(path: Path) -> None:
    """Changes one pixel and leaves size in pixels and time of change as they were."""
    before = path.stat()
    pixels = np.array(Image.open(path))
    pixels[3, 5] ^= 64
    Image.fromarray(pixels).save(path, quality=95)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def change_json(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    values = json.loads(path.read_text(encoding="utf-8"))
    change(values)
    path.write_text(json.dumps(values), encoding="utf-8")


def nudge_model(path: Path) -> None:
    """Adds a millionth to one weight of a .keras file."""
    import h5py

    inside = path.with_name("model.weights.h5")
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    inside.write_bytes(parts["model.weights.h5"])
    with h5py.File(inside, "r+") as weights:
        found: list[Any] = []
        weights.visititems(lambda _, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
        kernel = next(item for item in found if item.ndim == 4)
        kernel[0, 0, 0, 0] += np.float32(1e-6)
    parts["model.weights.h5"] = inside.read_bytes()
    inside.unlink()
    path.unlink()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def nudge_checkpoint(folder: Path, group: str) -> dict[str, str]:
    """Adds a millionth to one value of a checkpoint and makes its manifest fit; returns the digests of its groups."""
    variables = folder / "variables.npz"
    with np.load(variables, allow_pickle=False) as stored:
        arrays = dict(stored)
    key = next(name for name in arrays if name.startswith(group) and arrays[name].ndim > 1)
    arrays[key].reshape(-1)[0] += np.float32(1e-6)
    variables.unlink()  # it may be linked to another
    with variables.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)
    digest = hashlib.sha256(variables.read_bytes()).hexdigest()
    change_json(folder / "manifest.json", lambda values: values.update({"variables.npz": digest}))
    return checkpoint.group_digests(arrays)


def _kept(copy: Copy, phase: str, place: int) -> Path:
    return sorted((copy.run / phase / "kept").iterdir())[place]


def _end(copy: Copy, phase: str) -> Path:
    return checkpoint.path_of(copy.run / phase / "checkpoints", copy.state(phase, -1)["step"])


def _relabel(copy: Copy) -> None:
    path = copy.picture("train")
    other = next(folder for folder in path.parent.parent.iterdir() if folder != path.parent)
    shutil.move(path, other / path.name)


def _swap(copy: Copy) -> None:
    one, other = copy.picture("train", 0), copy.picture("train", -1)
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)


def _add(copy: Copy) -> None:
    path = copy.picture("train")
    shutil.copyfile(path, path.with_name(f"another-{path.name}"))
    repaint(path.with_name(f"another-{path.name}"))


def _damage(copy: Copy) -> None:
    path = _kept(copy, "transfer", 0) / "variables.npz"
    content = bytearray(path.read_bytes())
    path.unlink()
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _exchange(copy: Copy) -> None:
    one, other = _kept(copy, "finetune", 0), _kept(copy, "finetune", 1)
    shutil.rmtree(one)
    shutil.copytree(other, one)


def _entry(copy: Copy, kind: str, change: Callable[[dict[str, Any]], None], *, anew: bool = False) -> None:
    entries = copy.entries
    change(next(entry for entry in entries if entry["kind"] == kind))
    copy.write(entries, anew=anew)


def _leave_out(copy: Copy) -> None:
    entries = copy.entries
    del entries[[entry["kind"] for entry in entries].index("state")]
    copy.write(entries, anew=False)


def _claim_flag(copy: Copy, name: str, value: Any) -> None:
    """Another flag in config.json and, with a chain that fits, in the receipt."""

    def change(values: dict[str, Any]) -> None:
        values["settings"][name] = value
        for phase in values["phases"].values():
            phase.update({name: value} if name in phase else {})

    change_json(copy.run / "config.json", change)
    entries = copy.entries
    for entry in entries:
        if entry["kind"] == "phase" and name in entry["flags"]:
            entry["flags"][name] = value
    copy.write(entries, anew=True)


_STAYS = 2  # the place of an image that is for training with the changed pixel too: splits follow from contents


def _claim_picture(copy: Copy) -> None:
    """Another picture, with its digest in the table and a chain that fits: as if it had been trained on."""
    path = copy.picture("train", _STAYS)
    repaint(path)
    table = copy.run / "receipt_images.txt"
    lines = table.read_text().splitlines(keepends=True)
    place = next(n for n, line in enumerate(lines) if json.dumps(str(path.relative_to(copy.photos))) in line)
    parts = lines[place].split("\t")
    parts[2] = hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    lines[place] = "\t".join(parts)
    table.write_text("".join(lines))
    digest = hashlib.sha256(table.read_bytes()).hexdigest()
    _entry(copy, "data", lambda entry: entry.update({"images_sha256": digest}), anew=True)


def _claim_weights(copy: Copy) -> None:
    """Other weights at the end of a phase, with their digest and a chain that fits."""
    digests = nudge_checkpoint(_end(copy, "finetune"), "weights")
    entries = copy.entries
    last = [entry for entry in entries if entry["kind"] == "state" and entry["phase"] == "finetune"][-1]
    last.update(digests)
    copy.write(entries, anew=True)


def _table_row(copy: Copy) -> None:
    table = copy.run / "receipt_images.txt"
    table.write_text(table.read_text().replace("a", "b", 1))


# name: how, and what the line that finds it has to say
TAMPERINGS: Mapping[str, tuple[Callable[[Copy], object], tuple[str, ...]]] = {
    "a pixel of a training image": (lambda c: repaint(c.picture("train")), ("data: ", "{picture}")),
    "a pixel of a validation image": (lambda c: repaint(c.picture("validation")), ("data: ",)),
    "a pixel of a test image": (lambda c: repaint(c.picture("test")), ("data: ", "with other contents")),
    "a label": (_relabel, ("data: 1 file moved: {picture}, now ",)),
    "two images exchanged": (_swap, ("data: ", "other contents")),
    "an image removed": (lambda c: c.picture("train").unlink(), ("data: ", "gone: {picture}")),
    "an image added": (_add, ("data: ", "new: ", "another-")),
    "a flag": (
        lambda c: change_json(c.run / "config.json", lambda v: v["settings"].update(finetune_learning_rate=2e-3)),
        ("flags: finetune_learning_rate of finetune: was 0.001, config.json says 0.002",),
    ),
    "a flag of a phase": (
        lambda c: change_json(c.run / "config.json", lambda v: v["phases"]["transfer"].update(seed=1)),
        ("flags: seed of transfer: was 0, config.json says 1",),
    ),
    "a flag in all files": (lambda c: _claim_flag(c, "label_smoothing", 0.1), ("replay: ",)),
    "a seed in all files": (lambda c: _claim_flag(c, "seed", 1), ("order: ",)),
    "an image in all files": (_claim_picture, ("replay: ", "gives other weights")),
    "weights in all files": (_claim_weights, ("replay: finetune", "gives other weights")),
    "a weight of the first best model": (
        lambda c: nudge_model(c.run / "transfer/best.keras"),
        ("weights: ", "transfer/best.keras"),
    ),
    "a weight of the last best model": (
        lambda c: nudge_model(c.run / "finetune/best.keras"),
        ("weights: ", "finetune/best.keras"),
    ),
    "a weight of a checkpoint": (
        lambda c: nudge_checkpoint(_kept(c, "finetune", 1), "weights"),
        ("checkpoint: ", "finetune/kept", "weights were altered"),
    ),
    "a momentum of a checkpoint": (
        lambda c: nudge_checkpoint(_kept(c, "transfer", 0), "optimizer"),
        ("checkpoint: ", "transfer/kept", "optimizer were altered"),
    ),
    "a weight of the last checkpoint": (
        lambda c: nudge_checkpoint(_end(c, "finetune"), "weights"),
        ("checkpoint: ", "finetune/checkpoints", "weights were altered"),
    ),
    "a bit of a checkpoint": (_damage, ("checkpoint: ", "transfer/kept", "damaged")),
    "a checkpoint removed": (lambda c: shutil.rmtree(_kept(c, "finetune", 0)), ("checkpoint: ", "is gone")),
    "two checkpoints exchanged": (_exchange, ("checkpoint: ", "finetune/kept")),
    "a version in the receipt": (
        lambda c: _entry(c, "environment", lambda e: e["versions"].update(keras="3.14.0")),
        ("receipt: the entry 'environment' was altered",),
    ),
    "a version in config.json": (
        lambda c: change_json(c.run / "config.json", lambda v: v["versions"].update(tensorflow="2.20.0")),
        ("versions: config.json: tensorflow: was 2.20.0",),
    ),
    "a result": (
        lambda c: change_json(c.run / "finetune/metrics.json", lambda v: v.update(test_accuracy=0.99)),
        ("metrics: ", "test_accuracy was ", "is 0.99"),
    ),
    "a digest in the receipt": (
        lambda c: _entry(c, "state", lambda e: e.update(weights="0" * 64)),
        ("receipt: the entry 'state of transfer, step 2' was altered",),
    ),
    "an entry of the receipt removed": (_leave_out, ("receipt: the entry 'state of transfer, step 4' was altered",)),
    "the table of images": (_table_row, ("receipt: receipt_images.txt",)),
}
