"""Line charts as the page draws them in SVG: numbers become places, 400 units wide, 260 high, of few points 150."""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np

WIDTH, HEIGHT, _LOW = 400, 260, 150
_FEW = 2  # points of a line, that no curve can be seen in
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 24, 14, 40
_MOST_MARKERS, _MOST_POINTS = 40, 200
COLORS = 8  # that the style sheet has, series-0 to series-7

Span = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Line:
    """A series: its values at x, None where there is none; `color` 0 to 7, `dashed` where it is not the main one."""

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    color: int
    dashed: bool = False

    @property
    def style(self) -> str:
        """Its classes in the style sheet."""
        return f"series-{self.color % COLORS}{' dashed' if self.dashed else ''}"


@dataclasses.dataclass(frozen=True)
class Tick:
    """A number at an axis: where, and as text."""

    place: float
    text: str


@dataclasses.dataclass(frozen=True)
class Chart:
    """A chart: `key` is unique on its page, `about` says in a sentence what is seen.

    Attributes:
      key: of its elements.
      title: above it.
      about: for who cannot see it.
      lines: what is drawn.
      x_label: of the axis.
      y_label: of the axis.
      x_range: of the axis; that of the values if None.
      y_range: likewise.
      switches: (x, text) of vertical lines.
      whole: whether x counts something.
      x_shares: whether x is a share, from 0 to 1, and its numbers percents.
      y_shares: likewise.
    """

    kind: ClassVar[str] = "chart"
    key: str
    title: str
    about: str
    lines: Sequence[Line]
    x_label: str
    y_label: str
    x_range: Span | None = None
    y_range: Span | None = None
    switches: Sequence[tuple[float, str]] = ()
    whole: bool = False
    x_shares: bool = False
    y_shares: bool = False

    @property
    def is_compact(self) -> bool:
        """Whether no line has points at more than two places."""
        return all(self.known(line) <= _FEW for line in self.lines)

    @property
    def width(self) -> int:
        """Units from left to right."""
        return WIDTH

    @property
    def height(self) -> int:
        """Units from top to bottom."""
        return _LOW if self.is_compact else HEIGHT

    @staticmethod
    def known(line: Line) -> int:
        """At how many places a line has points: where a phase starts, the one before has ended."""
        return len({x for x, y in zip(line.x, line.y, strict=True) if y is not None and math.isfinite(y)})

    @property
    def frame(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the area of the lines."""
        return _LEFT, _TOP, WIDTH - _RIGHT, self.height - _BOTTOM

    @property
    def across(self) -> list[Tick]:
        """Numbers at the x axis."""
        low, high = self._x_range
        numbers = _ticks(low, high, most=8, whole=self.whole, shares=self.x_shares)
        return [Tick(round(self.place_x(value), 1), text) for value, text in numbers]

    @property
    def up(self) -> list[Tick]:
        """Numbers at the y axis."""
        numbers = _ticks(*self._y_range, most=3 if self.is_compact else 6, whole=False, shares=self.y_shares)
        return [Tick(round(self.place_y(value), 1), text) for value, text in numbers]

    def place_x(self, value: float) -> float:
        """Units from the left."""
        low, high = self._x_range
        return _LEFT + (value - low) / (high - low) * (WIDTH - _LEFT - _RIGHT)

    def place_y(self, value: float) -> float:
        """Units from the top."""
        low, high = self._y_range
        share = min(1.0, max(0.0, (value - low) / (high - low)))
        return self.height - _BOTTOM - share * (self.height - _TOP - _BOTTOM)

    def paths(self, line: Line) -> list[str]:
        """The points of each unbroken part of a line, for a polyline."""
        parts: list[list[str]] = [[]]
        for x, y in _thinned(line):
            if y is None or not math.isfinite(y):
                parts.append([])
            else:
                parts[-1].append(f"{self.place_x(x):.1f},{self.place_y(y):.1f}")
        return [" ".join(part) for part in parts if part]

    def markers(self, line: Line) -> list[tuple[float, float]]:
        """The places of its points where they are few."""
        known = [(x, y) for x, y in zip(line.x, line.y, strict=True) if y is not None and math.isfinite(y)]
        return [(round(self.place_x(x), 1), round(self.place_y(y), 1)) for x, y in known[: _MOST_MARKERS + 1]] * (
            len(known) <= _MOST_MARKERS
        )

    @property
    def _x_range(self) -> Span:
        return self.x_range or _span(value for line in self.lines for value in line.x)

    @property
    def _y_range(self) -> Span:
        low, high = self.y_range or _span(value for line in self.lines for value in line.y)
        return low, min(high, 1.0) if self.y_shares else high


def _span(values: Iterator[float | None]) -> Span:
    known = [value for value in values if value is not None and math.isfinite(value)] or [0.0, 1.0]
    low, high = min(known), max(known)
    room = 0.04 * (high - low) or 0.5
    return (low - room if low < 0 or low > room else 0.0), high + room


def _thinned(line: Line) -> Iterator[tuple[float, float | None]]:
    count = len(line.x)
    for place in np.unique(np.linspace(0, count - 1, min(count, _MOST_POINTS)).astype(int)):
        yield line.x[place], line.y[place]


def _ticks(low: float, high: float, *, most: int, whole: bool, shares: bool = False) -> list[tuple[float, str]]:
    """Round numbers from `low` to `high`, at most about `most`, with as many decimals as they need, or as percents."""
    if shares:
        return [(value / 100, f"{text}%") for value, text in _ticks(100 * low, 100 * high, most=most, whole=whole)]
    rough = (high - low) / most
    unit = 10 ** math.floor(math.log10(rough))
    step = next(factor * unit for factor in (1, 2, 5, 10) if factor * unit >= rough)
    step = max(1.0, step) if whole else step
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [(place * step, f"{place * step:.{decimals}f}") for place in range(first, last + 1)]
