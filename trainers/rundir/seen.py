"""Which images a model was trained on, known again by their contents wherever they lie and whatever they are called.

Beside config.json lies a file of digests of 8 bytes an image: what the run was trained on, what its best epochs were
chosen by and what it was tested on, and what the models it starts from were trained on.
"""

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ftdata.sources.source import Source
from ftdata.sources.split import Split
from trainers.config import ModelConfig
from trainers.rundir.run_dir import RunDir, write_atomically

_KINDS = ("trained", "validated", "tested", "earlier")


@dataclasses.dataclass(frozen=True)
class Seen:
    """Digests, uint64 [n] each, rising and different; `earlier` are those of the models that training started from."""

    trained: np.ndarray
    validated: np.ndarray
    tested: np.ndarray
    earlier: np.ndarray

    def trains_on(self, split: Split) -> np.ndarray:
        """Which images of a split the model, or one before it, was trained on: bool [n]."""
        return np.isin(split.digests[:, 0], np.concatenate([self.trained, self.earlier]))

    def chose_by(self, split: Split) -> np.ndarray:
        """Which images of a split chose the model's best epoch: bool [n]."""
        return np.isin(split.digests[:, 0], self.validated)

    def is_test_set(self, split: Split) -> bool:
        """Whether these are the images that the run tested on."""
        return np.array_equal(self.tested, np.unique(split.digests[:, 0]))

    def is_of(self, splits: Iterable[Split]) -> bool:
        """Whether these are the images of the run, however they are split and wherever they lie."""
        own = np.unique(np.concatenate([self.trained, self.validated, self.tested]))
        return np.array_equal(own, np.unique(np.concatenate([split.digests[:, 0] for split in splits])))


def keep(run_dir: RunDir, source: Source, model: ModelConfig) -> None:
    """Records what a run is about to see.

    Raises:
      WriteFailed: no space, no permission.
    """
    before = [earlier for path in starting_files(model) if (earlier := of_model(path))]
    lists = {
        "trained": [source.train.digests[:, 0]],
        "validated": [source.validation.digests[:, 0]],
        "tested": [source.test.digests[:, 0]],
        "earlier": [part for one in before for part in (one.trained, one.earlier)] or [np.zeros(0, np.uint64)],
    }
    arrays = {name: np.unique(np.concatenate(parts)) for name, parts in lists.items()}

    def write(temporary: Path) -> None:
        with temporary.open("wb") as stream:
            np.savez(stream, allow_pickle=False, **arrays)

    write_atomically(run_dir.seen_images, write)


def of_model(path: Path) -> Seen | None:
    """What the run that left the model file `path` in a phase's folder has recorded, or None."""
    return of_run(RunDir(path.resolve().parent.parent))


def of_run(run_dir: RunDir) -> Seen | None:
    """What a run has recorded; None where there is no record, or none that can be read."""
    try:
        with np.load(run_dir.seen_images, allow_pickle=False) as arrays:
            return Seen(*(arrays[name] for name in _KINDS))
    except (OSError, ValueError, KeyError, EOFError):
        return None


def starting_files(model: ModelConfig) -> list[Path]:
    """The files that training starts from and that may hold what was learned from images."""
    paths = [Path(value).expanduser() for value in (model.init_from, model.backbone, model.weights) if value]
    return [path for path in paths if path.is_file()]


def warnings(source: Source, model: ModelConfig) -> tuple[str, ...]:
    """A line for each held-out split with images that the model training starts from was trained on."""
    lines = list[str]()
    for path in starting_files(model):
        before = of_model(path)
        if before is None:
            if model.init_from and path == Path(model.init_from).expanduser():
                lines.append(f"note: nothing beside {path} tells which images it was trained on, so none are compared")
            continue
        for name in ("validation", "test"):
            split = source.splits[name]
            count = int(before.trains_on(split).sum())
            if count:
                way_out = f"put images it has not seen into a {name}/ folder"
                if name in source.held_out:
                    way_out += ", or give --split_seed, --validation_fraction and --group_pattern as its run did"
                lines.append(
                    f"warning: {path} was trained on {count:,} of the {len(split):,} {name} images, so their accuracy "
                    f"reads too high: {way_out}"
                )
    return tuple(lines)


def counts(run_dir: RunDir, test: Split) -> dict[str, int | None]:
    """What metrics.json says of the images evaluated; None where nothing is recorded."""
    seen = of_run(run_dir)
    return {
        "test_images_trained_on": None if seen is None else int(seen.trains_on(test).sum()),
        "test_images_validated_on": None if seen is None else int(seen.chose_by(test).sum()),
    }
