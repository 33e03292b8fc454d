"""The story of a run with `--folds`: a model without each part of the images, what they choose, then one on all."""

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ftdata.cache import tiers
from ftdata.cache.images import Images, IndexedImages
from ftdata.config import DataConfig
from ftdata.labels import is_multi
from ftdata.log import log
from ftdata.names import counted
from ftdata.sources.split import Split
from ftdata.sources.weighting import class_weights
from trainers.evaluation.scores import Evaluation
from trainers.evaluation.summary import in_words
from trainers.folds import choice, kept_scores, left_out, soup
from trainers.folds.division import Division, Fold
from trainers.rundir.run_dir import RunDir, read_json, remove_leftovers, write_json
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
        models = [kept_scores.weights_file(root, last, candidates[last]) for root in roots]
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


def train_folds(
    context: RunContext,
    folds: Sequence[Fold],
    numbers: Sequence[int],
    data: DataConfig,
    *,
    command_line: Sequence[str],
    progress: Callable[[int], None] | None = None,
) -> None:
    """Trains the folds in `numbers`, places in `folds`, each in a folder of its own; what is finished stays.

    Args:
      context: of the run, with its training images open, to be divided.
      folds: all of them.
      numbers: which to train.
      data: how images are decoded.
      command_line: for the record.
      progress: is told after each fold how many are finished.

    Raises:
      as `run_phase`.
    """
    phases = context.config.phases
    for done, number in enumerate(numbers):
        fold = folds[number]
        log.info(
            f"\nfold {number + 1} of {len(folds)}: without {counted(int(fold.left_out.sum()), 'image')} ({fold.name})"
        )
        own = _context(context, fold, number, data)
        if own.processes.is_chief:
            remove_leftovers(own.run_dir)
            decided_by = own.record.compare(own.run_dir, own.source)
            own.record.write(
                own.run_dir, decided_by, source=own.source, model=own.config.model, command_line=command_line
            )
        for phase in phases:
            run_phase(phase, own, network=None, callbacks=())
        if progress:
            progress(done + 1)


def _train_all(context: RunContext, folds: Sequence[Fold], data: DataConfig, *, command_line: Sequence[str]) -> None:
    phases = context.config.phases
    length = " and ".join(phase.name for phase in phases)
    log.info(f"folds: {length} {len(folds)} times, each without a part of the images, then on all of them")
    roots = [_root(context, number, fold) for number, fold in enumerate(folds)]
    finished = [RunDir(root).phase(phases[-1].name).metrics.exists() for root in roots]
    began = time.perf_counter()

    def progress(done: int) -> None:
        each = (time.perf_counter() - began) / max(1, done - sum(finished[:done]))
        left = each * (len(folds) + 1 - done)  # the run on all images is one more
        if left > 60:
            log.info(f"folds: about {left / 60:.0f} min left, the run on all images included")

    train_folds(context, folds, range(len(folds)), data, command_line=command_line, progress=progress)


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
            keep=kept_scores.keeper(root, _soup_of(context)),
        ),
        receipt=None,  # that of the run on all images says what they chose
    )


def _root(context: RunContext, number: int, fold: Fold) -> Path:
    return context.run_dir.folds / fold.folder_name(number)


def scores(
    phase: str, context: RunContext, divided: Division, numbers: Sequence[int], *, all_epochs: bool
) -> dict[Candidate, Evaluation]:
    """What is to be chosen among in a phase: of each candidate the scores of all images, 0 where no fold in `numbers`
    left them out. Of a phase that another starts from (not `all_epochs`) the last epoch counts."""
    folds = [divided.folds[number] for number in numbers]
    roots = [_root(context, number, fold) for number, fold in zip(numbers, folds, strict=True)]
    found = kept_scores.candidates(roots, phase)
    last = max(candidate.epoch for candidate in found)
    labels, classes = context.source.train.labels, len(context.source.class_names)
    return {
        candidate: kept_scores.pooled(roots, folds, phase, candidate, labels, classes)
        for candidate in found
        if all_epochs or candidate.epoch == last
    }


def _choose(phase: str, context: RunContext, divided: Division, *, all_epochs: bool) -> dict[str, Any]:
    """What the folds say of a phase, as JSON values."""
    folds = divided.folds
    return choice.choose(
        scores(phase, context, divided, range(len(folds)), all_epochs=all_epochs),
        monitor=context.config.monitor,
        groups=divided.groups,
        folds=[fold.left_out for fold in folds],
        class_names=context.source.class_names,
    )


def _keep_left_out(phase: str, values: dict[str, Any], context: RunContext, divided: Division) -> None:
    """Keeps the scores of what was chosen in one place, from which thresholds are chosen later; those of several
    labels are chosen already."""
    if left_out.is_there(context.run_dir, phase) or is_multi(context.source.train.labels):
        return
    roots, candidate = [_root(context, *of) for of in enumerate(divided.folds)], choice.chosen(values)
    if all(kept_scores.scores_file(root, phase, candidate).is_file() for root in roots):
        labels, classes = context.source.train.labels, len(context.source.class_names)
        judged = kept_scores.pooled(roots, divided.folds, phase, candidate, labels, classes)
        left_out.keep(context.run_dir, phase, judged)


def _in_words(phase: str, stored: dict[str, Any]) -> str:
    bounds = stored.get("expected_new_group_interval")
    score = "map" if "validation_map" in stored else "accuracy"
    among = f" (chosen among {stored['chosen_among']})" if stored["chosen_among"] > 1 else ""
    is_solved = phase == "transfer" and not stored["epoch"]
    kept = "the head that was solved for" if is_solved else which(stored)
    value = f"{in_words(score)} {stored[f'validation_{score}']:.1%}"
    text = f"{phase}, {kept}{among}: {value} in the mean over what was left out"
    if bounds:
        low, high = stored["new_group_range"]
        text += f", {bounds[0]:.1%} to {bounds[1]:.1%} (95%); a single new group {low:.1%} to {high:.1%}"
    return text
