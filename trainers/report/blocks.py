"""What a section of a page is made of; the template `blocks.html` knows how each kind is drawn."""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

from trainers.report.charts import Chart

MOST_ROWS = 100  # of a table; the files of the run have all
Cell = str | int | float | None


@dataclasses.dataclass(frozen=True)
class Text:
    """A paragraph."""

    kind: ClassVar[str] = "text"
    text: str
    is_warning: bool = False


@dataclasses.dataclass(frozen=True)
class Command:
    """A command line to copy, and what it is for."""

    kind: ClassVar[str] = "command"
    about: str
    line: str


@dataclasses.dataclass(frozen=True)
class Lines:
    """Lines of a report for a screen, in columns."""

    kind: ClassVar[str] = "lines"
    lines: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of cells, the first of each its name; the others are numbers unless `is_text`."""

    kind: ClassVar[str] = "table"
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    is_text: bool = False


@dataclasses.dataclass(frozen=True)
class Matrix:
    """A confusion matrix: counts by true class (rows) and predicted class, each with its share of the true class."""

    kind: ClassVar[str] = "matrix"
    caption: str
    names: Sequence[str]
    rows: Sequence[Sequence[tuple[int, float]]]

    @property
    def is_large(self) -> bool:
        """Whether it takes the whole width, in small cells that show the count alone."""
        return len(self.names) > 8


@dataclasses.dataclass(frozen=True)
class Figure:
    """An image in the page itself: a data URI, its size in pixels, and what it shows in words."""

    kind: ClassVar[str] = "figure"
    uri: str
    width: int
    height: int
    alt: str
    caption: str
    is_plot: bool = False  # lines and letters on white


@dataclasses.dataclass(frozen=True)
class Gallery:
    """Images beside each other, each with its caption, whose lines are lines; what all are, and for who cannot see."""

    kind: ClassVar[str] = "gallery"
    caption: str
    about: str
    figures: Sequence[Figure]


@dataclasses.dataclass(frozen=True)
class Row:
    """Blocks beside each other where there is room."""

    kind: ClassVar[str] = "row"
    blocks: Sequence[Any]


@dataclasses.dataclass(frozen=True)
class Stack:
    """Blocks below each other, as one of a row."""

    kind: ClassVar[str] = "stack"
    blocks: Sequence[Any]


@dataclasses.dataclass(frozen=True)
class Folded:
    """Blocks that are shown when they are asked for."""

    kind: ClassVar[str] = "folded"
    summary: str
    blocks: Sequence[Any]


Block = Text | Command | Lines | Table | Matrix | Figure | Gallery | Row | Stack | Folded | Chart


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of a page under a heading of its own; `key` is its address. Two that are narrow may stand side by side."""

    key: str
    title: str
    blocks: Sequence[Block]
    is_narrow: bool = False


def percent(share: float | None) -> str:
    """`93.5%`, as every share of a page is written; a dash for what is not known."""
    return "-" if share is None else f"{share:.1%}"


def between(bounds: Sequence[float]) -> str:
    """`90.1% to 95.2%`."""
    return f"{bounds[0]:.1%} to {bounds[1]:.1%}"
