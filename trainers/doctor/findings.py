"""What the data doctor finds in the images: balance, sizes, likely leakage, each as lines and advice."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from ftdata import labels
from ftdata.config import DataConfig
from ftdata.errors import UserError
from ftdata.names import counted
from ftdata.settings import as_text
from ftdata.sources import holdout
from ftdata.sources.bad_images import way_to_skip
from ftdata.sources.source import Source
from ftdata.sources.split import Split
from trainers.doctor import duplicates, grouping, label_counts
from trainers.doctor.survey import Survey

_SHOWN_CLASSES = 8
_EXAMPLES = 3
_LEAK = 0.05  # share of a held-out split with a look-alike in training from which on the accuracy cannot be trusted
_UNBALANCED, _ELONGATED = 1.5, 1.25  # ratios worth a word

Surveys = dict[str, Survey]  # by the name of the split
Facts = dict[str, Any]  # JSON values


@dataclasses.dataclass(frozen=True)
class Finding:
    """One section of the report: lines to print, advice as (flag, reason), and the numbers as JSON values."""

    lines: tuple[str, ...]
    advice: tuple[tuple[str, str], ...] = ()
    facts: Facts = dataclasses.field(default_factory=dict)


def balance(data: Source, *, class_weight: str | Sequence[str]) -> Finding:
    """How many images of each class there are in each split."""
    splits = (data.train, data.validation, data.test)
    counts = np.stack([labels.counts(part.labels, len(data.class_names)) for part in splits], axis=1)
    width = max([12, *(len(name) for name in data.class_names)])
    share = counts[:, 0] / max(1, len(data.train))
    order = np.argsort(-counts[:, 0], kind="stable")
    half = _SHOWN_CLASSES // 2
    shown = order if len(order) <= _SHOWN_CLASSES else np.concatenate([order[:half], order[-half:]])
    rows = [
        f"{data.class_names[k]:<{width}} " + "".join(f"{n:>12,}" for n in counts[k]) + f"{share[k]:>10.1%}"
        for k in shown
    ]
    if len(shown) < len(order):
        rows.insert(half, f"... {len(order) - len(shown)} more classes")
    head = f"{'':<{width}} " + "".join(f"{name:>12}" for name in ("training", "validation", "test"))
    ratio = counts[:, 0].max() / max(1, counts[:, 0].min())
    advice = []
    if ratio >= _UNBALANCED and class_weight == "none":
        advice.append(
            ("--class_weight=balanced", f"the largest class has {ratio:.1f} times the images of the smallest")
        )
    balanced = f"balance: largest to smallest class {ratio:.1f}, class weights {as_text(class_weight)}"
    what = "accuracy is known to within "
    if labels.is_multi(data.train.labels):
        what = "the share of images with every label right is known to within "
    known = [_known_to(name, len(part)) for name, part in (("validation", data.validation), ("test", data.test))]
    facts = {name: dict(zip(data.class_names, column.tolist(), strict=True)) for name, column in _columns(counts)}
    of_labels, more = label_counts.look(data, counts, width=width) if labels.is_multi(data.train.labels) else ((), {})
    lines = (head, *rows, *of_labels, balanced, what + ", ".join(known), *data.notes)
    return Finding(lines, tuple(advice), {**facts, **more})


def _columns(counts: np.ndarray) -> list[tuple[str, np.ndarray]]:
    return list(zip(("train", "validation", "test"), counts.T, strict=True))


def _known_to(name: str, count: int) -> str:
    """Half the widest 95 % interval of an accuracy that is measured on `count` images."""
    return f"{98 / np.sqrt(count):.1f} points on {name}" if count else f"nothing on {name}, which is empty"


def sizes(config: DataConfig, data: Source, surveys: Surveys) -> Finding:
    """How large the images are, and what bringing them to one size does to them.

    Raises:
      UserError: not one of them can be decoded.
    """
    seen = np.concatenate([survey.sizes[survey.is_readable] for survey in surveys.values()])
    if not len(seen):
        raise UserError(f"none of the images of {data.name} can be read and decoded")
    height, width = seen.T
    side, wanted = np.minimum(height, width), int(config.image_size or 0)
    area = np.argsort(height * width, kind="stable")
    smallest, median, largest = (f"{width[k]}x{height[k]}" for k in (area[0], area[len(area) // 2], area[-1]))
    elongated = np.maximum(height, width) / side
    small = float(np.mean(side < wanted))
    span = f"all {median}" if smallest == largest else f"smallest {smallest}, median {median}, largest {largest}"
    line = f"sizes: {span}; {small:.0%} smaller than the {wanted}x{wanted} the model sees"
    shape = (
        f"shape: longer to shorter side {np.median(elongated):.2f} in the median, {elongated.max():.2f} at most; "
        f"--resize={config.resize}"
    )
    advice = []
    if config.resize == "stretch" and np.median(elongated) > _ELONGATED:
        advice.append(
            ("--resize=crop or pad", f"half of the images are stretched by {np.median(elongated):.2f} or more")
        )
    if small > 0.5 and wanted >= 1.5 * np.median(side) and np.median(side) >= 32:
        enough = -(-int(np.median(side)) // 32) * 32
        advice.append(
            (f"--image_size={enough}", "most images are smaller than what the model sees: larger costs time only")
        )
    bad = [(image.name, image.reason) for image in data.bad_images]
    for key, survey in surveys.items():
        bad += [(name, "cannot be read or decoded") for name in _unreadable(getattr(data, key), survey)]
    lines = [line, shape, *_copies(data)]
    if bad:
        examples = "; ".join(f"{name}: {reason}" for name, reason in bad[:3])
        lines.append(
            f"warning: {counted(len(bad), 'image')} cannot be used: {examples}{'; ...' if len(bad) > 3 else ''}"
        )
        count = len(data.bad_images) + sum(len(getattr(data, key)) for key in surveys)
        if config.on_bad_image == "error" or len(bad) > config.max_bad_fraction * count:
            flags = way_to_skip(len(bad), count, max_bad_fraction=config.max_bad_fraction)
            advice.append((flags, "a run stops at images that cannot be used, unless they are skipped"))
    facts = {
        "median_size": [int(np.median(width)), int(np.median(height))],
        "smaller_than_image_size": small,
        "unreadable": [name for name, _ in bad],
    }
    return Finding(tuple(lines), tuple(advice), facts)


def _copies(data: Source) -> list[str]:
    """A line on images that are there more than once, byte for byte."""
    splits = [split for split in data.splits.values() if len(split)]
    digests = np.concatenate([split.digests for split in splits])
    _, first, which = np.unique(digests, axis=0, return_index=True, return_inverse=True)
    original = first[which.ravel()]
    again = np.flatnonzero(original != np.arange(len(digests)))
    if not len(again):
        return []
    ends = np.cumsum([len(split) for split in splits])

    def name(place: int) -> str:
        part = int(np.searchsorted(ends, place, side="right"))
        return splits[part].names[place - int(ends[part] - len(splits[part]))]

    examples = "; ".join(f"{name(int(k))} = {name(int(original[k]))}" for k in again[:_EXAMPLES])
    more = "; ..." if len(again) > _EXAMPLES else ""
    return [f"warning: {counted(len(again), 'image')} more than once, byte for byte: {examples}{more}"]


def _unreadable(part: Split, survey: Survey) -> list[str]:
    return list(part.names.take(np.flatnonzero(~survey.is_readable)))


def leakage(config: DataConfig, data: Source, surveys: Surveys, *, seed: int) -> Finding:
    """Held-out images that look like training images, and a `--group_pattern` that would separate them."""
    usable = {key: np.flatnonzero(survey.is_readable & ~survey.is_blank) for key, survey in surveys.items()}
    hashes = {key: survey.hashes[usable[key]] for key, survey in surveys.items()}
    lines, facts, leaks = [], Facts(), dict[str, float]()
    for key in ("validation", "test"):
        part = getattr(data, key)
        if not len(part):
            continue
        distances, places = duplicates.nearest(hashes[key], hashes["train"])
        alike = np.flatnonzero(distances < duplicates.NOTHING_ALIKE)
        leaks[key] = len(alike) / len(part)
        closest = alike[np.argsort(distances[alike], kind="stable")]
        examples = [
            (part.names[usable[key][k]], data.train.names[usable["train"][places[k]]]) for k in closest[:_EXAMPLES]
        ]
        mark = "warning: " if leaks[key] >= _LEAK else ""
        text = "; ".join(f"{_base(a)} ~ {_base(b)}" for a, b in examples)
        lines.append(
            f"{mark}{len(alike):,} of {len(part):,} {key} images ({leaks[key]:.1%}) look like a training image"
            + (f": {text}" if text else "")
        )
        facts[key] = {"look_alikes": len(alike), "share": leaks[key], "examples": examples}
    groups, advice = _groups(config, data, surveys, leaks, seed=seed)
    return Finding((*lines, *groups), advice, facts)


def _base(name: str) -> str:
    return name.rsplit("/", 1)[-1]


def _groups(
    config: DataConfig, data: Source, surveys: Surveys, leaks: dict[str, float], *, seed: int
) -> tuple[list[str], tuple[tuple[str, str], ...]]:
    """Lines on what the file names tell of groups, and the advice to use it."""
    leaking, group_pattern = [name for name in leaks if leaks[name] >= _LEAK], config.group_pattern
    own = [name for name in leaking if name not in data.held_out]
    leaking, lines = [name for name in leaking if name in data.held_out], list[str]()
    if own:
        lines.append(
            f"the {' and '.join(own)} images are those that the data names: bring what looks alike to one side, "
            f"{_split_by_hand(config)}"
        )
    if group_pattern and data.held_out:
        names = [name for key in ("train", *data.held_out) for name in getattr(data, key).names]
        count = len(np.unique(holdout.group_ids(names, group_pattern)))
        lines.append(f"groups: {count:,} by --group_pattern='{group_pattern}', kept on one side of a split")
    if not leaking:
        return lines, ()
    names, classes, alike = _pool(data, surveys, seed=seed)
    found = grouping.suggest(names, classes, alike, splits=1 + len(data.held_out))
    if found is None or found.pattern == group_pattern:
        lines.append(
            f"no grouping by file names explains it: say by hand which images are {' and '.join(leaking)} images, "
            f"whole series of those that look alike, {_split_by_hand(config)}"
        )
        return lines, ()
    lines.append(
        f"groups: the file names tell {found.groups:,} apart (videos?), which hold {found.kept:.1%} of the pairs that "
        "look alike: hold out whole ones, as advised below"
    )
    return lines, (
        (f"--group_pattern='{found.pattern}'", f"the {' and '.join(leaking)} accuracy reads too high without"),
    )


def _split_by_hand(config: DataConfig) -> str:
    """Where data say which image is in which split."""
    if config.labels_csv:
        return "in a column split of the CSV (train, validation, test)"
    if config.records:
        return "in shards of their own, with validation or test in their names"
    return "in folders train, validation and test" if config.image_dir else "as splits of the data set"


def _pool(data: Source, surveys: Surveys, *, seed: int) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names, labels and pairs that look alike of what was split: the training images and those held out of them."""
    names, classes, hashes = list[str](), [], []
    for key in ("train", *data.held_out):
        part, survey = getattr(data, key), surveys[key]
        usable = np.flatnonzero(survey.is_readable & ~survey.is_blank)
        names += part.names.take(usable)
        classes.append(part.labels[usable])
        hashes.append(survey.hashes[usable])
    of_image = np.concatenate(classes)
    if labels.is_multi(of_image):  # here each set of labels counts as a class
        of_image = np.unique(of_image, axis=0, return_inverse=True)[1].ravel()
    return names, of_image, duplicates.pairs(np.concatenate(hashes), seed=seed)
