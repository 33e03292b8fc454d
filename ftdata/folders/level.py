"""A folder at its place, with what the names of its subfolders say, and the layout that is gathered from folders."""

import dataclasses
import functools
import os
from collections.abc import Collection

from ftdata.errors import UserError
from ftdata.folders import roles
from ftdata.folders.roles import ANNOTATION, EXTRA, SPLITS
from ftdata.folders.tree import Folder
from ftdata.names import composed, shown

Place = tuple[str, ...]  # names of folders from the top


@dataclasses.dataclass
class Layout:
    """`found[split][class]` are the places of images; `notes` say what was decided, `passed_over` names folders."""

    found: dict[str, dict[str, list[Place]]] = dataclasses.field(default_factory=dict)
    notes: list[str] = dataclasses.field(default_factory=list)
    passed_over: list[tuple[Place, Folder]] = dataclasses.field(default_factory=list)
    loose: list[Place] = dataclasses.field(default_factory=list)  # images beside the class folders
    # The place and the class of a folder that was taken, by its id and split: in a split each counts once.
    taken: dict[tuple[int, str], tuple[Place, str]] = dataclasses.field(default_factory=dict)

    def take(self, level: "Level", split: str, class_name: str, *, without: Collection[str] = ()) -> None:
        """Gives the images in a folder and below it to a class of a split."""
        images = self.found.setdefault(split, {}).setdefault(class_name, [])
        for place, folder in level.folder.below(without=without):
            whole = level.place + place
            before, its_class = self.taken.setdefault((id(folder), split), (whole, class_name))
            if before == whole and its_class == class_name:
                images += [(*whole, name) for name in folder.images]
            elif its_class != class_name and folder.images:
                raise UserError(
                    f"{path_of(whole)} and {path_of(before)} are one folder, by a link: its images would count for two "
                    "classes. Remove one of them"
                )

    def pass_over(self, level: "Level", which: Collection[str]) -> None:
        """Leaves subfolders of a level alone."""
        self.passed_over += [((*level.place, name), level.folder.folders[name]) for name in which]


@dataclasses.dataclass(frozen=True)
class Level:
    """A folder at its place, and what the names of its subfolders say."""

    folder: Folder
    place: Place
    origin: str
    known: frozenset[str] | None
    above: tuple[int, ...] = ()  # ids of the folders it lies in

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
        own = self.place[-1] if self.place else os.path.basename(os.path.abspath(self.origin))
        return composed(shown(own))

    def inside(self, name: str) -> "Level":
        """The subfolder of that name."""
        above = (*self.above, id(self.folder))
        return dataclasses.replace(self, folder=self.folder.folders[name], place=(*self.place, name), above=above)

    def enter(self, name: str) -> "Level":
        """The same on the way down, which must end.

        Raises:
          UserError: it is a folder that this one lies in, by links.
        """
        inner = self.inside(name)
        if id(inner.folder) in inner.above:
            raise self.error(f"{shown(name)}/ leads back to a folder it lies in, by a link: remove it")
        return inner

    def refuse_lost(self) -> None:
        """Refuses a link that should have been a split or a class."""
        for name, why in self.folder.lost.items():
            raise self.error(f"{shown(name)} is a link that {why}: remove or fix it")

    def error(self, problem: str) -> UserError:
        """`problem`, with the path in front."""
        return UserError(f"{'/'.join((self.origin.rstrip('/'), *map(shown, self.place)))}: {problem}")


def path_of(place: Place) -> str:
    """`a/b/`, as it can be shown."""
    return "".join(f"{shown(name)}/" for name in place)
