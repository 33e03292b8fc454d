"""Which folders are splits, which are classes, which are neither: a tree of folders -> images by split and class."""

import dataclasses
import functools
from collections import Counter
from collections.abc import Callable, Collection

from ftdata import roles
from ftdata.names import composed, listed, shown
from ftdata.roles import ANNOTATION, EXTRA, IMAGES, SPLITS, TEST, TRAIN, VALIDATION
from ftdata.tree import Folder

Place = tuple[str, ...]  # names of folders from the top

_WAYS = "put the images of each class into a folder of its own, or list them in a CSV of file,label (--labels_csv)"


@dataclasses.dataclass
class Layout:
    """`found[split][class]` are the places of images; `notes` say what was decided, `passed_over` names folders."""

    found: dict[str, dict[str, list[Place]]] = dataclasses.field(default_factory=dict)
    notes: list[str] = dataclasses.field(default_factory=list)
    passed_over: list[tuple[Place, Folder]] = dataclasses.field(default_factory=list)
    loose: list[Place] = dataclasses.field(default_factory=list)  # images beside the class folders
    taken: dict[int, Place] = dataclasses.field(default_factory=dict)  # by id of a Folder, so that each counts once

    def take(self, level: "_Level", split: str, class_name: str, *, without: Collection[str] = ()) -> None:
        """Gives the images in a folder and below it to a class of a split."""
        images = self.found.setdefault(split, {}).setdefault(class_name, [])
        for place, folder in level.folder.below(without=without):
            whole = level.place + place
            if folder.images and self.taken.setdefault(id(folder), whole) != whole:
                raise ValueError(
                    f"{_path(whole)} and {_path(self.taken[id(folder)])} are one folder, by a link: its images would "
                    "count twice. Remove one of them"
                )
            images += [(*whole, name) for name in folder.images]


@dataclasses.dataclass(frozen=True)
class _Level:
    """A folder at its place, and what the names of its subfolders say."""

    folder: Folder
    place: Place
    origin: str
    known: frozenset[str] | None

    @functools.cached_property
    def roles(self) -> dict[str, str]:
        """The role of the subfolders with images; none for those that are named as a known class."""
        found = roles.of(self.folder.filled)
        return {name: role for name, role in found.items() if not self.inside(name).is_known_class}

    @property
    def splits(self) -> dict[str, str]:
        """The role of the subfolders that are named as a split."""
        return {name: role for name, role in self.roles.items() if role in SPLITS}

    @property
    def structured(self) -> dict[str, str]:
        """Those of them with folders inside."""
        return {name: role for name, role in self.splits.items() if self.folder.folders[name].filled}

    @property
    def besides(self) -> list[str]:
        """The subfolders with images that are neither splits nor their company."""
        return [name for name in self.folder.filled if self.roles.get(name) not in (*SPLITS, EXTRA, ANNOTATION)]

    @property
    def classes(self) -> list[str]:
        """The subfolders with images that are classes, if any are."""
        return [name for name in self.folder.filled if self.roles.get(name) != ANNOTATION]

    @property
    def is_known_class(self) -> bool:
        """Whether this is the folder of one class of the model, rather than one of class folders."""
        if self.known is None or self.name not in self.known:
            return False
        return not any(place and composed(shown(place[-1])) in self.known for place, _ in self.folder.below())

    @property
    def name(self) -> str:
        """Its own name."""
        own = self.place[-1] if self.place else self.origin.rstrip("/").rpartition("/")[2]
        return composed(shown(own))

    def inside(self, name: str) -> "_Level":
        return dataclasses.replace(self, folder=self.folder.folders[name], place=(*self.place, name))

    def error(self, problem: str) -> ValueError:
        return ValueError(f"{'/'.join((self.origin.rstrip('/'), *map(shown, self.place)))}: {problem}")


def recognise(top: Folder, *, origin: str, known: Collection[str] | None = None) -> Layout:
    """Finds the splits and the classes of a folder.

    Args:
      top: the folder.
      origin: its path, for messages.
      known: the classes of the model that is measured on it; None where it is to be trained on.

    Raises:
      ValueError: the folders can be read in more than one way, or have no classes; the message has the way out.
    """
    layout, level = Layout(), _Level(top, (), origin, None if known is None else frozenset(known))
    while (only := _only_folder(level)) is not None:
        layout.loose += [(*level.place, image) for image in level.folder.images]
        _pass_over(layout, level, [other for other in level.folder.filled if other != only])
        level = level.inside(only)
        layout.notes.append(f"the classes are those in {_path(level.place)}, the only folder there that fits")
    _refuse_lost(level)
    read = next(read for fits, read in _READINGS if fits(level))
    read(layout, level)
    return layout


def _only_folder(level: _Level) -> str | None:
    """The subfolder that must be meant where the folder given is one level too high: alone, or alone with splits."""
    with_splits = [name for name in level.besides if TRAIN in level.inside(name).structured.values()]
    candidates = level.classes if level.splits or len(with_splits) != 1 else with_splits
    if len(candidates) != 1 or level.is_known_class:
        return None
    (name,) = candidates
    inner = level.folder.folders[name]
    can_be_meant = not level.inside(name).is_known_class and name not in level.splits
    return name if can_be_meant and len(inner.filled) >= (2 if inner.images else 1) else None


def _one_class(layout: Layout, level: _Level) -> None:
    layout.notes.append(f"the folder itself is taken as that of the class {level.name}")
    _read_class(layout, level, level.name)


def _splits(layout: Layout, level: _Level) -> None:
    """`train/` and others, with class folders inside."""
    place_of: dict[str, str] = {}
    for name, role in level.splits.items():
        if role in place_of:
            raise level.error(f"holds both {shown(place_of[role])}/ and {shown(name)}/: keep the one that is meant")
        place_of[role] = name
    classes: set[str] = set()
    for role in (role for role in SPLITS if role in place_of):
        split = level.inside(place_of[role])
        while (inner := _doubled(split, classes)) is not None:
            _pass_over(layout, split, [other for other in split.folder.filled if other != inner])
            split = split.inside(inner)
        _refuse_lost(split)
        if not split.folder.filled and role == TRAIN and split.folder.count:
            _refuse_flat(layout, split)
        if not split.folder.filled:
            layout.passed_over.append((split.place, split.folder))
            layout.notes.append(
                f"{_path(split.place)} holds {split.folder.count:,} images and no class folders: they are not used"
            )
            continue
        _refuse_same_inside(split, split.classes)
        for name in split.classes:
            layout.take(split.inside(name), role, composed(shown(name)))
        _finish(layout, split, split.classes)
        classes |= set(layout.found.get(TRAIN, ()))
    _pass_over(layout, level, [name for name in level.folder.filled if name not in level.splits])
    layout.loose += [(*level.place, image) for image in level.folder.images]
    _say_empty(layout, level, "")


def _doubled(split: _Level, classes: Collection[str]) -> str | None:
    """The folder that a split's folder wraps once more: seg_train/seg_train/, test/images/."""
    if len(split.classes) != 1 or split.folder.images:
        return None
    (name,) = split.classes
    is_a_class = composed(shown(name)) in (split.known or classes)
    repeats = name == split.place[-1] or name in split.splits or split.roles.get(name) == IMAGES
    return name if not is_a_class and (split.folder.folders[name].filled or repeats) else None


def _classes(layout: Layout, level: _Level) -> None:
    """Class folders, each perhaps with `test/` or `val/` inside."""
    _refuse_same_inside(level, level.classes)
    for name in level.classes:
        _read_class(layout, level.inside(name), composed(shown(name)))
    for name, role in level.splits.items():
        layout.notes.append(
            f"warning: {shown(name)}/ is taken as a class, as it stands beside class folders; if it is the {role} "
            "split, put the class folders into train/ beside it, and class folders into it"
        )
    _finish(layout, level, level.classes)
    inner = {(role, name) for k in level.classes for name, role in level.inside(k).splits.items()}
    for role in SPLITS[1:]:
        where = sorted(f"{shown(name)}/" for its_role, name in inner if its_role == role)
        if where and where != ["test/"]:
            layout.notes.append(f"the {role} images are those in {', '.join(where)} of the class folders")


def _read_class(layout: Layout, level: _Level, class_name: str) -> None:
    apart = {name: role for name, role in level.roles.items() if role in (VALIDATION, TEST, ANNOTATION)}
    layout.take(level, TRAIN, class_name, without=apart)
    for name, role in apart.items():
        if role == ANNOTATION:
            layout.passed_over.append(((*level.place, name), level.folder.folders[name]))
        else:
            layout.take(level.inside(name), role, class_name)


def _finish(layout: Layout, level: _Level, classes: Collection[str]) -> None:
    """Says what else there is beside class folders."""
    layout.loose += [(*level.place, image) for image in level.folder.images]
    _pass_over(layout, level, [name for name in level.folder.filled if name not in classes])
    _say_empty(layout, level, ": no class of that name")
    bare = [name for name in classes if _bare(level.inside(name))]
    if bare:
        examples = [_path((*level.place, name, _bare(level.inside(name))[0])) for name in bare]
        layout.notes.append(
            f"{len(bare):,} of the classes hold no images themselves: those in their subfolders are theirs "
            f"({listed(examples, limit=2)})"
        )
    spellings = Counter(composed(shown(name)) for name in classes)
    twice = [name for name, count in spellings.items() if count > 1]
    if twice:
        layout.notes.append(f"two folders spell {listed(twice)} in two ways that look the same: they are one class")


def _say_empty(layout: Layout, level: _Level, consequence: str) -> None:
    empty = sorted(shown(name) for name, folder in level.folder.folders.items() if not folder.count)
    if empty:
        layout.notes.append(f"no images in the folder(s) {listed(empty)}{consequence}")


def _bare(level: _Level) -> list[str]:
    """The subfolders of a class that holds no images itself, those in its splits too; nothing where it does."""
    if level.folder.images:
        return []
    inner = [name for name in level.folder.filled if level.roles.get(name) not in (*SPLITS, ANNOTATION)]
    return inner + [name for split in level.structured for name in level.folder.folders[split].filled]


def _pass_over(layout: Layout, level: _Level, which: Collection[str]) -> None:
    layout.passed_over += [((*level.place, name), level.folder.folders[name]) for name in which]


def _refuse_lost(level: _Level) -> None:
    """A link that should have been a split or a class."""
    for name, why in level.folder.lost.items():
        raise level.error(f"{shown(name)} is a link that {why}: remove or fix it")


def _refuse_same_inside(level: _Level, classes: Collection[str]) -> None:
    """Refuses "classes" that hold the same folders: these are the classes, and those are splits or variants."""
    bare = {name: _bare(level.inside(name)) for name in classes}
    counts = Counter(name for inner in bare.values() for name in inner)
    same = sorted(name for name, count in counts.items() if count > 1)
    if len(same) > 1:
        alike = [shown(name) for name, inner in bare.items() if set(inner) & set(same)]
        raise level.error(
            f"the folders {listed(alike)} hold no images themselves and the same subfolders "
            f"({listed([shown(name) for name in same])}), so those look like the classes. Name one of the folders as "
            "--image_dir, or call them train, validation and test; if they are classes, move the images up into them"
        )


def _refuse_flat(layout: Layout, level: _Level) -> None:
    inner = [name for name, role in level.roles.items() if role in (*SPLITS, IMAGES)]
    level = level.inside(min(inner, key=lambda name: level.roles[name] != TRAIN)) if inner else level
    predict = "; to see what a model says of images without labels, --phase=predict" if level.known is not None else ""
    raise level.error(f"holds {level.folder.count:,} images and no class folders: {_WAYS}{predict}")


def _refuse_two_meanings(layout: Layout, level: _Level) -> None:
    train = next(name for name, role in level.splits.items() if role == TRAIN)
    raise level.error(
        f"is {shown(train)}/ the training split, or a class beside {listed([shown(k) for k in level.besides])}? In the "
        "first case move the others away; in the second put all class folders into a new folder train/"
    )


def _refuse_beside_classes(layout: Layout, level: _Level) -> None:
    raise level.error(f"holds {_first(level)}/ beside class folders: put the class folders into train/")


def _refuse_no_training(layout: Layout, level: _Level) -> None:
    raise level.error(
        f"holds {listed([f'{shown(name)}/' for name in level.structured])} and nothing to train on: put class folders "
        f"into train/, or to train on it name {_first(level)}/ itself as --image_dir"
    )


def _first(level: _Level) -> str:
    return shown(next(iter(level.structured)))


def _path(place: Place) -> str:
    return "".join(f"{shown(name)}/" for name in place)


def _has_training(level: _Level) -> bool:
    return TRAIN in level.structured.values()


def _has_two_meanings(level: _Level) -> bool:
    """A train/ with folders inside, no other split, and what may be classes beside it."""
    if not _has_training(level) or len(level.splits) > 1:
        return False
    (train,) = level.structured
    return len(level.besides) > (0 if level.folder.folders[train].images else 1)


def _has_splits_beside_classes(level: _Level) -> bool:
    inside = {inner for name in level.structured for inner in level.folder.folders[name].filled}
    return bool(inside & set(level.besides))


def _is_flat(level: _Level) -> bool:
    """Images, but no folders that could be classes."""
    named = set(level.splits.values())
    nothing_else = not level.besides or (TRAIN in named and len(named) > 1)
    is_heap = [level.roles.get(name) for name in level.classes] == [IMAGES]
    return bool(level.folder.count) and (not level.folder.filled or (bool(named) and nothing_else) or is_heap)


def _lacks_training(level: _Level) -> bool:
    return bool(level.structured) and not level.besides and TRAIN not in level.splits.values()


def _is_to_be_measured(level: _Level) -> bool:
    return bool(level.structured) and not level.besides and level.known is not None


# The first that fits a level reads it.
_READINGS: tuple[tuple[Callable[[_Level], bool], Callable[[Layout, _Level], None]], ...] = (
    (lambda level: level.is_known_class, _one_class),
    (_has_two_meanings, _refuse_two_meanings),
    (_has_training, _splits),
    (_has_splits_beside_classes, _refuse_beside_classes),
    (_is_to_be_measured, _splits),
    (_lacks_training, _refuse_no_training),
    (_is_flat, _refuse_flat),
    (lambda level: True, _classes),
)
