"""What of a run is not as its receipt says, found without training: flags, files, versions, hardware."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ftdata.errors import UserError
from ftdata.settings import said
from trainers.config import TrainConfig, deciding, from_dict
from trainers.models.classifier import load_classifier
from trainers.rundir import bound, chain, checkpoint, receipt
from trainers.rundir.bound import settings_fingerprint
from trainers.rundir.chain import Entry, canonical
from trainers.rundir.fingerprint import PROJECT, code_differences
from trainers.rundir.progress import without_timings
from trainers.rundir.receipt import of_phase
from trainers.rundir.run_dir import PhaseDir, RunDir, read_json
from trainers.training.phase_receipt import lasting


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something that is not as the receipt says: what it is about (`data`, `flags`, ...) and how it differs."""

    about: str
    text: str

    def __str__(self) -> str:
        return f"{self.about}: {self.text}"


def of_receipt(entries: Sequence[Entry], *, expected: str | None) -> list[Finding]:
    """Whether the receipt is the one that was written: by its chain and, where it was kept, by its digest."""
    found = [
        Finding("receipt", f"the entry '{receipt.title(entries[place])}' was altered: its digest does not fit it")
        for place in chain.broken(entries)
    ]
    digest = str(entries[-1].get("digest"))
    if not found and expected and not digest.startswith(expected.lower()):
        found.append(Finding("receipt", f"it was rewritten: its digest is {digest}, not {expected}"))
    return found


def environment(before: Mapping[str, Any], versions: Mapping[str, str], hardware: Mapping[str, Any]) -> list[Finding]:
    """How code, versions and hardware here differ from those of an `environment` entry."""
    lines = code_differences(dict(before["versions"]), dict(versions))
    found = [Finding("code" if line.startswith(PROJECT) else "versions", line) for line in lines]
    then, now = _flat(before["hardware"]), _flat(hardware)
    return found + [
        Finding("hardware", f"{name}: was {then.get(name, 'not set')}, is {now.get(name, 'not set')}")
        for name in {**then, **now}
        if then.get(name) != now.get(name)
    ]


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    parts = {name: value for name, value in values.items() if not isinstance(value, Mapping)}
    for value in values.values():
        parts |= value if isinstance(value, Mapping) else {}
    return parts


def of_config(entries: Sequence[Entry], run_dir: RunDir, settings: Mapping[str, Any]) -> list[Finding]:
    """Whether config.json says the flags and versions of the receipt.

    Args:
      entries: of the receipt.
      run_dir: of the run.
      settings: of config.json, with the places where files lie now.
    """
    recorded, found = bound.recorded(run_dir), list[Finding]()
    try:
        config = from_dict(dict(settings))
    except UserError as error:
        return [Finding("flags", f"config.json: {error}")]
    phases = [entry for entry in entries if entry["kind"] == "phase"]
    for entry in phases:
        name, flags = entry["phase"], entry["flags"]
        found += _flags(name, flags, {**bound.OLDER, **recorded["phases"].get(name, {})})
        if name == _last(config):  # those of a phase before may be others by now
            found += _flags(name, flags, settings_fingerprint(deciding(config, name)))
    environments = [entry for entry in entries if entry["kind"] == "environment"]
    versions = {"versions": recorded.get("versions", {}), "hardware": environments[-1]["hardware"]}
    found += [
        Finding(finding.about, f"config.json: {finding.text} in the receipt")
        for finding in environment(versions, environments[-1]["versions"], environments[-1]["hardware"])
    ]
    return list(dict.fromkeys(found))


def _last(config: TrainConfig) -> str:
    return "finetune" if config.phase in ("all", "finetune") else config.phase


def _flags(phase: str, written: Mapping[str, Any], now: Mapping[str, Any]) -> list[Finding]:
    return [
        Finding("flags", f"{name} of {phase}: was {said(value)}, config.json says {said(now.get(name))}")
        for name, value in written.items()
        if canonical(now.get(name)) != canonical(value)
    ]


def of_files(entries: Sequence[Entry], run_dir: RunDir) -> list[Finding]:
    """Whether the checkpoints, models and metrics of the run are those of the receipt."""
    found = list[Finding]()
    data = next(entry for entry in entries if entry["kind"] == "data")
    table = run_dir.receipt_images
    if not table.is_file() or hashlib.sha256(table.read_bytes()).hexdigest() != data["images_sha256"]:
        what = "was altered" if table.is_file() else "is gone"
        found.append(Finding("receipt", f"{table.name}, which names the images, {what}"))
    for phase in dict.fromkeys(entry["phase"] for entry in entries if entry["kind"] == "phase"):
        files = run_dir.phase(phase)
        for entry in of_phase(entries, phase, "state"):
            found += _checkpoint(entry, files)
        for entry in of_phase(entries, phase, "result"):
            found += _result(entry["result"], files)
    return found


def values_at(entry: Entry, files: PhaseDir) -> Path | None:
    """The checkpoint of a state, where it is there: kept ones have to be."""
    path = checkpoint.path_of(files.checkpoints if entry["is_end"] else files.kept, entry["step"])
    return path if path.is_dir() else None


def _checkpoint(entry: Entry, files: PhaseDir) -> list[Finding]:
    path = values_at(entry, files)
    if path is None:
        where = checkpoint.path_of(files.kept, entry["step"])
        return [] if entry["is_end"] else [Finding("checkpoint", f"{where} is gone: nothing can be replayed from it")]
    try:
        arrays, state = checkpoint.read(path)
    except UserError as error:
        return [Finding("checkpoint", str(error))]
    now = {**checkpoint.group_digests(arrays), "scores": checkpoint.sha256(canonical(without_timings(state)))}
    altered = [name for name, digest in now.items() if digest != entry.get(name)]
    return [Finding("checkpoint", f"{path}: its {' and '.join(altered)} were altered")] if altered else []


def _result(written: Mapping[str, Any], files: PhaseDir) -> list[Finding]:
    found, metrics = list[Finding](), read_json(files.metrics) or {}
    now = lasting(metrics)
    for name, value in written.items():
        if canonical(now.get(name)) != canonical(value):
            found.append(Finding("metrics", f"{files.metrics}: {name} was {said(value)}, is {said(now.get(name))}"))
    if not files.best.is_file():
        return [*found, Finding("weights", f"{files.best} is gone")]
    try:
        sha256 = checkpoint.weights_sha256(load_classifier(files.best).weights)
    except (UserError, OSError, ValueError, KeyError) as error:
        return [*found, Finding("weights", f"{files.best} cannot be read: {str(error).partition(chr(10))[0]}")]
    if sha256 != written["weights_sha256"]:
        found.append(Finding("weights", f"{files.best}: its weights were altered (SHA-256 {sha256[:16]}...)"))
    return found
