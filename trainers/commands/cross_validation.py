"""The story of a run with `--folds`: a model without each part of the images, what they choose, then one on all."""

import dataclasses
import functools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ftdata.cache import tiers
from ftdata.cache.images import Images, IndexedImages
from ftdata.config import DataConfig
from ftdata.log import log
from ftdata.sources.split import Split
from ftdata.sources.weighting import class_weights
from trainers.evaluation.scores import Evaluation
from trainers.folds import choice, left_out, soup
from trainers.folds.division import Division, Fold
from trainers.rundir.run_dir import RunDir, read_json, remove_leftovers, write_atomically, write_json
from trainers.training.context import Candidate, FoldRole, RunContext
from trainers.training.phase import run_phase
from trainers.training.results import which


def chosen(context: RunContext, divided: Division, data: DataConfig, *, command_line: Sequence[str]) -> RunContext:
    """Trains the folds, lets them choose, and returns the context of the run on all images.

    What is finished is not trained again, and what was chosen is not chosen again.

    Args:
      context: of the run, with its training images open, to be divided.
      divided: how.
      data: how images are decoded.
      command_line: for the record.

    Raises:
      as `run_phase`.
    """
    processes, names = context.processes, [phase.name for phase in context.config.phases]
    paths = {name: context.run_dir.folds / f"{name}.json" for name in names}
    roots = [_root(context, number, fold) for number, fold in enumerate(divided.folds)]
    found = processes.broadcast_object(
        lambda: {name: read_json(path) or {} if _holds(name, context, roots) else {} for name, path in paths.items()}
    )
    if not all(found.values()):
        _train_all(context, divided.folds, data, command_line=command_line)
        for name in names:
            choose = functools.partial(_choose, name, context, divided, all_epochs=name == names[-1])
            found[name] = processes.broadcast_object(choose)
            if processes.is_chief:
                write_json(paths[name], found[name])
    for name, values in found.items():
        log.info(f"folds: {_in_words(name, values)}")
        if processes.is_chief:
            _keep_left_out(name, values, context, divided)
    candidates, last = {name: choice.chosen(values) for name, values in found.items()}, names[-1]
    soups = {}
    if _soup_of(context) == last:
        models = [_weights(root, last) / _file(candidates[last], ".npz") for root in roots]
        if processes.is_chief:
            _forget_all_but(models)
        if candidates[last].epoch:
            soups[last] = functools.partial(soup.average, models)
            found[last] = {**found[last], "soup": len(models)}
            log.info(f"folds: {last} is the average of their {len(models)} models, in place of one of all images")
        else:
            log.info(f"folds: no average is made, since none of their models is better than what {last} starts from")
    role = FoldRole(chosen=candidates, soup=soups, metrics=found)
    return dataclasses.replace(context, role=role)


def _holds(phase: str, context: RunContext, roots: Sequence[Path]) -> bool:
    """Whether what was chosen for a phase is of the folds that are there; a finished phase may do without them."""
    is_done = [RunDir(root).phase(phase).metrics.exists() for root in roots]
    return context.run_dir.phase(phase).metrics.exists() or all(is_done)


def _soup_of(context: RunContext) -> str | None:
    """The phase whose models are averaged, if that is asked for."""
    last = context.config.phases[-1]
    return last.name if context.config.training.soup and last.starts_from else None


def _forget_all_but(chosen: Sequence[Path]) -> None:
    """Deletes the weights that were not chosen: they would be most of the folder."""
    for path in (other for one in chosen for other in one.parent.glob("*.npz") if other != one):
        path.unlink()


def _train_all(context: RunContext, folds: Sequence[Fold], data: DataConfig, *, command_line: Sequence[str]) -> None:
    phases = context.config.phases
    length = " and ".join(phase.name for phase in phases)
    log.info(f"folds: {length} {len(folds)} times, each without a part of the images, then on all of them")
    began, found_finished = time.perf_counter(), 0
    for number, fold in enumerate(folds):
        log.info(f"\nfold {number + 1} of {len(folds)}: without {int(fold.left_out.sum()):,} images ({fold.name})")
        own = _context(context, fold, number, data)
        found_finished += own.run_dir.phase(phases[-1].name).metrics.exists()
        if own.processes.is_chief:
            remove_leftovers(own.run_dir)
            decided_by = own.record.compare(own.run_dir, own.source)
            own.record.write(
                own.run_dir, decided_by, source=own.source, model=own.config.model, command_line=command_line
            )
        for phase in phases:
            run_phase(phase, own, network=None, callbacks=())
        each = (time.perf_counter() - began) / max(1, number + 1 - found_finished)
        left = each * (len(folds) - number)  # the run on all images is one more
        if left > 60:
            log.info(f"folds: about {left / 60:.0f} min left, the run on all images included")


def _context(context: RunContext, fold: Fold, number: int, data: DataConfig) -> RunContext:
    """What the phases of a fold share."""
    whole, out = context.source.train, fold.left_out
    source = dataclasses.replace(
        context.source, train=whole.subset(~out), validation=whole.subset(out), test=whole.subset(out & ~out)
    )
    opened, root = context.images["train"], _root(context, number, fold)

    def images(places: np.ndarray, split: Split) -> Images:
        if isinstance(opened, IndexedImages):
            return opened.subset(places)
        return tiers.open_split(split, data, tier="none")

    return dataclasses.replace(
        context,
        source=source,
        class_weights=class_weights(source.train.labels, source.class_names, context.config.training.class_weights),
        run_dir=RunDir(root),
        images={
            "train": images(np.flatnonzero(~out), source.train),
            "validation": images(np.flatnonzero(out), source.validation),
        },
        groups=None if context.groups is None else context.groups[~out],
        role=FoldRole(
            is_fold=True,
            keep=functools.partial(_keep, root, _soup_of(context)),
        ),
    )


def _root(context: RunContext, number: int, fold: Fold) -> Path:
    return context.run_dir.folds / fold.folder_name(number)


def _keep(
    root: Path,
    soup_of: str | None,
    phase: str,
    candidate: Candidate,
    scored: Evaluation,
    weights: Sequence[keras.Variable],
) -> None:
    """Writes the scores of the images that a fold left out, by which is chosen, and the weights if they may be
    averaged."""

    def write(temporary: Path) -> None:
        with temporary.open("wb") as stream:
            np.save(stream, scored.logits.astype(np.float32), allow_pickle=False)

    if phase == soup_of and candidate.epoch:
        values = [weight.numpy() for weight in weights]
        write_atomically(_weights(root, phase) / _file(candidate, ".npz"), lambda path: soup.keep(path, values))
    write_atomically(_scores(root, phase) / _file(candidate), write)


def _file(candidate: Candidate, ending: str = ".npy") -> str:
    average = "" if candidate.ema_decay is None else f"_ema_{candidate.ema_decay}"
    share = "" if candidate.alpha == 1 else f"_alpha_{candidate.alpha}"
    return f"{candidate.epoch:05}{average}{share}{ending}"


def _candidate(file: str) -> Candidate:
    """What `_file` gave this name."""
    epoch, *others = file.removesuffix(".npy").split("_")
    named = dict(zip(others[::2], map(float, others[1::2]), strict=True))
    return Candidate(int(epoch), named.get("ema"), named.get("alpha", 1.0))


def _scores(root: Path, phase: str) -> Path:
    return root / phase / "left_out"


def _weights(root: Path, phase: str) -> Path:
    return root / phase / "weights"


def _choose(phase: str, context: RunContext, divided: Division, *, all_epochs: bool) -> dict[str, Any]:
    """What the folds say of a phase, as JSON values; of a phase that another starts from the last epoch counts."""
    folds = divided.folds
    places = [_scores(_root(context, number, fold), phase) for number, fold in enumerate(folds)]
    # an epoch that one fold kept scores of may have been trained again, with other decays, before its first checkpoint
    names = set.intersection(*({path.name for path in place.glob("[0-9]*.npy")} for place in places))
    found = {_candidate(name): name for name in sorted(names)}
    last, scored = max(candidate.epoch for candidate in found), {}
    for candidate, name in found.items():
        if candidate.epoch == last or all_epochs:
            scored[candidate] = _pooled([place / name for place in places], context, folds)
    return choice.choose(
        scored, monitor=context.config.monitor, groups=divided.groups, folds=[fold.left_out for fold in folds]
    )


def _pooled(files: Sequence[Path], context: RunContext, folds: Sequence[Fold]) -> Evaluation:
    """The scores of all images, each by the model of the fold that left it out."""
    labels = context.source.train.labels
    logits = np.zeros((len(labels), len(context.source.class_names)))
    for fold, file in zip(folds, files, strict=True):
        logits[fold.left_out] = np.load(file, allow_pickle=False)
    return Evaluation(logits, labels)


def _keep_left_out(phase: str, values: dict[str, Any], context: RunContext, divided: Division) -> None:
    """Keeps the scores of what was chosen in one place, from which thresholds are chosen later."""
    if left_out.is_there(context.run_dir, phase):
        return
    roots = [_root(context, number, fold) for number, fold in enumerate(divided.folds)]
    files = [_scores(root, phase) / _file(choice.chosen(values)) for root in roots]
    if all(file.is_file() for file in files):
        left_out.keep(context.run_dir, phase, _pooled(files, context, divided.folds))


def _in_words(phase: str, stored: dict[str, Any]) -> str:
    accuracy, bounds = stored["validation_accuracy"], stored.get("expected_new_group_interval")
    among = f" (chosen among {stored['chosen_among']})" if stored["chosen_among"] > 1 else ""
    is_solved = phase == "transfer" and not stored["epoch"]
    kept = "the head that was solved for" if is_solved else which(stored)
    text = f"{phase}, {kept}{among}: accuracy {accuracy:.1%} in the mean over what was left out"
    if bounds:
        low, high = stored["new_group_range"]
        text += f", {bounds[0]:.1%} to {bounds[1]:.1%} (95%); a single new group {low:.1%} to {high:.1%}"
    return text
