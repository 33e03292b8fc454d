"""Choose which pictures are held out: stratified, seeded, and never parting a group. numpy only."""

import re
from collections.abc import Sequence

import numpy as np

# The search over groups: seeded starts (fewer where groups are many, for then any start comes close), moves
# per start, and how many groups on each side are tried as partners of an exchange.
_TRIES, _TRIED_GROUPS = 64, 6400
_MOVES = 200
_PARTNERS = 40


def group_ids(names: Sequence[str], pattern: str) -> np.ndarray:
    """The group of each file name: what `pattern` matches of it (its groups in parentheses, if it has any).

    The pattern is searched in the file's base name, or, if it contains a slash, in the whole name. A name
    that does not match is a group of its own.

    Returns:
      int64 [n], equal where the match is equal.
    """

    def key(name: str) -> tuple[str, ...]:
        match = _search(pattern, name)
        if match is None:
            return ("", name)
        return match.groups(default="") or (match.group(),)

    numbers: dict[tuple[str, ...], int] = {}
    return np.array([numbers.setdefault(key(name), len(numbers)) for name in names], np.int64)


def check_pattern(names: Sequence[str], pattern: str) -> None:
    """Checks that `pattern` groups anything.

    Raises:
      ValueError: no name matches it.
    """
    if names and not any(_search(pattern, name) for name in names):
        raise ValueError(
            f"group_pattern must match file names such as {names[0]!r}, got {pattern!r}, which matches none"
        )


def _search(pattern: str, name: str) -> re.Match[str] | None:
    return re.search(pattern, name if "/" in pattern else name.rsplit("/", 1)[-1])


def held_out(labels: np.ndarray, *, fraction: float, seed: int, groups: np.ndarray | None = None) -> np.ndarray:
    """Marks the pictures to hold out.

    Without groups every class gives `fraction` of its pictures, rounded, but at least one and never all.
    With groups, whole groups are chosen so that the share stays as close to `fraction` in every class as
    the groups allow; among choices equally close (within a hundredth) the seed decides.

    Args:
      labels: int [n].
      fraction: share to hold out, 0 <= fraction < 1.
      seed: of the choice.
      groups: int [n], pictures that share a number stay together.

    Returns:
      bool [n], True where held out.

    Raises:
      ValueError: the groups leave a class without a training or without a held-out picture.
    """
    if fraction <= 0:
        return np.zeros(len(labels), bool)
    generator = np.random.default_rng([seed, 0x5EED])
    if groups is None:
        return _stratified(labels, fraction, generator)
    chosen = _choose_groups(labels, groups, fraction, generator)
    for label in np.unique(labels):
        share = chosen[labels == label].mean()
        if share in (0.0, 1.0):
            side = "training" if share else "held-out"
            raise ValueError(
                f"group_pattern leaves class {label} without a {side} image: it has "
                f"{len(np.unique(groups[labels == label]))} group(s); use a finer pattern or another fraction"
            )
    return chosen


def _stratified(labels: np.ndarray, fraction: float, generator: np.random.Generator) -> np.ndarray:
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        count = round(fraction * len(members))
        count = min(max(count, 1), len(members) - 1)
        chosen[members[:count]] = True
    return chosen


def _choose_groups(
    labels: np.ndarray, groups: np.ndarray, fraction: float, generator: np.random.Generator
) -> np.ndarray:
    """Local search from seeded starts over which groups to take, on the per-class shares."""
    _, labels = np.unique(labels, return_inverse=True)
    _, groups = np.unique(groups, return_inverse=True)
    counts = np.zeros((groups.max() + 1, labels.max() + 1))
    np.add.at(counts, (groups, labels), 1)
    shares = counts / counts.sum(axis=0)  # share of each class that a group holds
    tries = min(_TRIES, max(1, _TRIED_GROUPS // len(shares)))
    candidates = [_descend(shares, fraction, generator) for _ in range(tries)]
    errors = np.array([_error(shares[taken].sum(axis=0), fraction) for taken in candidates])
    return candidates[int(np.flatnonzero(errors <= errors.min() + 0.01)[0])][groups]


def _error(share: np.ndarray, fraction: float) -> float:
    """Largest distance to the asked share over the classes; an empty or full class counts as far off."""
    return float(np.max(np.abs(share - fraction) + _unusable(share)))


def _unusable(share: np.ndarray) -> np.ndarray:
    """True for a class that has no picture on one side; the tolerance is for sums of shares."""
    return (share < 1e-9) | (share > 1 - 1e-9)


def _descend(shares: np.ndarray, fraction: float, generator: np.random.Generator) -> np.ndarray:
    """From a random choice of about the right size, adds, drops or exchanges groups while that helps."""
    order = generator.permutation(len(shares))
    taken = np.zeros(len(shares), bool)
    taken[order[np.cumsum(shares[order].mean(axis=1)) <= fraction]] = True

    def distance(share: np.ndarray) -> np.ndarray:  # [..., classes] -> [...]
        return np.sum((share - fraction) ** 2 + _unusable(share), axis=-1)

    for _ in range(_MOVES):
        inside, outside = (order[taken[order] == side][:_PARTNERS] for side in (True, False))
        moves = [(group,) for group in order] + [(give, take) for give in inside for take in outside]
        signed = np.where(taken[:, None], -shares, shares)  # what flipping a group changes
        single = signed[order]
        double = (signed[inside][:, None] + signed[outside][None]).reshape(-1, shares.shape[1])
        share = shares[taken].sum(axis=0)
        errors = distance(share + np.concatenate([single, double]))
        best = int(np.argmin(errors))
        if errors[best] >= distance(share) - 1e-9:
            break
        taken[list(moves[best])] ^= True
    return taken
