"""Folders that stand side by side as classes: their images, the splits inside them, and what is said of them."""

from collections import Counter
from collections.abc import Collection

from ftdata.folders import roles
from ftdata.folders.level import Layout, Level, path_of
from ftdata.folders.roles import ANNOTATION, SPLITS, TEST, TRAIN, VALIDATION
from ftdata.names import composed, counted, listed, shown


def read_one(layout: Layout, level: Level) -> None:
    """A folder that is itself one class."""
    layout.notes.append(f"the folder itself is taken as that of the class {level.name}")
    _read_class(layout, level, level.name)


def read(layout: Layout, level: Level) -> None:
    """Class folders, each perhaps with `test/` or `val/` inside."""
    names = without_copies(layout, level)
    for name in names:
        _read_class(layout, level.inside(name), composed(shown(name)))
    for name, role in level.splits.items():
        layout.notes.append(
            f"warning: {shown(name)}/ is taken as a class, as it stands beside class folders; if it is the {role} "
            "split, put the class folders into train/ beside it, and class folders into it"
        )
    finish(layout, level, names)
    inner = {(role, name) for k in names for name, role in level.inside(k).splits.items()}
    for role in SPLITS[1:]:
        where = sorted(f"{shown(name)}/" for its_role, name in inner if its_role == role)
        if where and where != ["test/"]:
            layout.notes.append(f"the {role} images are those in {', '.join(where)} of the class folders")


def without_copies(layout: Layout, level: Level) -> list[str]:
    """The classes, without a folder that holds the class folders once more, as some archives have it."""
    names = set(level.classes)
    copies = [name for name in level.classes if len(names & set(level.folder.folders[name].filled) - {name}) > 1]
    if copies:
        what = listed([f"{shown(name)}/" for name in copies])
        layout.notes.append(
            f"{what} holds folders of the same names as those beside it, so it is taken for a copy of them"
        )
    kept = [name for name in level.classes if name not in set(copies)]
    _refuse_same_inside(level, kept)
    if len(kept) > 1 and roles.are_pieces(kept):
        layout.notes.append(
            f"warning: the classes {listed([shown(name) for name in kept], limit=3)} differ in a number alone: if they "
            "are pieces of one heap of images, name the classes in a CSV of file,label (--labels_csv)"
        )
    return kept


def _read_class(layout: Layout, level: Level, class_name: str) -> None:
    apart = {name: role for name, role in level.roles.items() if role in (VALIDATION, TEST, ANNOTATION)}
    layout.take(level, TRAIN, class_name, without=apart)
    for name, role in apart.items():
        if role == ANNOTATION:
            layout.passed_over.append(((*level.place, name), level.folder.folders[name]))
        else:
            layout.take(level.inside(name), role, class_name)


def finish(layout: Layout, level: Level, classes: Collection[str]) -> None:
    """Says what else there is beside class folders."""
    layout.loose += [(*level.place, image) for image in level.folder.images]
    layout.pass_over(level, sorted(level.folder.filled.keys() - set(classes)))
    say_empty(layout, level, ": no class of that name")
    bare = {name: inner for name in classes if (inner := _bare(level.inside(name)))}
    if bare:
        examples = [path_of((*level.place, name, inner[0])) for name, inner in bare.items()]
        is_odd = len(bare) < len(classes) and max(map(len, bare.values())) > 1
        layout.notes.append(
            f"{'warning: ' if is_odd else ''}{len(bare):,} of the classes hold no images themselves: those in their "
            f"subfolders are theirs ({listed(examples, limit=2)})"
        )
    spellings = Counter(composed(shown(name)) for name in classes)
    twice = [name for name, count in spellings.items() if count > 1]
    if twice:
        layout.notes.append(f"two folders spell {listed(twice)} in two ways that look the same: they are one class")


def say_empty(layout: Layout, level: Level, consequence: str) -> None:
    """Names the folders without images."""
    empty = sorted(shown(name) for name, folder in level.folder.folders.items() if not folder.count)
    if empty:
        layout.notes.append(f"no images in {counted(len(empty), 'folder')}, {listed(empty)}{consequence}")


def _bare(level: Level) -> list[str]:
    """The subfolders of a class that holds no images itself, those in its splits too; nothing where it does."""
    if level.folder.images:
        return []
    inner = [name for name in level.folder.filled if level.roles.get(name) not in (*SPLITS, ANNOTATION)]
    return inner + [name for split in level.structured for name in level.folder.folders[split].filled]


def _refuse_same_inside(level: Level, classes: Collection[str]) -> None:
    """Refuses "classes" that hold the same folders: these are the classes, and those are splits or variants."""
    bare = {name: _bare(level.inside(name)) for name in classes}
    counts = Counter(name for inner in bare.values() for name in set(inner))
    same = sorted(name for name, count in counts.items() if count > 1)
    if len(same) > 1:
        alike = [shown(name) for name, inner in bare.items() if set(inner) & set(same)]
        raise level.error(
            f"the folders {listed(alike)} hold no images themselves and the same subfolders "
            f"({listed([shown(name) for name in same])}), so those look like the classes. Name one of the folders as "
            "--image_dir, or call them train, validation and test; if they are classes, move the images up into them"
        )
