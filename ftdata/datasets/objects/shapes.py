"""Outlines of twelve kinds of things that are no cutlery, each about the unit circle in size."""

import numpy as np

from ftdata.datasets.rendering.outlines import (
    Outline,
    band,
    box,
    ellipse,
    mirrored,
    moved,
    rounded,
    star,
    stroke,
    turned,
)
from ftdata.datasets.rendering.rendering import Part

Random = np.random.Generator


def parts(name: str, *, rng: Random) -> list[Part]:
    """The parts of one thing of the kind `name`, a key of `SHAPES`."""
    return SHAPES[name](rng)


def _ware(rng: Random, *, metal: float) -> str:
    return str(rng.choice(["metal", "plastic", "wood"], p=[metal, 0.75 * (1 - metal), 0.25 * (1 - metal)]))


def _arrow(rng: Random) -> list[Part]:
    half, shaft = rng.uniform(0.35, 0.6), rng.uniform(0.08, 0.2)
    neck = -0.9 + rng.uniform(0.5, 0.85)
    barb = neck + rng.uniform(-0.1, 0.15)
    outline = mirrored([(0.0, -0.95), (half, barb), (shaft, neck), (shaft, 0.9)])
    return [Part(_ware(rng, metal=0.3), [rounded(outline, rounds=int(rng.integers(0, 2)))])]


def _bottle(rng: Random) -> list[Part]:
    half, neck = rng.uniform(0.24, 0.4), rng.uniform(0.08, 0.13)
    shoulder = rng.uniform(-0.35, 0.0)
    foot = [(half, 0.9), (half * 0.9, 0.95)]
    profile = [(neck, -0.85), (neck, shoulder - 0.25), (half, shoulder + 0.1), *foot]
    glass = Part("plastic", [rounded(mirrored(profile), rounds=2)])
    cap = Part(_ware(rng, metal=0.5), [box(-neck * 1.2, -0.97, neck * 1.2, -0.8)])
    if rng.random() < 0.3:
        return [glass, cap]
    top, bottom = shoulder + rng.uniform(0.2, 0.3), rng.uniform(0.55, 0.8)
    return [glass, cap, Part("plastic", [box(-half, top, half, bottom)])]


def _cross(rng: Random) -> list[Part]:
    long, wide, thick = 0.9, rng.uniform(0.5, 0.9), rng.uniform(0.1, 0.24)
    center = rng.uniform(-0.35, 0.0) if wide < 0.75 else 0.0
    bars = [box(-thick, -long, thick, long), box(-wide, center - thick, wide, center + thick)]
    dents = [box(-thick * 0.4, -long * 0.9, thick * 0.4, long * 0.9)] if rng.random() < 0.3 else []
    return [Part(_ware(rng, metal=0.4), bars, (), dents)]


def _cup(rng: Random) -> list[Part]:
    top, bottom = rng.uniform(0.5, 0.65), rng.uniform(0.3, 0.6)
    height, depth = rng.uniform(0.5, 0.75), rng.uniform(0.1, 0.22)
    side = 0.5 * (top + bottom)
    body = mirrored([(top, -height), (side + 0.08, 0.2 * height), (bottom, height)])
    foot, rim = ellipse((0, height), radii=(bottom, 0.7 * depth)), ellipse((0, -height), radii=(top, depth))
    ear = band(ellipse((side, 0), radii=(0.38, 0.42)), inner=ellipse((side, 0), radii=(0.25, 0.28)))
    hollow = ellipse((0, -height), radii=(top * 0.9, depth * 0.8))
    cup = Part(_ware(rng, metal=0.15), [ear, body, foot, rim], (), [hollow])
    drink = Part(str(rng.choice(["plastic", "wood"])), [hollow])
    return [cup, drink] if rng.random() < 0.6 else [cup]


def _gear(rng: Random) -> list[Part]:
    teeth, root = int(rng.integers(7, 15)), rng.uniform(0.62, 0.75)
    tooth = mirrored([(rng.uniform(0.35, 0.8) * 0.9 / teeth, -0.9), (1.6 * 0.75 / teeth, -root + 0.1)])
    solids = [turned(tooth, degrees=360 * k / teeth) for k in range(teeth)]
    disc, plate, hub = (ellipse((0, 0), radii=(r, r)) for r in (root, 0.85 * root, rng.uniform(0.12, 0.35)))
    dents = [plate] if rng.random() < 0.4 else []
    return [Part(_ware(rng, metal=0.7), [*solids, disc], [hub], dents)]


def _hammer(rng: Random) -> list[Part]:
    thick, half = rng.uniform(0.08, 0.13), rng.uniform(0.14, 0.22)
    grip = mirrored([(thick * 0.7, -0.7), (thick * 0.8, 0.2), (thick * 1.2, 0.6), (thick, 0.95)])
    handle = Part(str(rng.choice(["wood", "plastic", "metal"], p=[0.6, 0.3, 0.1])), [rounded(grip)])
    face = box(0.3, -0.72 - half, 0.55, -0.72 + half)
    middle = box(-0.25, -0.72 - 0.75 * half, 0.4, -0.72 + 0.75 * half)
    drop = rng.uniform(0.0, 0.25)
    claw = np.array([(-0.2, -0.72 - half * 0.75), (-0.62, -0.72 + drop), (-0.2, -0.72 + half * 0.75)])
    peen = box(-0.55, -0.72 - half, -0.25, -0.72 + half)
    back = claw if rng.random() < 0.65 else peen
    return [handle, Part(_ware(rng, metal=0.85), [face, middle, back])]


def _key(rng: Random) -> list[Part]:
    bow, shaft = rng.uniform(0.28, 0.4), rng.uniform(0.05, 0.09)
    head = ellipse((0, -0.95 + bow), radii=(bow * rng.uniform(0.8, 1.15), bow))
    hole = ellipse((0, -0.95 + bow), radii=(bow * 0.5, bow * rng.uniform(0.35, 0.65)))
    shank = box(-shaft, -0.95 + 1.8 * bow, shaft, 0.95)
    places = np.linspace(0.5, 0.85, int(rng.integers(2, 4)))
    bits = [box(0, y - 0.06, shaft + rng.uniform(0.1, 0.26), y + 0.06) for y in places]
    return [Part(_ware(rng, metal=0.85), [head, shank, *bits], [hole])]


def _leaf(rng: Random) -> list[Part]:
    half, widest = rng.uniform(0.28, 0.5), rng.uniform(-0.2, 0.3)
    tip, foot = [(0.0, -0.95)], [(half * 0.4, 0.6), (0.02, 0.72)]
    half_outline = [*tip, (half * 0.8, widest - 0.3), (half, widest + 0.1), *foot]
    stem = stroke((0, 0.65), (rng.uniform(-0.1, 0.1), 1.0), widths=(0.06, 0.04))
    middle = stroke((0, -0.85), (0, 0.72), widths=(0.02, 0.06))
    veins = [
        stroke((0, y), (side * half * 0.75, y - 0.25), widths=(0.04, 0.02))
        for y in np.arange(-0.3, 0.6, 0.2)
        for side in (-1, 1)
    ]
    return [Part("leaf", [rounded(mirrored(half_outline), rounds=2), stem], (), [middle, *veins])]


def _ring(rng: Random) -> list[Part]:
    thick, squash = rng.uniform(0.1, 0.24), rng.uniform(0.75, 1.0)
    outer = ellipse((0, 0), radii=(0.8 * squash, 0.8), points=60)
    inner = ellipse((0, 0), radii=((0.8 - thick) * squash, 0.8 - thick), points=60)
    band = Part(_ware(rng, metal=0.75), [outer], [inner])
    if rng.random() < 0.5:
        return [band]
    gem = star(4, inner=0.17, outer=rng.uniform(0.2, 0.26))
    return [band, Part("plastic", [moved(gem, by=(0, -0.8))])]


def _scissors(rng: Random) -> list[Part]:
    opening, width, bow = rng.uniform(8, 24), rng.uniform(0.14, 0.2), rng.uniform(0.22, 0.3)
    tip, back = (0.02, -1.0), width / 2
    blade = np.array([(-back, 0.2), (-back, -0.4), tip, (back, -0.3), (back, 0.2)])
    center = (-0.2, 0.95 - bow)
    arm = stroke((0.0, 0.1), (-0.17, center[1] - 0.8 * bow), widths=(0.15, 0.12))
    eye = band(ellipse(center, radii=(bow * 0.8, bow)), inner=ellipse(center, radii=(bow * 0.5, bow * 0.65)))

    def both(piece: Outline) -> list[Outline]:
        return [turned(piece * (side, 1.0), degrees=side * opening) for side in (-1.0, 1.0)]

    handles = Part(str(rng.choice(["plastic", "metal"], p=[0.75, 0.25])), [*both(arm), *both(eye)])
    blades = [Part("metal", [piece]) for piece in both(blade)]
    return [*blades, handles, Part("metal", [ellipse((0, 0), radii=(0.05, 0.05), points=14)])]


def _star(rng: Random) -> list[Part]:
    spikes = int(rng.choice([5, 6, 7], p=[0.6, 0.25, 0.15]))
    outline = star(spikes, inner=rng.uniform(0.35, 0.55), outer=0.9)
    return [Part(_ware(rng, metal=0.4), [rounded(outline, rounds=int(rng.integers(0, 2)))])]


def _wrench(rng: Random) -> list[Part]:
    jaw, thick = rng.uniform(0.26, 0.36), rng.uniform(0.08, 0.13)
    head = ellipse((0, -0.65), radii=(jaw, jaw))
    gap = jaw * rng.uniform(0.38, 0.5)
    notch = turned(_slot(gap), degrees=rng.uniform(-20, 20), about=(0, -0.65))
    shank = box(-thick, -0.6, thick, 0.7)
    if rng.random() < 0.5:
        end = jaw * 0.8
        second = ellipse((0, 0.7), radii=(end, end))
        hole = moved(star(6, inner=end * 0.5, outer=end * 0.58), by=(0, 0.7))
    else:
        second, hole = turned(head, degrees=180), turned(notch, degrees=180)
    return [Part(_ware(rng, metal=0.9), [head, shank, second], [notch, hole])]


def _slot(gap: float) -> Outline:
    return mirrored([(gap, -1.2), (gap, -0.68), (0.5 * gap, -0.58)])


SHAPES = {
    "arrow": _arrow,
    "bottle": _bottle,
    "cross": _cross,
    "cup": _cup,
    "gear": _gear,
    "hammer": _hammer,
    "key": _key,
    "leaf": _leaf,
    "ring": _ring,
    "scissors": _scissors,
    "star": _star,
    "wrench": _wrench,
}
