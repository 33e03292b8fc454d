"""What a run takes for none of its classes: found by an evaluation that asks for it, kept beside its scores, and used.

The features have to say of new images what they say of those that were left out. A backbone that is frozen has learned
from none of the run's images: each group is left out in turn of what is known. A fine-tuned one has: the folds' models
are asked (of each its best epoch), about the groups that they have not seen, or the run's own about its validation
split.
"""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import keras
import numpy as np

from ftdata.errors import UserError
from ftdata.log import log
from ftdata.sources.source import Source
from ftdata.sources.split import Split
from trainers.commands import other_images
from trainers.commands.evaluator import Evaluator, open_own
from trainers.commands.trained_model import TrainedModel
from trainers.config import TrainConfig
from trainers.evaluation.boundary import Boundary
from trainers.folds.division import Division
from trainers.folds.groups import Groups
from trainers.models import novelty
from trainers.models.classifier import features_of, load_classifier
from trainers.models.novelty import Novelty
from trainers.rundir import seen
from trainers.rundir.checkpoint import weights_sha256
from trainers.rundir.run_dir import RunDir, write_atomically

_FILE = "none_of_these.npz"  # in evaluation/: where the classes lie, and the weights in whose features
_OF_A_CLASS, _FEWEST, _MOST = 4, 12, 64  # prototypes
_SHARE = 0.1  # of the numbers of a network, that an export may carry beside them
_MOST_IMAGES = 20_000  # more would not tell more

# the group of each image left out, str [m]; features of the others; features of those left out
_Part = tuple[np.ndarray, np.ndarray, np.ndarray]


def wanted(
    config: TrainConfig, run_dir: RunDir, trained: TrainedModel, network: keras.Model, evaluator: Evaluator
) -> Boundary | None:
    """As `--none_of_these` asks, or as an earlier evaluation has found it; None without both.

    Raises:
      UserError: nothing was left out, or too few images.
    """
    coverage = config.use.none_of_these
    if coverage is None:
        boundary = kept(run_dir, network)
        if boundary is None and config.use.other_images:
            raise UserError("other_images needs to know what is none of these: give --none_of_these=0.95")
        return boundary
    source = evaluator.source if len(evaluator.source.train) else open_own(config.data, trained)
    boundary = found(coverage, run_dir, trained, network, source, evaluator)
    keep(boundary, run_dir, network)
    return boundary


def others(
    config: TrainConfig, boundary: Boundary, network: keras.Model, evaluator: Evaluator
) -> dict[str, np.ndarray]:
    """The distances of images of none of the classes, by what they are; none where no one asks."""
    named = config.use.other_images
    class_names = evaluator.source.class_names
    if named is None and (config.use.none_of_these is None or not other_images.kinds(class_names)):
        return {}
    pixels = other_images.read(named, evaluator.data, batch_size=config.training.batch_size, class_names=class_names)
    distances = boundary.novelty.distances(evaluator.features_of_pixels(network, pixels))
    return {f"images of {named}" if named else other_images.RENDERED: distances}


def found(
    coverage: float,
    run_dir: RunDir,
    trained: TrainedModel,
    network: keras.Model,
    source: Source,
    evaluator: Evaluator,
) -> Boundary:
    """What is known, and how far from it a new group of images lies.

    Args:
      coverage: share of the images of a new group that are to be taken for one of the classes.
      run_dir: of the run.
      trained: its model.
      network: of it.
      source: the images that it was trained on.
      evaluator: that says what a classifier makes of images.

    Raises:
      UserError: nothing was left out, or too few images.
    """
    is_frozen, folds, pool = _is_frozen(trained, source), trained.settings.get("folds"), source.pooled()
    parts: Iterable[_Part]
    if is_frozen or folds:
        divided = Division.of(pool, trained.data, None if is_frozen else folds)
        models = None if is_frozen else _fold_models(run_dir, trained.phase, divided, pool.train)
        known, chosen = _some(pool.train)
        features = evaluator.features(network, known)
        parts = _by_folds(divided, chosen, known, features, models, evaluator)
    elif len(source.validation):
        features = evaluator.features(network, _some(source.train)[0])
        parts = [_by_validation(trained, network, source, features, evaluator)]
    else:
        raise UserError(
            "none_of_these needs images that the run has not learned from: a validation split, or --folds=groups"
        )
    prototypes, by_group = _prototypes(network, source), dict[str, np.ndarray]()
    for names, learned, left_out in parts:
        distances = Novelty.of(learned, prototypes).distances(left_out)
        by_group |= {name: distances[names == name] for name in dict.fromkeys(names.tolist())}
    limit = novelty.threshold(by_group, coverage)
    if limit is None:
        count, fewest = sum(map(len, by_group.values())), novelty.fewest(coverage)
        raise UserError(
            f"none_of_these={coverage:g} takes {fewest:,} images or more that were left out, and there are {count:,}: "
            "ask for less"
        )
    places = Novelty.of(features, prototypes).in_units_of(limit)
    about = {
        "coverage": coverage,
        "prototypes": len(places.prototypes),
        "bytes": places.prototypes.nbytes,
        "images": sum(map(len, by_group.values())),
        "groups": {
            name: {"images": len(by_group[name]), "coverage": share}
            for name, share in novelty.left_out_coverage(by_group, coverage).items()
        },
    }
    return Boundary(places, about)


def keep(boundary: Boundary, run_dir: RunDir, network: keras.Model) -> None:
    """Writes it."""
    about = json.dumps({**boundary.about, "weights_sha256": weights_sha256(network.weights)})

    def write(temporary: Path) -> None:
        with temporary.open("wb") as stream:
            np.savez(stream, about=about, **dataclasses.asdict(boundary.novelty))

    write_atomically(run_dir.evaluation / _FILE, write)


def kept(run_dir: RunDir, network: keras.Model) -> Boundary | None:
    """What an evaluation of these very weights has found; None without."""
    path = run_dir.evaluation / _FILE
    if not path.is_file():
        return None
    stored = dict(np.load(path, allow_pickle=False))
    about = json.loads(str(stored["about"]))
    if about.pop("weights_sha256") != weights_sha256(network.weights):
        return None
    return Boundary(Novelty(stored["prototypes"], float(stored["unit"])), about)


def _prototypes(network: keras.Model, source: Source) -> int:
    """How many: a few a class, as many as an export can carry."""
    room = int(_SHARE * network.count_params()) // features_of(network).output_shape[-1]
    return max(1, min(max(_FEWEST, _OF_A_CLASS * len(source.class_names)), _MOST, room))


def _by_folds(
    divided: Division,
    chosen: np.ndarray,
    known: Split,
    features: np.ndarray,
    models: Sequence[Path] | None,
    evaluator: Evaluator,
) -> Iterator[_Part]:
    """A part for each fold: of `features` of the images `known`, or of what the fold's own model says of them."""
    names = _names(divided, len(chosen))[chosen]
    for number, fold in enumerate(divided.folds):
        if models is not None:
            log.info(f"none of these: the model without {fold.name}, {number + 1} of {len(divided.folds)}")
            with evaluator.devices.scope():
                model = load_classifier(models[number])
            features = evaluator.features(model, known)
        out = fold.left_out[chosen]
        yield names[out], features[~out], features[out]


def _by_validation(
    trained: TrainedModel, network: keras.Model, source: Source, features: np.ndarray, evaluator: Evaluator
) -> _Part:
    """What the run trained on, and its validation split."""
    held_out = _some(source.validation)[0]
    groups = Groups.of(held_out.names, trained.data.group_pattern)
    names = np.array(groups.names)[groups.of_image] if groups else np.full(len(held_out), "validation split")
    return names, features, evaluator.features(network, held_out)


def _some(whole: Split) -> tuple[Split, np.ndarray]:
    """The images, and which they are, bool [n]: evenly spread where there are many."""
    chosen = np.zeros(len(whole), bool)
    chosen[np.linspace(0, len(whole) - 1, min(len(whole), _MOST_IMAGES)).astype(int)] = True
    return whole.subset(chosen) if len(whole) > _MOST_IMAGES else whole, chosen


def _names(divided: Division, count: int) -> np.ndarray:
    """What the images of each are called together: its group, or its fold."""
    if divided.groups:
        return np.array(divided.groups.names)[divided.groups.of_image]
    names = np.full(count, "", object)
    for fold in divided.folds:
        names[fold.left_out] = f"fold {fold.name}"
    return names.astype(str)


def _is_frozen(trained: TrainedModel, source: Source) -> bool:
    """Whether the backbone has learned from none of the run's images, in this run or before it."""
    record = seen.of_model(trained.path)
    is_as_it_began = trained.phase == "transfer" or (trained.phase == "finetune" and trained.metrics.get("epoch") == 0)
    return is_as_it_began and not (record and np.isin(source.pooled().train.digests[:, 0], record.earlier).any())


def _fold_models(run_dir: RunDir, phase: str, divided: Division, images: Split) -> list[Path]:
    """The model file of each fold.

    Raises:
      UserError: it is gone, or was trained without other images.
    """
    found = []
    for number, fold in enumerate(divided.folds):
        fold_dir = RunDir(run_dir.folds / fold.folder_name(number))
        found.append(fold_dir.phase(phase).best)
        if not found[-1].is_file():
            raise UserError(
                f"none_of_these needs the models of the run's folds, and {found[-1]} is not there: the images, "
                "--group_pattern or --exclude_csv are no longer those of the run, or the folder was cleared"
            )
        record, left_out = seen.of_run(fold_dir), images.subset(fold.left_out)
        if record and not np.array_equal(record.validated, np.unique(left_out.digests[:, 0])):
            raise UserError(
                f"none_of_these asks each fold's model about the images it has not seen, and {fold_dir.root} left out "
                "others: evaluate with the images and the --exclude_csv that the run was trained with"
            )
    return found
