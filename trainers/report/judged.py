"""What a model is judged by: the images that its folds left out, and those of the last evaluation; the more first."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from trainers.evaluation.confusion import Confusion
from trainers.evaluation.scores import Evaluation, per_class, wilson_interval
from trainers.folds.groups import Groups
from trainers.report import several_labels
from trainers.report.run_files import RunFiles, Values

LEFT_OUT = "left-out"


@dataclasses.dataclass(frozen=True, eq=False)
class Judged:
    """Images and what was said of them.

    Attributes:
      key: of elements of the page.
      title: which images, in a few words.
      what: which images, and by whom judged.
      scored: the scores.
      class_names: of the classes.
      names: of the images, where they are known.
    """

    key: str
    title: str
    what: str
    scored: Evaluation
    class_names: Sequence[str]
    names: Sequence[str] | None


def answers(run: RunFiles) -> list[Judged]:
    """Those of which each score is known."""
    found = [judged for judged in (left_out(run), _evaluated(run)) if judged]
    return sorted(found, key=lambda judged: -len(judged.scored.labels))


def left_out(run: RunFiles) -> Judged | None:
    """The training images, each judged by the model of the fold that left it out; None without folds, and of images
    with several labels."""
    class_names = _class_names(run)
    if several_labels.applies(run) or (scored := run.left_out) is None or scored.logits.shape[1] != len(class_names):
        return None
    count, unit = len(scored.labels), "group" if run.metrics.get("groups") else "part"
    what = f"the {count:,} training images, each judged by a fold's model that has not seen its {unit}"
    listed = [(class_names[label], name) for label, (_, name) in zip(scored.labels, _trained(run), strict=False)]
    is_same = len(listed) == count and listed == list(_trained(run))
    names = [name for _, name in listed] if is_same else None
    return Judged(LEFT_OUT, f"{count:,} images left out by the folds", what, scored, class_names, names)


def groups(run: RunFiles, judged: Judged) -> Groups | None:
    """The groups of images that were left out; None where it is not known which image is of which."""
    pattern = run.settings.get("group_pattern")
    return Groups.of(judged.names, pattern) if judged.names and pattern else None


def _evaluated(run: RunFiles) -> Judged | None:
    found = run.predictions
    if not found:
        return None
    count = len(found.names)
    if run.evaluated_on:
        title, what = f"{count:,} images of {run.evaluated_on}", f"the {count:,} images of {run.evaluated_on}"
    else:
        title, what = f"{count:,} test images", f"the {count:,} test images"
    phase = run.evaluation.get("phase")
    by = "the final model" if phase == run.final else f"the model of {phase}"
    return Judged("test", title, f"{what}, judged by {by}", found.evaluation, found.class_names, found.names)


@dataclasses.dataclass(frozen=True)
class Counted:
    """Images and how they were counted: `values` has `class_names`, `per_class` and what `Confusion` reads."""

    key: str
    title: str
    what: str
    values: Values

    @property
    def images(self) -> int:
        """How many."""
        return _images(self.values)


def counts(run: RunFiles) -> list[Counted]:
    """What was left out and the test set of the final model, each with its confusion matrix."""
    found = []
    if judged := left_out(run):
        matrix: dict[str, Any] = {**judged.scored.confusion.recorded(), "class_names": judged.class_names}
        matrix |= {"per_class": per_class(judged.scored, judged.class_names)}
        found.append(Counted(judged.key, judged.title, judged.what, matrix))
    if count := _images(run.metrics):
        found.append(
            Counted("test", f"{count:,} test images", f"the {count:,} test images, by the final model", run.metrics)
        )
    return sorted(found, key=lambda counted: -counted.images)


def weakest(run: RunFiles) -> tuple[str, float, str] | None:
    """The class of which the smallest share is found, that share, and in which images: the more of those that are
    known. None where that share is no smaller than those of the others by more than chance gives."""
    if several_labels.applies(run):
        by_class, where = run.metrics.get("per_class") or {}, "the test images"
    else:
        found = next((one for one in counts(run) if one.values.get("per_class")), None)
        by_class, where = (found.values["per_class"], f"the {found.title}") if found else ({}, "")
    known = {name: row["recall"] for name, row in by_class.items() if row["support"]}
    if len(known) < 2:
        return None
    lowest = min(known, key=lambda name: known[name])
    others, count = (sum(known.values()) - known[lowest]) / (len(known) - 1), int(by_class[lowest]["support"])
    if wilson_interval(round(known[lowest] * count), count)[1] >= others:
        return None
    return lowest, known[lowest], where


def _images(values: Values) -> int:
    found = Confusion.of_metrics(values)
    return 0 if found is None else int(found.support.sum())


def _class_names(run: RunFiles) -> Sequence[str]:
    return list(run.metrics.get("class_names") or run.class_names)


def _trained(run: RunFiles) -> Sequence[tuple[str, str]]:
    return run.names.get("train", ())
