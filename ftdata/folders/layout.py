"""Which folders are splits, which are classes, which are neither: a tree of folders -> images by split and class."""

from collections.abc import Callable, Collection

from ftdata.folders import class_folders
from ftdata.folders.level import Layout, Level, path_of
from ftdata.folders.roles import IMAGES, SPLITS, TRAIN
from ftdata.folders.tree import Folder
from ftdata.names import composed, counted, listed, shown

_WAYS = "put the images of each class into a folder of its own, or list them in a CSV of file,label (--labels_csv)"


def recognise(top: Folder, *, origin: str, known: Collection[str] | None = None) -> Layout:
    """Finds the splits and the classes of a folder.

    Args:
      top: the folder.
      origin: its path, for messages.
      known: the classes of the model that is measured on it; None where it is to be trained on.

    Raises:
      UserError: the folders can be read in more than one way, or have no classes; the message has the way out.
    """
    layout, level = Layout(), Level(top, (), origin, None if known is None else frozenset(known))
    while (only := _only_folder(level)) is not None:
        layout.loose += [(*level.place, image) for image in level.folder.images]
        layout.pass_over(level, [other for other in level.folder.filled if other != only])
        level = level.enter(only)
        layout.notes.append(f"the classes are those in {path_of(level.place)}, the only folder there that fits")
    level.refuse_lost()
    read = next(read for fits, read in _READINGS if fits(level))
    read(layout, level)
    return layout


def _only_folder(level: Level) -> str | None:
    """The subfolder that must be meant where the folder given is one level too high: alone, or alone with splits."""
    with_splits = [name for name in level.besides if TRAIN in level.inside(name).structured.values()]
    candidates = level.classes if level.splits or len(with_splits) != 1 else with_splits
    if len(candidates) != 1 or level.is_known_class:
        return None
    (name,) = candidates
    inner = level.folder.folders[name]
    can_be_meant = not level.inside(name).is_known_class and name not in level.splits
    return name if can_be_meant and len(inner.filled) >= (2 if inner.images else 1) else None


def _splits(layout: Layout, level: Level) -> None:
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
            layout.pass_over(split, [other for other in split.folder.filled if other != inner])
            if not _repeats(split, inner):
                layout.notes.append(
                    f"the classes of {path_of(split.place)} are those in {shown(inner)}/, the only one there"
                )
            split = split.enter(inner)
        split.refuse_lost()
        if not split.folder.filled and role == TRAIN and split.folder.count:
            _refuse_flat(layout, split)
        if not split.folder.filled:
            layout.notes.append(
                f"warning: {path_of(split.place)} holds {counted(split.folder.count, 'image')} and no class folders: "
                "not used"
            )
            continue
        names = class_folders.without_copies(layout, split)
        for name in names:
            layout.take(split.inside(name), role, composed(shown(name)))
        class_folders.finish(layout, split, names)
        classes |= set(layout.found.get(TRAIN, ()))
    layout.pass_over(level, [name for name in level.folder.filled if name not in level.splits])
    layout.loose += [(*level.place, image) for image in level.folder.images]
    class_folders.say_empty(layout, level, "")


def _doubled(split: Level, classes: Collection[str]) -> str | None:
    """The folder that a split's folder wraps once more: seg_train/seg_train/, test/images/."""
    if len(split.classes) != 1 or split.folder.images:
        return None
    (name,) = split.classes
    is_a_class = composed(shown(name)) in (split.known or classes)
    return name if not is_a_class and (split.folder.folders[name].filled or _repeats(split, name)) else None


def _repeats(split: Level, name: str) -> bool:
    return name == split.place[-1] or name in split.splits or split.roles.get(name) == IMAGES


def _refuse_flat(layout: Layout, level: Level) -> None:
    inner = [name for name, role in level.roles.items() if role in (*SPLITS, IMAGES)]
    level = level.inside(min(inner, key=lambda name: level.roles[name] != TRAIN)) if inner else level
    predict = "; to see what a model says of images without labels, --phase=predict" if level.known is not None else ""
    raise level.error(f"holds {counted(level.folder.count, 'image')} and no class folders: {_WAYS}{predict}")


def _refuse_two_meanings(layout: Layout, level: Level) -> None:
    train = next(name for name, role in level.splits.items() if role == TRAIN)
    raise level.error(
        f"is {shown(train)}/ the training split, or a class beside {listed([shown(k) for k in level.besides])}? In the "
        "first case move the others away; in the second put all class folders into a new folder train/"
    )


def _refuse_beside_classes(layout: Layout, level: Level) -> None:
    raise level.error(f"holds {_first(level)}/ beside class folders: put the class folders into train/")


def _refuse_no_training(layout: Layout, level: Level) -> None:
    raise level.error(
        f"holds {listed([f'{shown(name)}/' for name in level.structured])} and nothing to train on: put class folders "
        f"into train/, or to train on it name {_first(level)}/ itself as --image_dir"
    )


def _first(level: Level) -> str:
    return shown(next(iter(level.structured)))


def _has_training(level: Level) -> bool:
    return TRAIN in level.structured.values()


def _has_two_meanings(level: Level) -> bool:
    """A train/ with folders inside, no other split, and what may be classes beside it."""
    if not _has_training(level) or len(level.splits) > 1:
        return False
    (train,) = level.structured
    return len(level.besides) > (0 if level.folder.folders[train].images else 1)


def _has_splits_beside_classes(level: Level) -> bool:
    inside = {inner for name in level.structured for inner in level.folder.folders[name].filled}
    return bool(inside & set(level.besides))


def _is_flat(level: Level) -> bool:
    """Images, but no folders that could be classes."""
    named = set(level.splits.values())
    nothing_else = not level.besides or (TRAIN in named and len(named) > 1)
    is_heap = [level.roles.get(name) for name in level.classes] == [IMAGES]
    return bool(level.folder.count) and (not level.folder.filled or (bool(named) and nothing_else) or is_heap)


def _lacks_training(level: Level) -> bool:
    return bool(level.structured) and not level.besides and TRAIN not in level.splits.values()


def _is_to_be_measured(level: Level) -> bool:
    return bool(level.structured) and not level.besides and level.known is not None


# The first that fits a level reads it.
_READINGS: tuple[tuple[Callable[[Level], bool], Callable[[Layout, Level], None]], ...] = (
    (lambda level: level.is_known_class, class_folders.read_one),
    (_has_two_meanings, _refuse_two_meanings),
    (_has_training, _splits),
    (_has_splits_beside_classes, _refuse_beside_classes),
    (_is_to_be_measured, _splits),
    (_lacks_training, _refuse_no_training),
    (_is_flat, _refuse_flat),
    (lambda level: True, class_folders.read),
)
