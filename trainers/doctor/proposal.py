"""Groups that the file names may tell, for a user to look at: nothing is divided by them unasked."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.figure import Figure

from ftdata.names import counted
from ftdata.sources.split import Split
from trainers.doctor import duplicates, grouping
from trainers.doctor.grouping import Grouping
from trainers.doctor.survey import survey
from trainers.evaluation import tiles

_SHOWN_GROUPS, _SHOWN_IMAGES = 8, 6


def propose(split: Split) -> Grouping | None:
    """The pattern over file names that keeps images that look alike together, if there is one."""
    seen = survey({"all": split})["all"]
    usable = np.flatnonzero(seen.is_readable & ~seen.is_blank)
    alike = duplicates.pairs(seen.hashes[usable], seed=0)
    return grouping.suggest(split.names.take(usable), split.labels[usable], alike, splits=2)


def picture(of_image: np.ndarray, names: Sequence[str], images_at: Callable[[np.ndarray], np.ndarray]) -> Figure:
    """A row of images, evenly spread, of each of the first groups.

    Args:
      of_image: the group of each image, int [n], a place in `names`.
      names: of the groups.
      images_at: int [k] -> uint8 [k, height, width, 3].
    """
    shown, captions = [], list[str]()
    for place, name in enumerate(names[:_SHOWN_GROUPS]):
        members = np.flatnonzero(of_image == place)
        some = members[np.linspace(0, len(members) - 1, _SHOWN_IMAGES).astype(int)]
        shown.append(some)
        captions += [f"{name}: {counted(len(members), 'image')}", *[""] * (_SHOWN_IMAGES - 1)]
    places = np.concatenate(shown)
    unique, back = np.unique(places, return_inverse=True)
    title = f"{len(shown)} of {len(names)} proposed groups" if len(names) > len(shown) else "proposed groups"
    return tiles.image_grid(images_at(unique)[back], captions, title=title, columns=_SHOWN_IMAGES)
