"""Which images are held out where an image may have several labels, or none: the hash decides, as in `holdout`.

Iterative stratification (Sechidis et al., 2011) would give closer shares, but deals all images again when one is added.
Here an image stays on its side whatever comes (but for one that a class of few had to give), and the shares of the
classes are those of chance.
"""

from collections.abc import Sequence

import numpy as np

from ftdata.sources import holdout


def held_out(
    labels: np.ndarray,
    places: np.ndarray,
    *,
    fraction: float,
    grouped: bool = False,
    class_names: Sequence[str] = (),
) -> np.ndarray:
    """Marks the images to hold out; images of one place stay together.

    Those with places below `fraction` are held out. A class of which that takes no image, or all, gives the one with
    the lowest place, or keeps the one with the highest, as long as it has two places; the classes with the fewest
    images come last, so that theirs is the last word. With groups their choice is only the start, as in
    `holdout.held_out`: the images as a whole, without regard to labels, count as one more class.

    Args:
      labels: float32 [n, num_classes] of 0 and 1.
      places: float [n] from 0 to 1, of `holdout.places`.
      fraction: share to hold out, 0 <= fraction < 1.
      grouped: whether the places are those of groups.
      class_names: for the message of an error; without them it has the number of the class.

    Returns:
      bool [n], True where held out.

    Raises:
      UserError: the groups leave a class without a training or without a held-out image.
    """
    if fraction <= 0 or not len(labels):
        return np.zeros(len(labels), bool)
    shows = labels > 0
    if not grouped:
        return _each_by_itself(shows, places, fraction)
    everything = np.column_stack([shows, np.ones(len(shows), bool)])
    everything = everything[:, everything.any(axis=0)]
    own, group = np.unique(places, return_inverse=True)
    counts = np.zeros((len(own), everything.shape[1]))
    np.add.at(counts, group, everything)
    chosen = holdout.search(counts, own, fraction)[group]
    for k in np.flatnonzero(shows.any(axis=0)).tolist():
        share = chosen[shows[:, k]].mean()
        if share in (0.0, 1.0):
            raise holdout.one_sided(class_names[k] if class_names else k, share, places[shows[:, k]])
    return chosen


def _each_by_itself(shows: np.ndarray, places: np.ndarray, fraction: float) -> np.ndarray:
    chosen = places < fraction
    for k in np.argsort(-shows.sum(axis=0), kind="stable"):
        here = np.unique(places[shows[:, k]])
        if len(here) > 1 and not chosen[shows[:, k]].any():
            chosen |= places == here[0]
        if len(here) and chosen[shows[:, k]].all():
            chosen &= places != here[-1]
    return chosen
