"""Labels that are probably wrong: what models that have not seen an image say with confidence against its label.

Confident learning (Northcutt, Jiang and Chuang: Confident Learning: Estimating Uncertainty in Dataset Labels, JAIR 70,
2021): a class is believed of an image where its probability reaches the mean that images labelled so give it. An image
is suspect where its most probable class is not its label, and a class is believed of it that is not its label either.
"""

import csv
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ftdata.names import counted
from trainers.evaluation import tiles
from trainers.evaluation.scores import Evaluation
from trainers.models.class_names import in_a_line
from trainers.rundir.run_dir import write_atomically

_SHOWN = 25
_MOST = 0.2  # of the images


@dataclasses.dataclass(frozen=True, eq=False)
class LabelErrors:
    """Images whose labels are probably wrong, those contradicted most first.

    Attributes:
      places: of the images, int64 [k].
      suggested: the class that is believed instead, int64 [k].
      judged: every image, by a model that has not seen it.
    """

    places: np.ndarray
    suggested: np.ndarray
    judged: Evaluation

    @classmethod
    def of(cls, judged: Evaluation) -> "LabelErrors":
        """What `judged`, every image by a model that has not seen it, contradicts with confidence."""
        labels, parts = judged.labels, [np.zeros(0)]
        for block in judged.by_image():  # of many classes there is no room for the probabilities of all images
            done = sum(map(len, parts))
            parts.append(block[np.arange(len(block)), labels[done : done + len(block)]])
        own = np.concatenate(parts)
        counts = np.bincount(labels, minlength=judged.num_classes)
        sums = np.bincount(labels, own, minlength=judged.num_classes)
        enough = np.divide(sums, counts, out=np.full(len(counts), np.inf), where=counts > 0)
        believed = (np.where(block >= enough, block, -1.0) for block in judged.by_image())
        found = [(block.argmax(axis=1), block.max(axis=1)) for block in believed]
        suggested, against = (np.concatenate(column) for column in zip(*found, strict=True))
        places = np.flatnonzero((against >= 0) & (suggested != labels) & (judged.predicted != labels))
        places = places[np.argsort((own - against)[places], kind="stable")]
        return cls(places, suggested[places], judged)

    def __len__(self) -> int:
        return len(self.places)

    @property
    def are_too_many(self) -> bool:
        """Whether so many are contradicted that it is rather the models that are wrong."""
        return len(self) > _MOST * len(self.judged.labels)

    @property
    def in_words(self) -> str:
        """`12 labels may be wrong`."""
        return f"{counted(len(self), 'label')} may be wrong"

    def lines(self, folder: Path) -> list[str]:
        """What a user is told of them, their files being in `folder`; nothing where there are none."""
        if not self:
            return []
        if self.are_too_many:
            count = counted(len(self.judged.labels), "label")
            return [f"the heads contradict {len(self):,} of {count}: they know too little to tell which are wrong"]
        picture, table = folder / "label_errors.png", folder / "label_errors.csv"
        return [
            f"{self.in_words}: look at {picture}. Copy {table}, remove the lines whose label is right, and train with "
            "--exclude_csv=COPY; or move the images to the right class"
        ]

    @property
    def _probabilities(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the label and of what is suggested, float64 [k] each."""
        chosen = self.judged.probabilities_of(self.places)
        rows = np.arange(len(chosen))
        return chosen[rows, self.judged.labels[self.places]], chosen[rows, self.suggested]

    def write(self, path: Path, names: Sequence[str], class_names: Sequence[str]) -> None:
        """A CSV of file, label, suggested and their probabilities, that `--exclude_csv` reads, atomically.

        Args:
          path: of the file.
          names: of all n images.
          class_names: of the classes.
        """
        columns = ("file", "label", "suggested", "probability_of_label", "probability_of_suggested")
        rows = zip(self.places, self.judged.labels[self.places], self.suggested, *self._probabilities, strict=True)

        def write(temporary: Path) -> None:
            with temporary.open("w", newline="", encoding="utf-8") as stream:
                table = csv.writer(stream)
                table.writerow(columns)
                table.writerows(
                    [names[place], class_names[label], class_names[other], f"{one:.6f}", f"{another:.6f}"]
                    for place, label, other, one, another in rows
                )

        write_atomically(path, write)

    def picture(self, images_at: Callable[[np.ndarray], np.ndarray], class_names: Sequence[str]) -> Figure:
        """The first of them, with their labels and what is suggested.

        Args:
          images_at: int [k] -> uint8 [k, height, width, 3].
          class_names: of the classes.
        """
        shown, told = self.places[:_SHOWN], [in_a_line(name) for name in class_names]
        captions = [
            f"labelled: {told[self.judged.labels[place]]}\nsuggested: {told[other]} {share:.0%}"
            for place, other, share in zip(shown, self.suggested, self._probabilities[1], strict=False)
        ]
        title = self.in_words + (f": the first {_SHOWN}" if len(self) > _SHOWN else "")
        return tiles.image_grid(images_at(shown), captions, title=title)
