"""The settings that a run in its folder is bound to once something was computed with them. No TensorFlow."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ftdata.errors import UserError
from ftdata.settings import said
from trainers.config import PHASES, TrainConfig, deciding, passed_on, sequence
from trainers.config.model import hub_folder
from trainers.rundir.run_dir import RunDir, read_json

_PLACES, _FILES = ("image_dir", "labels_csv", "records", "exclude_csv"), ("backbone", "weights", "init_from")

# What runs computed with before there were these settings.
OLDER = {
    **{"fold_batch_norm": "false", "feature_views": 0, "head_solver": "sgd", "folds": None},
    **{"hue": 0.0, "grayscale": 0.0, "rand_augment": None, "random_convolution": 0.0, "background_mixing": 0.0},
    **{"task": "single", "label_separator": None, "channels": 3},
    **{"layer_decay": 1.0, "l2_start": 0.0, "interpolate_weights": False, "soup": False},
    **{"lora_rank": 0, "lora_targets": None},
}
# What is left to the program: the run that is there has settled on a value.
_SETTLED = {
    **{"backbone": "auto", "image_size": None, "mixed_precision": "auto", "fold_batch_norm": "auto", "monitor": None},
}


def recorded(run_dir: RunDir) -> dict[str, Any]:
    """What config.json says; without one, that no phase is begun."""
    return read_json(run_dir.config) or {"phases": {}}


def settings_fingerprint(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by name as they are compared: files that training starts from by content, wherever they lie.

    Where the images lie does not count, since they are compared themselves (see `data_fingerprint`).
    """
    compared = {name: value for name, value in values.items() if name not in _PLACES}
    for name in _FILES:
        if folder := hub_folder(compared.get(name)):
            compared[name] = f"a preset of SHA-256 {_of_folder(Path(folder))[:16]}"
            continue
        path = Path(compared.get(name) or "").expanduser()
        if path.is_file():
            with path.open("rb") as stream:
                compared[name] = f"a file of SHA-256 {hashlib.file_digest(stream, 'sha256').hexdigest()[:16]}"
    return compared


def _of_folder(folder: Path) -> str:
    """A digest of the names and contents of a preset's files with configurations and weights."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*")):
        if path.suffix in (".json", ".h5", ".safetensors") and path.name != "metadata.json":  # which holds the date
            with path.open("rb") as stream:
                digest.update(f"{path.name} {hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()


def begun(
    run_dir: RunDir, phases: Sequence[str], inherited: Collection[str]
) -> dict[str, tuple[dict[str, Any], set[str] | None]]:
    """Of `phases`, those to run in order, the begun ones: what each was begun with, and which settings bind.

    The settings of a phase bind once it has left something that was computed. Of a finished phase that another starts
    from, only `inherited` do; None stands for all.
    """
    earlier, last = recorded(run_dir), phases[-1]
    computed = [name for name in phases if name in earlier["phases"] and run_dir.is_begun(name)]
    is_past = {name: name != last and run_dir.phase(name).metrics.is_file() for name in computed}
    return {
        name: ({**OLDER, **earlier["phases"][name]}, set(inherited) if is_past[name] else None) for name in computed
    }


def differences(before: Mapping[str, Any], now: Mapping[str, Any], binding: Collection[str] | None) -> list[str]:
    """A line for each setting that is another one now."""
    names = [name for name in now if name != "data" and (binding is None or name in binding)]
    return [
        f"{name}: was {said(before.get(name))}, is {said(now[name])}" for name in names if before.get(name) != now[name]
    ]


def refuse(lines: Sequence[str], *, run_dir: RunDir, phase: str) -> None:
    """Raises UserError with the lines, if there are any."""
    if lines:
        raise UserError(
            f"model_dir {run_dir.root} holds a run with other settings or data:\n"
            + "".join(f"  {line}\n" for line in lines)
            + f"Restore them, or change them {way_to_change(phase, run_dir)}"
        )


def check(config: TrainConfig, run_dir: RunDir, *, last: str) -> None:
    """Checks settings, before the images are looked at, against those that the begun phases up to `last` bind.

    Raises:
      UserError: they are others; each difference is named.
    """
    if config.overwrite or not run_dir.config.is_file():
        return
    names = [phase.name for phase in sequence(last)]
    for name, (before, binding) in begun(run_dir, names, passed_on(config)).items():
        now = deciding(config, name)
        left = {key for key, value in _SETTLED.items() if now.get(key) == value}
        now = settings_fingerprint({key: value for key, value in now.items() if key not in left})
        refuse(differences(before, now, binding), run_dir=run_dir, phase=name)


def way_to_change(phase: str, run_dir: RunDir) -> str:
    """Where settings that a begun phase is bound to can be others."""
    earlier = PHASES[phase].starts_from
    # what folds have begun binds it too
    keeping = earlier and run_dir.phase(earlier).metrics.is_file() and not run_dir.folds.exists()
    kept = f"; without the folder {run_dir.phase(phase).root} the finished {earlier} phase is kept" if keeping else ""
    return f"in another --model_dir or with --overwrite, which starts over{kept}"
