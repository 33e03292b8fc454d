"""Where the test images come from: their folders, classes and groups, and whether training has those groups too."""

import collections
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from ftdata.labels import NOTHING
from ftdata.names import counted, shown
from ftdata.sources.holdout import named_groups
from trainers.report import image_counts, several_labels
from trainers.report.blocks import MOST_ROWS, Block, Row, Section, Table
from trainers.report.run_files import RunFiles

_MOST_NAMED, _MOST_CLASSES = 6, 8


@dataclasses.dataclass(frozen=True)
class TestSet:
    """The test images: `classes`, `names` and, where a pattern names them, `groups` of each.

    `trained_folders` and `trained_groups` are those of the training images; None where nothing tells. `shown_by` says
    how many images show each class where an image has several labels, whose `classes` are then texts of them all.
    """

    __test__ = False  # no test of pytest's

    classes: Sequence[str]
    names: Sequence[str]
    groups: Sequence[str] | None
    trained_folders: frozenset[str] | None
    trained_groups: frozenset[str] | None
    shown_by: Mapping[str, int] | None = None

    @classmethod
    def of(cls, run: RunFiles) -> "TestSet | None":
        """That of a run; None where nothing names it."""
        rows, trained = run.names.get("test"), [name for _, name in run.names.get("train", ())]
        if not rows:
            return None
        names, pattern = [name for _, name in rows], run.settings.get("group_pattern")
        known = set(_groups(trained, pattern)) if trained and pattern else None
        if known is None and run.settings.get("folds") == "groups":
            known = set(run.metrics.get("groups", {})) or None
        return cls(
            [name for name, _ in rows],
            names,
            _groups(names, pattern) if pattern else None,
            frozenset(map(_folder, trained)) if trained else None,
            None if known is None else frozenset(known),
            several_labels.support(run) if several_labels.applies(run) else None,
        )

    @property
    def has_groups(self) -> bool:
        """Whether any image shares its group with another."""
        return self.groups is not None and len(set(self.groups)) < len(self.groups)

    @property
    def in_words(self) -> str:
        """How many, from where, of which classes and groups."""
        classes = _spread(self.classes, "class") if self.shown_by is None else self._of_labels()
        parts = [f"{len(self.names):,}{self._where()}", classes]
        return "; ".join([*parts, *([self._of_groups()] if self.groups else [])])

    def _where(self) -> str:
        folders = sorted({folder for folder in map(_folder, self.names) if folder})
        if not folders:
            return ""
        if self.trained_folders is not None and self.trained_folders >= set(folders):
            return f" held out of the folders of the training images ({_few(folders)})"
        own = ", which hold no training image" if self.trained_folders is not None else ""
        return f" from {_few(folders)}{own if self.trained_folders and not self.trained_folders & set(folders) else ''}"

    def _of_labels(self) -> str:
        found = dict(self.shown_by or {})
        if len(found) > _MOST_NAMED:
            said = f"{min(found.values()):,} to {max(found.values()):,} show each of the {len(found):,} classes"
        else:
            said = "by what they show: " + ", ".join(f"{shown(name)} {found[name]:,}" for name in sorted(found))
        return f"{said}; {self.classes.count(NOTHING):,} show none" if NOTHING in self.classes else said

    def _of_groups(self) -> str:
        assert self.groups is not None, "the caller has looked"
        if not self.has_groups:
            return "each a group of its own"
        said, trained = _spread(self.groups, "group"), self.trained_groups
        if trained is None:
            return f"{said}; whether training has them too is not recorded"
        shared = sorted(set(self.groups) & trained)
        if not shared:
            return f"{said}, of which training has none"
        one = len(set(self.groups)) == 1
        has_all = "it" if one else "all of them"
        which = f"training has images of {has_all if len(shared) == len(set(self.groups)) else _few(shared)} too"
        meant = "that is one place or day" if one else "these are the same places or days"
        return f"{said}; {which}: if {meant}, and not only the same name, this is not the accuracy on a new one"


def facts(run: RunFiles) -> list[tuple[str, str]]:
    """What stands beside the accuracy."""
    found = TestSet.of(run)
    return [("Test images", found.in_words)] if found else []


def images(run: RunFiles) -> Section | None:
    """How many there are of each class and of each group; the test images by both, where they are of several groups."""
    tables = [table for table in (image_counts.by_class(run), image_counts.by_group(run)) if table]
    tested = test_images(run)
    blocks: list[Block] = [*([Row(tables)] if tables else []), *([tested] if tested else [])]
    return Section("images", "Images", blocks) if blocks else None


def test_images(run: RunFiles) -> Table | None:
    """The test images by group and class, where there are several groups."""
    found = TestSet.of(run)
    if found is None or not found.groups or not found.has_groups or len(set(found.groups)) < 2:
        return None
    counts = collections.Counter(zip(found.groups, found.classes, strict=True))
    sizes = collections.Counter(found.groups)
    classes = sorted(set(found.classes))
    classes = classes if len(classes) <= _MOST_CLASSES and found.shown_by is None else []
    rows = [
        (
            shown(name),
            f"{sizes[name]:,}",
            *(f"{counts[name, of_class]:,}" for of_class in classes),
            "not recorded" if found.trained_groups is None else "yes" if name in found.trained_groups else "no",
        )
        for name in sorted(sizes)[:MOST_ROWS]
    ]
    caption = "Groups of the test images" + (f"; {MOST_ROWS} of {len(sizes):,}" if len(sizes) > MOST_ROWS else "")
    return Table(caption, ("group", "images", *classes, "in training too"), rows)


def _groups(names: Sequence[str], pattern: str) -> list[str]:
    of_image, called = named_groups(names, pattern)
    return [called[place] for place in of_image]


def _folder(name: str) -> str:
    """Of a file, at most its last three levels."""
    parts = PurePath(name.replace("\\", "/")).parent.parts
    return "/".join(part for part in parts[-3:] if part != "/")


def _spread(of: Sequence[str], word: str) -> str:
    """How many images each class or group has."""
    counts = collections.Counter(of)
    sizes = sorted(set(counts.values()))
    if len(counts) == 1:
        return f"all of {word} {shown(next(iter(counts)))}"
    if len(sizes) == 1:
        return f"{sizes[0]:,} of each {word} ({_few(sorted(counts))})"
    if len(counts) <= _MOST_NAMED:
        return "by " + word + ": " + ", ".join(f"{shown(name)} {counts[name]:,}" for name in sorted(counts))
    return f"{sizes[0]:,} to {sizes[-1]:,} of each of {counted(len(counts), word)}"


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(shown(name) for name in names[:_MOST_NAMED]) + more
