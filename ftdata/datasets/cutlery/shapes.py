"""Outlines of forks, knives and spoons of varied proportions, the head at y = -1, the handle's end at y = 1.

Handles are drawn from one family, so that only the head tells the three apart.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ftdata.datasets.rendering.outlines import Outline, box, ellipse, mirrored, rounded, stroke
from ftdata.datasets.rendering.rendering import Part


class Head(NamedTuple):
    """The part that names the piece."""

    solids: Sequence[Outline]
    dents: Sequence[Outline]
    end: float  # y at which the neck begins


def parts(name: str, *, rng: np.random.Generator) -> list[Part]:
    """The parts of one fork ("forky"), knife ("knifey") or spoon ("spoony")."""
    neck = rng.uniform(0.03, 0.055)
    head = HEADS[name](neck, rng)
    if rng.random() < 0.6:
        ware = str(rng.choice(["metal", "plastic", "wood"], p=[0.7, 0.2, 0.1]))
        return [_whole(head, neck, ware, rng)]
    tang = box(-neck, head.end - 0.06, neck, 0.6)
    return [Part("metal", [*head.solids, tang], (), head.dents), *_thick_handle(head, rng)]


def _fork(neck: float, rng: np.random.Generator) -> Head:
    half, tines = rng.uniform(0.15, 0.22), int(rng.choice([3, 4], p=[0.45, 0.55]))
    root, end = -1 + rng.uniform(0.3, 0.48), -1 + rng.uniform(0.62, 0.85)
    width = 2 * half / (tines + (tines - 1) * rng.uniform(0.75, 1.2))
    splay = rng.uniform(0.85, 1.08)
    palm = mirrored([(half, root - 0.02), (half, root + 0.3 * (end - root)), (half * 0.55, end - 0.1), (neck, end)])
    roots = np.linspace(width / 2 - half, half - width / 2, tines)
    taper = rng.uniform(0.45, 0.85)
    solids = [stroke((x, root + 0.06), (x * splay, -1.0), widths=(width, taper * width)) for x in roots]
    return Head([*solids, rounded(palm)], [], end)


def _spoon(neck: float, rng: np.random.Generator) -> Head:
    length, half = rng.uniform(0.46, 0.68), rng.uniform(0.18, 0.25)
    middle = -1 + length / 2
    bowl = ellipse((0.0, middle), radii=(half, length / 2))
    egg = 1 + rng.uniform(-0.25, 0.3) * (bowl[:, 1] - middle) / length  # wider at the tip or the neck
    bowl = np.stack([bowl[:, 0] * egg, bowl[:, 1]], axis=1)
    rim = rng.uniform(0.72, 0.88)
    hollow = [(bowl - (0, middle)) * rim + (0, middle)] if rng.random() < 0.75 else []  # else its back
    end = -1 + length + rng.uniform(0.05, 0.2)
    throat = mirrored([(half * 0.5, end - 0.35 * length), (neck * 1.2, end - 0.05), (neck, end)])
    return Head([bowl, rounded(throat, rounds=1)], hollow, end)


def _knife(neck: float, rng: np.random.Generator) -> Head:
    end, back = -1 + rng.uniform(0.8, 1.2), rng.uniform(0.04, 0.09)
    edge = rng.uniform(0.07, 0.14)
    kind = BLADES[int(rng.integers(len(BLADES)))]
    blade = kind(end, back, edge)
    dents: list[Outline] = []
    if rng.random() < 0.5:  # the ground edge
        dents = [stroke((edge, end - 0.15), (edge * 0.8, -0.85), widths=(0.05, 0.05))]
    elif rng.random() < 0.5:
        teeth = np.arange(-0.75, end - 0.25, 0.06)
        dents = [box(edge * 0.7, y, edge * 1.2, y + 0.02) for y in teeth]
    bolster = box(-neck * 1.3, end - 0.03, neck * 1.3, end + 0.05)
    return Head([blade, bolster], dents, end)


def _table_blade(end: float, back: float, edge: float) -> Outline:
    points = [(-back, end), (-back, -0.9), (-back * 0.6, -1.0), (edge * 0.6, -1.0), (edge, -0.8), (edge, end)]
    return rounded(np.array(points), rounds=2)


def _butter_blade(end: float, back: float, edge: float) -> Outline:
    wide = 1.35 * edge
    points = [(-back, end), (-back, -0.7), (-back * 1.4, -0.95), (0, -1.02), (wide, -0.95), (wide, -0.4)]
    return rounded(np.array([*points, (edge * 0.5, end - 0.15), (edge * 0.4, end)]), rounds=2)


def _steak_blade(end: float, back: float, edge: float) -> Outline:
    points = [(-back, end), (-back, -0.55), (-back, -1.0), (-back * 0.9, -1.02), (edge, -0.6), (edge, end)]
    return rounded(np.array(points), rounds=1)


BLADES = (_table_blade, _butter_blade, _steak_blade)
HEADS = {"forky": _fork, "knifey": _knife, "spoony": _spoon}


def _whole(head: Head, neck: float, material: str, rng: np.random.Generator) -> Part:
    """Head and handle out of one piece, as stamped tableware is."""
    end, waist = rng.uniform(0.06, 0.12), rng.uniform(0.8, 1.3) * neck
    swell, tip = rng.uniform(0.55, 0.85), rng.uniform(0.2, 1.0)
    half = [(neck, head.end - 0.06), (waist, 0.2), (end, swell), (end, 0.95), (end * tip, 1.0)]
    handle = rounded(mirrored(half), rounds=2)
    holes = [ellipse((0.0, 0.9), radii=(0.4 * end, 0.045), points=16)] if rng.random() < 0.15 else []
    return Part(material, [*head.solids, handle], holes, [*head.dents, *_ornament(end, rng)])


def _ornament(end: float, rng: np.random.Generator) -> list[Outline]:
    kind = rng.integers(4)
    if kind == 0:  # a panel
        return [rounded(box(-0.55 * end, rng.uniform(0.2, 0.6), 0.55 * end, 0.93), rounds=2)]
    if kind == 1:  # a groove
        return [stroke((0, rng.uniform(-0.1, 0.4)), (0, 0.9), widths=(0.03, 0.4 * end))]
    if kind == 2:  # beads
        return [ellipse((0, y), radii=(0.4 * end, 0.03), points=12) for y in np.arange(0.6, 0.95, 0.1)]
    return []


def _thick_handle(head: Head, rng: np.random.Generator) -> list[Part]:
    """A handle of its own material put over the tang, perhaps with rivets."""
    start = max(head.end + 0.02, rng.uniform(-0.15, 0.1))
    front, end = rng.uniform(0.06, 0.085), rng.uniform(0.07, 0.115)
    half = [(front, start), (front * 1.05, start + 0.2), (end, 0.7), (end, 0.98), (end * 0.6, 1.0)]
    handle = Part(str(rng.choice(["plastic", "wood"])), [rounded(mirrored(half), rounds=2)])
    if rng.random() < 0.5:
        return [handle]
    places = np.linspace(start + 0.15, 0.8, int(rng.integers(2, 4)))
    return [handle, Part("metal", [ellipse((0, y), radii=(0.025, 0.025), points=12) for y in places])]
