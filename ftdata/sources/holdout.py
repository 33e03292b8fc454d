"""Choose which images are held out: by a hash of each one's content or group, so that it stays. No TensorFlow."""

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from ftdata.errors import UserError
from ftdata.names import counted
from ftdata.settings import said
from ftdata.sources import group_search


def group_ids(names: Sequence[str], pattern: str) -> np.ndarray:
    """The group of each file name: what `pattern` matches of it (its groups in parentheses, if it has any).

    The pattern is searched in the file's base name, or, if it contains a slash, in the whole name. A name
    that does not match is a group of its own.

    Returns:
      int64 [n], equal where the match is equal.
    """
    return named_groups(names, pattern)[0]


def named_groups(names: Sequence[str], pattern: str) -> tuple[np.ndarray, list[str]]:
    """As `group_ids`, and what each group is called: the text that matches, or the file name that does not."""
    numbers: dict[tuple[str, ...], int] = {}
    keys = (_group(pattern, name) or ("", name) for name in names)
    ids = np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)
    return ids, [" ".join(part for part in key if part) for key in numbers]


def check_pattern(names: Sequence[str], pattern: str) -> None:
    """Checks that `pattern` groups anything.

    Raises:
      UserError: no name matches it.
    """
    if names and not any(_search(pattern, name) for name in names):
        raise UserError(
            f"group_pattern must match file names such as {said(names[0])}, got {said(pattern)}, which matches none"
        )


def _group(pattern: str, name: str) -> tuple[str, ...] | None:
    match = _search(pattern, name)
    return match and (match.groups(default="") or (match.group(),))


def _search(pattern: str, name: str) -> re.Match[str] | None:
    return re.search(pattern, name if "/" in pattern else name.rsplit("/", 1)[-1])


def places(
    names: Sequence[str], digests: np.ndarray, *, seed: int, part: str, pattern: str | None = None
) -> np.ndarray:
    """Where a hash puts each image between 0 and 1: what lies below the share is held out.

    An image's place follows from its content alone, so it stays when others come, when files are renamed and when
    their folder moves; copies of one image share a place. With a pattern it follows from what that matches of the
    name, and groups that hold copies of one image share the lowest of theirs.

    Args:
      names: of n images.
      digests: uint64 [n, 2], of their contents.
      seed: other seeds give other places.
      part: the name of what is held out, for places of its own.
      pattern: as for `group_ids`.

    Returns:
      float64 [n].
    """
    salt = f"{part}/{seed}/".encode()

    def place(key: bytes) -> float:
        return (int.from_bytes(hashlib.sha256(salt + key).digest()[:8]) >> 11) / 2**53

    if pattern is None:
        return np.array([place(row) for row in _rows(digests)])
    groups = [_group(pattern, name) for name in names]
    of_group = {group: place("\0".join(group).encode(errors="surrogateescape")) for group in set(groups) if group}
    own = [of_group[group] if group else place(row) for group, row in zip(groups, _rows(digests), strict=True)]
    return _together(np.array(own), digests)


def _rows(digests: np.ndarray) -> list[bytes]:
    whole, width = digests.tobytes(), digests.shape[1] * digests.itemsize
    return [whole[start : start + width] for start in range(0, len(whole), width)]


def _together(own: np.ndarray, digests: np.ndarray) -> np.ndarray:
    """Gives copies of one image, and with them their groups, the lowest of their places."""
    contents, content = np.unique(digests[:, 0], return_inverse=True)
    if len(contents) == len(own):
        return own
    lowest, (_, group) = own, np.unique(own, return_inverse=True)
    while True:
        before = lowest
        for members in (content, group):
            least = np.ones(members.max() + 1)
            np.minimum.at(least, members, lowest)
            lowest = least[members]
        if (lowest == before).all():
            return lowest


def held_out(
    labels: np.ndarray,
    places: np.ndarray,
    *,
    fraction: float,
    grouped: bool = False,
    class_names: Sequence[str] = (),
) -> np.ndarray:
    """Marks the images to hold out; images of one place stay together.

    Those with places below `fraction` are held out, so that none changes sides when others are added: a class of n
    gives `fraction` of its images give or take sqrt(fraction * (1 - fraction) / n). But every class that can gives
    one, the lowest, and none gives all.

    With groups, which are few and of all sizes, the same choice is only the start: groups are added, dropped or
    exchanged until the share is within two hundredths of `fraction` in every class, or as close as the groups allow.

    Args:
      labels: int [n].
      places: float [n] from 0 to 1, of `places`.
      fraction: share to hold out, 0 <= fraction < 1.
      grouped: whether the places are those of groups.
      class_names: for the message of an error; without them it has the label.

    Returns:
      bool [n], True where held out.

    Raises:
      UserError: the groups leave a class without a training or without a held-out image.
    """
    if fraction <= 0 or not len(labels):
        return np.zeros(len(labels), bool)
    if not grouped:
        return _each_by_itself(labels, places, fraction)
    chosen = _choose_groups(labels, places, fraction)
    for label in np.unique(labels):
        share = chosen[labels == label].mean()
        if share in (0.0, 1.0):
            raise one_sided(class_names[label] if class_names else label, share, places[labels == label])
    return chosen


def one_sided(name: Any, share: float, places: np.ndarray) -> UserError:
    """What to say of a class that groups leave on one side; `places` are those of its images."""
    return UserError(
        f"group_pattern leaves class {name} without a {'training' if share else 'held-out'} image: it has "
        f"{counted(len(np.unique(places)), 'group')}; use a finer pattern or another fraction"
    )


def _each_by_itself(labels: np.ndarray, places: np.ndarray, fraction: float) -> np.ndarray:
    chosen = places < fraction
    there, held = (np.bincount(part, minlength=1 + labels.max()) for part in (labels, labels[chosen]))
    by_label, ends, by_place = np.argsort(labels, kind="stable"), np.cumsum(there), np.argsort(places, kind="stable")
    rising = places[by_place]

    def at(place: float) -> np.ndarray:  # which images: of many classes, a comparison with all would take minutes
        return by_place[slice(*(np.searchsorted(rising, place, side) for side in ("left", "right")))]

    for label in np.flatnonzero((there > 0) & ((held == 0) | (held == there))):
        members = by_label[ends[label] - there[label] : ends[label]]
        here = np.unique(places[members])
        if here[0] >= fraction and len(here) > 1:
            chosen[at(here[0])] = True
        if chosen[members].all():
            chosen[at(here[-1])] = False
    return chosen


def _choose_groups(labels: np.ndarray, places: np.ndarray, fraction: float) -> np.ndarray:
    """The groups of classes that share none with others are chosen apart: a thousand classes of two groups each are a
    thousand small choices, and images added to one class do not touch another."""
    from scipy.sparse import coo_array, csgraph

    _, labels = np.unique(labels, return_inverse=True)
    own, groups = np.unique(places, return_inverse=True)
    links = coo_array((np.ones(len(labels)), (groups, labels + len(own))), shape=(len(own) + labels.max() + 1,) * 2)
    _, part = csgraph.connected_components(links, directed=False)
    chosen, order = np.zeros(len(labels), bool), np.argsort(part[groups], kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(part[groups][order])) + 1):
        chosen[members] = _choose_together(labels[members], places[members], fraction)
    return chosen


def _choose_together(labels: np.ndarray, places: np.ndarray, fraction: float) -> np.ndarray:
    """Local search over which groups to take, on the shares of the classes, from the hash's own choice."""
    _, labels = np.unique(labels, return_inverse=True)
    own, groups = np.unique(places, return_inverse=True)
    counts = np.zeros((groups.max() + 1, labels.max() + 1))
    np.add.at(counts, (groups, labels), 1)
    return group_search.search(counts, own, fraction)[groups]
