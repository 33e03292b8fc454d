"""The first screen of a report: what was asked, what came out, and how far it can be trusted."""

import dataclasses
import re
from collections.abc import Sequence

import numpy as np

from ftdata.names import counted
from trainers.evaluation import excerpt
from trainers.evaluation.confusion import Confusion
from trainers.evaluation.scores import wilson_interval
from trainers.report import state
from trainers.report.blocks import Matrix, Text, between, percent
from trainers.report.run_files import RunFiles, Values
from trainers.rundir import ties

_GAP = 0.05  # of an accuracy: a difference between known groups and new ones that is worth a sentence
_LEAK = 0.05  # share of a split that looks like training images from which on its accuracy cannot be trusted
SPLITS = {"train": "training", "validation": "validation", "test": "test"}


@dataclasses.dataclass(frozen=True)
class Score:
    """An accuracy, or a mAP: on what, its 95 % interval where it is known, and what more there is to say."""

    label: str
    accuracy: float
    interval: tuple[float, float] | None
    note: str
    single: tuple[float, float] | None = None  # of new groups: within which one of them may lie
    lowest: float | None = None  # of the groups that were left out


def accuracy(run: RunFiles) -> Score | None:
    """How good the final model is: on the test set, else the validation split, else what was left out."""
    metrics = run.metrics
    if metrics.get("test_map") is not None:
        note = f"{counted(metrics['test_images'], 'test image')}; the mean over the classes of the average precision"
        return Score("Test mAP", metrics["test_map"], None, note)
    if metrics.get("test_accuracy") is not None:
        count = _images(metrics)
        interval = metrics.get("test_accuracy_interval") or _interval(metrics["test_accuracy"], count)
        return Score("Test accuracy", metrics["test_accuracy"], tuple(interval), counted(count, "test image"))
    if (score := held_out(run)) is not None:
        return score
    if run.estimate:
        count = _images(run.estimate)
        shares = run.estimate["random_split_accuracy"]
        note = f"{counted(count, 'image')}, each judged by a head that has not seen it; nothing was trained"
        return Score("Estimated accuracy, random split", shares, _interval(shares, count), note)
    return None


def held_out(run: RunFiles) -> Score | None:
    """How good the final model is on the images that chose its epoch: the validation split or what folds left out."""
    metrics = run.metrics
    if metrics.get("validation_map") is not None and "chosen_among" in metrics:
        return Score("mAP on images left out by the folds", metrics["validation_map"], None, "the mean over the folds")
    if metrics.get("validation_map") is not None:
        note = f"{counted(run.images.get('validation', 0), 'validation image')}, which also chose the epoch"
        return Score("Validation mAP", metrics["validation_map"], None, note)
    if metrics.get("validation_accuracy") is None:
        return None
    folds, count = "chosen_among" in metrics, run.images.get("validation", 0)
    label = "Accuracy on images left out by the folds" if folds else "Validation accuracy"
    interval = _interval(metrics["validation_accuracy"], count) if count and not folds else None
    note = "the mean over the folds" if folds else f"{counted(count, 'validation image')}, which also chose the epoch"
    return Score(label, metrics["validation_accuracy"], interval, note)


def new_group(run: RunFiles) -> Score | None:
    """What to expect on a group of images that training has not seen: by the folds, else by the estimate."""
    of_labels = run.metrics.get("expected_new_group_map")
    by_folds = of_labels is not None or run.metrics.get("expected_new_group_accuracy") is not None
    values = run.metrics if by_folds else run.estimate
    expected = values.get("expected_new_group_accuracy") if of_labels is None else of_labels
    if expected is None:
        return None
    interval, single = values.get("expected_new_group_interval"), values.get("new_group_range")
    by_group = values.get("groups", {}) if of_labels is None else values["group_map"]
    groups = len(by_group)
    note = f"{counted(groups, 'group')} left out in turn"
    if not by_folds and run.final:
        note += ", judged by heads on the frozen backbone, not by this model"
    note += f"; 95% range of a single new group {between(single)}" if single else "; too few groups for an interval"
    each = [row if by_folds else row["accuracy"] for row in by_group.values()]
    known = [share for share in each if share is not None]
    return Score(
        f"Expected {'' if of_labels is None else 'mAP '}on new groups, in the mean",
        expected,
        tuple(interval) if interval else None,
        note,
        tuple(single) if single else None,
        min(known, default=None),
    )


def facts(run: RunFiles) -> list[tuple[str, str]]:
    """What was asked for: terms and their values."""
    counts = [f"{run.images[name]:,} {word}" for name, word in SPLITS.items() if run.images.get(name)]
    names = run.metrics.get("class_names") or run.estimate.get("class_names") or []
    found = [("Data", f"{run.data}{f': {_listed(counts)} images' if counts else ''}")]
    if names:
        found.append(("Classes", f"{len(names):,}: {few(names)}"))
    found.append(("Backbone", f"{run.backbone} pixels" if run.settings.get("image_size") else run.backbone))
    if run.final:
        kept = {
            name: f"{epoch_kept(values)}{_tie(run, name)}{state.stopped_early(run, name)}"
            for name, values in run.phases.items()
        }
        epochs = " and ".join(f"{name} ({words})" for name, words in kept.items())
        final = "the last one finished" if state.unfinished(run) else "the final one"
        found.append(("Trained", f"{epochs}; the model of {run.final} is {final}"))
    return found


def _tie(run: RunFiles, phase: str) -> str:
    tie = ties.in_words(run.phases[phase], run.histories.get(phase, ()))
    return f", {tie}" if tie else ""


def epoch_kept(values: Values) -> str:
    """Which model of a phase is its result."""
    epoch = values.get("epoch")
    if not epoch and not values.get("step") and values.get("phase") != "finetune":
        return "its head computed at once, without epochs"
    return f"epoch {epoch} kept" if epoch else "the model that it started from kept"


def trust(run: RunFiles) -> list[Text]:
    """Sentences that say whether the number holds on images with other backgrounds."""
    scored, expected = accuracy(run), new_group(run)
    if scored is None:
        return []
    texts = []
    if expected is not None:
        texts.append(_expected_in_words(scored, expected))
    elif run.settings.get("group_pattern"):
        texts.append(
            Text(
                "On new backgrounds: not known yet. Images of one group stay on one side of a split, but how much "
                "groups differ was not measured: the accuracy on another group may be far from this one."
            )
        )
    else:
        texts.append(
            Text(
                "On new backgrounds: not known. No groups were named (--group_pattern), so the number holds for images "
                "like these only: the same places, cameras and days.",
                is_warning=True,
            )
        )
    return [*texts, *leaks(run)]


def _expected_in_words(scored: Score, expected: Score) -> Text:
    points = 100 * (scored.accuracy - expected.accuracy)
    within = f" ({between(expected.interval)})" if expected.interval else ""
    of = "a mAP of " if "mAP" in expected.label else ""
    what = f"On new backgrounds: expect {of}{percent(expected.accuracy)} in the mean over groups like these{within}"
    alone = ""
    if expected.single:
        lowest = f"; the lowest so far had {percent(expected.lowest)}" if expected.lowest is not None else ""
        range_ = f"the 95% range that the differences between so few groups leave open{lowest}"
        alone = f" A single one, which is one place, camera or day, may have {between(expected.single)}: {range_}."
    measured = f"the {percent(scored.accuracy)} of {re.split('[,;] ', scored.note)[0]}"
    if abs(points) < 100 * _GAP:
        return Text(f"{what}, which is about as much as {measured}.{alone}")
    if points < 0:
        what += f", which is {-points:.0f} points more than {measured}: those are few, or harder than most"
        return Text(f"{what}.{alone}")
    advice = "Do not count on the higher number for images from elsewhere."
    what += f", which is {points:.0f} points less than {measured}"
    return Text(f"{what}.{alone} {advice}", is_warning=True)


def leaks(run: RunFiles) -> list[Text]:
    """What makes an accuracy read too high: test images that were trained on, or look alike."""
    texts = []
    if known := run.metrics.get("test_images_trained_on"):
        texts.append(Text(f"{known:,} of the test images are training images too: the accuracy reads too high.", True))
    for name, found in run.findings.get("leakage", {}).items():
        if found["share"] >= _LEAK:
            words = f"{found['look_alikes']:,} {name} images ({percent(found['share'])}) look like a training image"
            texts.append(Text(f"{words}: the {name} accuracy reads too high.", True))
    return texts


def confusion(values: Values, *, of: str) -> list[Matrix]:
    """The confusion matrix of metrics; of many classes those that are in most of the mistakes."""
    names, found = values.get("class_names", []), Confusion.of_metrics(values)
    if found is None:
        return []
    shown = np.arange(len(names))
    caption = f"Confusion matrix, {of}: true classes in rows, predicted ones in columns"
    if len(names) > excerpt.MOST_CLASSES:
        shown = found.most_confused()
        caption += f"; the {len(shown)} most confused of {len(names):,} classes"
    counts, names = found.among(shown), [names[k] for k in shown]
    share = counts / np.maximum(found.support[shown, None], 1)
    rows = [list(zip(row.tolist(), part.tolist(), strict=True)) for row, part in zip(counts, share, strict=True)]
    return [Matrix(caption, names, rows)]


def _images(values: Values) -> int:
    """How many images metrics are of."""
    found = Confusion.of_metrics(values)
    return 0 if found is None else int(found.support.sum())


def _interval(share: float, count: int) -> tuple[float, float]:
    return wilson_interval(round(share * count), count)


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def few(names: Sequence[str], limit: int = 12) -> str:
    """Names in a sentence, of many the first."""
    return ", ".join(names[:limit]) + (f" and {len(names) - limit:,} more" if len(names) > limit else "")
