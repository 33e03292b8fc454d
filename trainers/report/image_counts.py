"""How many images each class and each group has in training, validation and test."""

import collections
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ftdata.labels import NOTHING
from ftdata.names import shown
from ftdata.sources.holdout import named_groups
from trainers.report import several_labels
from trainers.report.blocks import Cell, Table
from trainers.report.run_files import RunFiles
from trainers.report.summary import SPLITS
from trainers.rundir.run_dir import read_json

_MOST_SHOWN = 20  # of classes or groups: else half as many of the largest and of the smallest
_MOST_CLASSES = 6  # whose images are counted in each group
_AND = " + "  # between the labels of an image that has several

Counts = Mapping[str, int]


def by_class(run: RunFiles) -> Table | None:
    """A row for each class and one for all; None where no class is counted but those of the test set, which stand
    elsewhere."""
    names = list(run.metrics.get("class_names") or run.class_names)
    splits = [name for name in SPLITS if run.images.get(name)]
    counted = {name: found for name in splits if (found := _of_classes(run, name, names))}
    if not names or not counted.keys() - {"test"}:
        return None
    several = several_labels.applies(run)
    rows = [(shown(name), *(_cell(counted.get(split), name) for split in splits)) for name in names]
    size = {name: sum(found[name] for found in counted.values()) for name in names}
    caption = "Images that show each class" if several else "Images of each class"
    chosen, caption = _extremes(rows, [size[name] for name in names], caption, "classes")
    if several and any(found.get(NOTHING) for found in counted.values()):
        chosen.append(("no label", *(_cell(counted.get(split), NOTHING) for split in splits)))
    chosen.append(("all", *(f"{run.images[split]:,}" for split in splits)))
    return Table(caption, ("class", *(SPLITS[split] for split in splits)), chosen)


def by_group(run: RunFiles) -> Table | None:
    """A row for each group, with its training images by class where the classes are few; None without groups."""
    pattern, names = run.settings.get("group_pattern"), list(run.metrics.get("class_names") or run.class_names)
    splits = [name for name in SPLITS if run.names.get(name)]
    if not pattern or "train" not in splits:
        return None
    groups = {split: _groups([name for _, name in run.names[split]], pattern) for split in splits}
    counted = {split: collections.Counter(found) for split, found in groups.items()}
    sizes = sum(counted.values(), collections.Counter[str]())
    if len(sizes) == sum(sizes.values()):
        return None  # each image is a group of its own
    trained = [of for of, _ in run.names["train"]]
    cells = collections.Counter(zip(groups["train"], trained, strict=True))
    classes = names if len(names) <= _MOST_CLASSES and not several_labels.applies(run) else []
    ordered = sorted(sizes)
    rows = [
        (
            shown(name),
            *(f"{counted[split][name]:,}" for split in splits),
            *(f"{cells[name, of_class]:,}" for of_class in classes),
        )
        for name in ordered
    ]
    caption = "Images of each group" + (", and how many of its training images are of each class" if classes else "")
    chosen, caption = _extremes(rows, [sizes[name] for name in ordered], caption, "groups")
    columns = ("group", *(SPLITS[split] for split in splits), *map(shown, classes))
    return Table(caption, columns, chosen)


def group_sizes(run: RunFiles) -> dict[str, int]:
    """Of the groups that folds left out, where it is known: by the list of images, else by the records of the folds,
    where each left out one group."""
    names, pattern = [name for _, name in run.names.get("train", ())], run.settings.get("group_pattern")
    known = run.metrics.get("groups") or {}
    if names and pattern:
        sizes = collections.Counter(_groups(names, pattern))
        return dict(sizes) if sizes.keys() == known.keys() else {}
    counts = _left_out_by_fold(run)
    # a fold for each group, in the order of their names
    return dict(zip(sorted(known), counts, strict=True)) if len(counts) == len(known) else {}


def _left_out_by_fold(run: RunFiles) -> list[int]:
    """How many images each fold left out, as its own record says."""
    records = [read_json(path) or {} for path in sorted(run.run_dir.folds.glob("*/config.json"))]
    found = [record.get("phases", {}).get(run.final, {}).get("data", {}) for record in records]
    return [data["validation"]["images"] for data in found if "validation" in data]


def _of_classes(run: RunFiles, split: str, class_names: Sequence[str]) -> Counts | None:
    """Of each class, and of `NOTHING`; None where it is not known."""
    several, listed = several_labels.applies(run), run.names.get(split)
    if listed:
        texts = [of for of, _ in listed]
        found = collections.Counter(_labels(texts, class_names) if several else texts)
        return found if found.keys() <= {*class_names, NOTHING} else None
    if split == "test" and run.metrics.get("per_class"):
        return {name: int(row["support"]) for name, row in run.metrics["per_class"].items()}
    if split == "train" and not several and (scored := run.left_out) is not None:
        return dict(zip(class_names, np.bincount(scored.labels, minlength=len(class_names)).tolist(), strict=False))
    return None


def _labels(texts: Iterable[str], class_names: Sequence[str]) -> Iterable[str]:
    """Each label of each text, such as `fork + knife`; a class may have such a name itself."""
    known = set(class_names)
    for text in texts:
        yield from [text] if text in known else text.split(_AND)


def _cell(counts: Counts | None, name: str) -> Cell:
    return "-" if counts is None else f"{counts.get(name, 0):,}"


def _extremes(
    rows: Sequence[Sequence[Cell]], sizes: Sequence[int], caption: str, what: str
) -> tuple[list[Sequence[Cell]], str]:
    """All rows where they are few, else those of the largest and of the smallest, and what is said of that."""
    if len(rows) <= _MOST_SHOWN:
        return list(rows), caption
    half = _MOST_SHOWN // 2
    order = sorted(range(len(rows)), key=lambda place: -sizes[place])
    chosen = [rows[place] for place in (*order[:half], *order[-half:])]
    return chosen, f"{caption}: the {half} with most and the {half} with fewest of {len(rows):,} {what}"


def _groups(names: Sequence[str], pattern: str) -> list[str]:
    of_image, called = named_groups(names, pattern)
    return [called[place] for place in of_image]
