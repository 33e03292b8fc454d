"""Where the classes of a run end and none of these begins, and what it takes and refuses, in numbers and in words."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from ftdata.names import counted
from trainers.models.class_names import in_a_line
from trainers.models.novelty import Novelty

_SHOWN_GROUPS = 30


@dataclasses.dataclass(frozen=True, eq=False)
class Boundary:
    """Where none of the classes of a run begins, and how that was found.

    Attributes:
      novelty: with a distance of 1 where none of these begins.
      about: JSON values: `coverage` that was asked for, `images` and `groups` that were left out, each group with the
        share of its images that is taken by the limit of the others (None where those have none), `prototypes` and
        their `bytes`.
    """

    novelty: Novelty
    about: Mapping[str, Any]

    def in_words(self, test: np.ndarray, others: Mapping[str, np.ndarray]) -> list[str]:
        """A table of the groups, and what is taken here.

        Args:
          test: distances of the images evaluated, float [n].
          others: distances of images of none of the classes, float [m], by what they are.
        """
        groups, wanted = self.about["groups"], self.about["coverage"]
        lines = [
            f"none of these: {wanted:.1%} of images like those left out are to be taken for one of the classes; from "
            f"{counted(len(groups), 'group')} of {self.about['images']:,} images"
        ]
        width = max(len("group left out"), *(len(in_a_line(name)) for name in groups))
        lines.append(f"{'group left out':<{width}}  {'images':>8}  taken, by the limit of the others")
        ranked = sorted(groups.items(), key=lambda item: -1.0 if item[1]["coverage"] is None else item[1]["coverage"])
        for name, row in ranked[:_SHOWN_GROUPS]:
            share = "-" if row["coverage"] is None else f"{row['coverage']:.1%}"
            lines.append(f"{in_a_line(name):<{width}}  {row['images']:>8,}  {share}")
        if len(ranked) > _SHOWN_GROUPS:
            lines.append(f"... and {counted(len(ranked) - _SHOWN_GROUPS, 'group')} with more")
        lines.append(f"here {np.mean(test <= 1):.1%} of {len(test):,} images are taken (the others are false alarms)")
        lines += [
            f"of {len(distances):,} {name} {np.mean(distances <= 1):.1%} are taken for one of the classes (misses)"
            for name, distances in others.items()
        ]
        return lines

    def metrics(self, test: np.ndarray, others: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """JSON values, as `in_words`."""
        missed = {name: {"images": len(row), "missed": float(np.mean(row <= 1))} for name, row in others.items()}
        return {"none_of_these": {**self.about, "test_coverage": float(np.mean(test <= 1)), "others": missed}}
