"""Whether an image is of none of the classes: how far it lies from all that is known, in the features of a network.

The distance is one minus the cosine to the nearest of a few prototypes: the middles of the clusters of known images,
features of unit length (spherical k-means; Dhillon and Modha, Machine Learning 42, 2001). It stands in for the nearest
of all known images (Sun et al., 2022, arXiv:2204.06507), which would not fit into an export. How far is too far is
conformal (Vovk, Gammerman and Shafer, 2005): of n images that nothing was fitted on, the ceil((n + 1) * coverage)-th
smallest distance. A new group of images lies farther off than known ones do, so each group that was left out gives a
distance of its own, and the largest of them counts.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Novelty:
    """What is known: `prototypes`, float32 [m, channels], of unit length, and the distance that counts as 1."""

    prototypes: np.ndarray
    unit: float = 1.0

    @classmethod
    def of(cls, features: np.ndarray, count: int) -> "Novelty":
        """Of known images: float [n, channels], with up to `count` prototypes."""
        from sklearn.cluster import KMeans

        found = KMeans(min(count, len(features)), n_init=1, random_state=0).fit(_of_unit_length(features))
        return cls(_of_unit_length(found.cluster_centers_).astype(np.float32))

    def distances(self, features: np.ndarray) -> np.ndarray:
        """How far images lie from all that is known: float [n, channels] -> float32 [n], from 0 to 2 / `unit`."""
        cosines = _of_unit_length(features) @ self.prototypes.T.astype(np.float64)
        return ((1 - cosines.max(axis=1)) / self.unit).astype(np.float32)

    def in_units_of(self, distance: float) -> "Novelty":
        """The same with this distance as 1, from which on an image is of none of the classes."""
        return dataclasses.replace(self, unit=self.unit * distance)


def threshold(by_group: Mapping[str, np.ndarray], coverage: float) -> float | None:
    """The distance up to which an image is taken for one of the classes: the largest that a group calls for.

    Args:
      by_group: distances, float [n], of the images of each group, which was left out of what is known.
      coverage: share of the images of a new group that are to be taken, above 0 and below 1.

    Returns:
      None where too few images were left out. Groups with too few images for a distance of their own count together as
      one.
    """
    count = fewest(coverage)
    units = [distances for distances in by_group.values() if len(distances) >= count]
    units.append(np.concatenate([np.zeros(0), *(row for row in by_group.values() if len(row) < count)]))
    return max((_quantile(row, coverage) for row in units if len(row) >= count), default=None)


def fewest(coverage: float) -> int:
    """How many images it takes for a threshold."""
    return int(np.ceil(round(coverage / (1 - coverage), 9)))


def left_out_coverage(by_group: Mapping[str, np.ndarray], coverage: float) -> dict[str, float | None]:
    """The share of the images of each group that is taken by the threshold of the others; None where they have none."""
    found: dict[str, float | None] = {}
    for name, distances in by_group.items():
        others = {other: values for other, values in by_group.items() if other != name}
        limit = threshold(others, coverage) if others else None
        found[name] = None if limit is None else float(np.mean(distances <= limit))
    return found


def _quantile(distances: np.ndarray, coverage: float) -> float:
    rank = int(np.ceil(round((len(distances) + 1) * coverage, 9)))
    return float(np.partition(distances, rank - 1)[rank - 1])


def _of_unit_length(rows: np.ndarray) -> np.ndarray:
    rows = rows.astype(np.float64)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float32).tiny)
