"""Outlines of drawn shapes: closed polygons, float64 [points, 2], columns (x, y).

Shapes live in a square of their own: the middle of a shape is (0, 0), its long half reaches 1, y points
down as in an image. What a shape looks like in pixels is `ftdata.datasets.rendering.rendering`'s affair.
"""

from collections.abc import Sequence

import numpy as np

Outline = np.ndarray
Point = tuple[float, float]


def ellipse(center: Point, *, radii: Point, points: int = 36) -> Outline:
    """An ellipse with its axes along x and y."""
    angles = np.linspace(0.0, 2 * np.pi, points, endpoint=False)
    return np.stack([center[0] + radii[0] * np.cos(angles), center[1] + radii[1] * np.sin(angles)], axis=1)


def band(outer: Outline, *, inner: Outline) -> Outline:
    """A closed loop of material: the outer outline and back along the inner one."""
    return np.concatenate([outer, outer[:1], inner[:1], inner[::-1]])


def box(x0: float, y0: float, x1: float, y1: float) -> Outline:
    """A rectangle between two corners."""
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], float)


def mirrored(half: Sequence[Point]) -> Outline:
    """A shape symmetrical about the y axis from its right half: (half width, y) from top to bottom."""
    right = np.array(half, float)
    return np.concatenate([right, right[::-1] * (-1.0, 1.0)])


def rounded(outline: Outline, *, rounds: int = 2) -> Outline:
    """Cuts every corner `rounds` times (Chaikin's rule: keep the quarter points of each edge)."""
    for _ in range(rounds):
        following = np.roll(outline, -1, axis=0)
        quarters = [0.75 * outline + 0.25 * following, 0.25 * outline + 0.75 * following]
        outline = np.stack(quarters, axis=1).reshape(-1, 2)
    return outline


def stroke(start: Point, end: Point, *, widths: Point) -> Outline:
    """A thick straight line; `widths` are its full widths at the start and at the end."""
    first, last = np.array(start, float), np.array(end, float)
    along = (last - first) / max(float(np.hypot(*(last - first))), 1e-9)
    across = np.array([-along[1], along[0]])
    out, back = across * widths[0] / 2, across * widths[1] / 2
    return np.array([first + out, last + back, last - back, first - out])


def star(spikes: int, *, inner: float, outer: float) -> Outline:
    """A star, the first spike pointing up; `inner` and `outer` are the radii of notches and tips."""
    angles = np.arange(2 * spikes) * np.pi / spikes - np.pi / 2
    radii = np.where(np.arange(2 * spikes) % 2 == 0, outer, inner)
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)


def moved(outline: Outline, *, by: Point) -> Outline:
    """The outline shifted by (x, y)."""
    return outline + np.array(by)


def turned(outline: Outline, *, degrees: float, about: Point = (0.0, 0.0)) -> Outline:
    """The outline turned clockwise as seen in the image."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return (outline - about) @ np.array([(cos, sin), (-sin, cos)]) + about
