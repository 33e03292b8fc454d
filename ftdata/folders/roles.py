"""What the name of a folder says it is: a split, something beside the splits, or nothing. Standard library only."""

import re
from collections.abc import Iterable

TRAIN, VALIDATION, TEST = SPLITS = ("train", "validation", "test")
EXTRA, ANNOTATION, IMAGES = "extra", "annotation", "images"

_WORDS = {
    TRAIN: "train training trainset trainval traindata",
    VALIDATION: "validation valid validate val valset dev devset development",
    TEST: "test tests testing testset testdata holdout eval evaluation",
    EXTRA: "extra unlabeled unlabelled unlabel pred predict prediction predictions inference",
    ANNOTATION: "annotation annotations annot annots mask masks label labels trimap trimaps groundtruth gt meta "
    "metadata segmentation segmentations bbox bboxes",
}
_ROLES = {word: role for role, words in _WORDS.items() for word in words.split()}
# Words that say nothing: `training_set`, `TestImages`, `Training Data`, `imgs`.
_FILLERS = "set sets split splits data dataset folder files photo photos rgb png pngs jpg jpgs jpeg jpegs"
_OF_IMAGES = "image images img imgs picture pictures"
_EMPTY = frozenset((*_FILLERS.split(), *_OF_IMAGES.split()))
_WORD = re.compile(r"[^\W\d_]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_PIECES = frozenset((*_OF_IMAGES.split(), "part", "parts", "batch", "chunk", "shard", "archive"))


def of(names: Iterable[str]) -> dict[str, str]:
    """The role of each of the folders that stand side by side, by name; without those that have none.

    `Train`, `training_set`, `val2017` and `TestImages` say what they are. What remains of a name does not matter where
    folders of other roles share it: `seg_train` beside `seg_test`, `asl_alphabet_train` beside `asl_alphabet_test`.
    ANNOTATION is told only beside IMAGES, a folder whose name says no more than that.
    """
    parts = {name: _parts(name) for name in names}
    sharing: dict[frozenset[str], set[str]] = {}
    for role, rest in parts.values():
        sharing.setdefault(rest, set()).update([role] if role else [])
    roles = {name: role for name, (role, rest) in parts.items() if role and (not rest or len(sharing[rest]) > 1)}
    roles |= {name: IMAGES for name, (role, rest) in parts.items() if not role and not rest and _words(name)}
    if IMAGES in roles.values():
        return roles | {name: ANNOTATION for name in parts if name not in roles and _is_annotation(name)}
    return {name: role for name, role in roles.items() if role != ANNOTATION}


def split_of(name: str) -> str | None:
    """The split that a name means by itself, such as `Valid`; None if it means none."""
    role, rest = _parts(name)
    return role if role in SPLITS and not rest else None


def are_pieces(names: Iterable[str]) -> bool:
    """Whether names such as `images_part_1` and `images_part_2` look like pieces of one heap of images."""
    words = {tuple(_words(name)) for name in names}
    return len(words) == 1 and bool(_PIECES & set(*words))


def _parts(name: str) -> tuple[str | None, frozenset[str]]:
    """The role that the words of a name have in common with the table, and its other words but empty ones."""
    words = _words(name)
    roles = {_ROLES[word] for word in words if word in _ROLES}
    rest = frozenset(word for word in words if word not in _ROLES and word not in _EMPTY)
    return (roles.pop() if len(roles) == 1 else None), rest


def _is_annotation(name: str) -> bool:
    return any(_ROLES.get(word) == ANNOTATION for word in _words(name))


def _words(name: str) -> list[str]:
    return [part.lower() for word in _WORD.findall(name) for part in _CAMEL.split(word)]
