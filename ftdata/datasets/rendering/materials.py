"""What a shape is made of: metal, plastic, wood, leaf, each lit as a rounded piece of that material.

A paint function reads the slopes of the shape's height field and returns its colours.
"""

import colorsys
from typing import NamedTuple

import numpy as np

from ftdata.datasets.rendering import backgrounds
from ftdata.errors import UserError

Array = np.ndarray


class Surface(NamedTuple):
    """The lit surface of one part of a shape."""

    facing: Array  # float32 [H, W], about -1..1: how far the surface leans towards the light
    across: Array  # float32 [H, W]: the place of a pixel across the shape's long axis, unit 64 pixels
    along: Array  # float32 [H, W]: the same along that axis


def paint(material: str, *, surface: Surface, rng: np.random.Generator) -> Array:
    """Colours of a part, float32 [H, W, 3], about 0..1.

    Raises:
      UserError: for a material that is not one of `MATERIALS`.
    """
    if material not in MATERIALS:
        raise UserError(f"material must be one of {', '.join(MATERIALS)}, got {material!r}")
    return MATERIALS[material](surface, rng)


def _metal(surface: Surface, rng: np.random.Generator) -> Array:
    """Metal mirrors its surroundings: the slope looks up a random line of light and dark."""
    surroundings = rng.random(9) * 0.95 + 0.1
    surroundings[4] = rng.uniform(0.5, 0.9)  # what a flat piece shows
    drift = rng.uniform(-0.2, 0.2) * surface.along + rng.uniform(-0.5, 0.5) * surface.across
    grey = np.interp(surface.facing + drift, np.linspace(-1.2, 1.2, 9), surroundings)
    tints = [(1.0, 1.0, 1.0), (0.96, 0.98, 1.04), (1.05, 1.0, 0.92), (1.12, 0.95, 0.62)]
    tint = tints[rng.choice(4, p=[0.45, 0.25, 0.22, 0.08])]
    return grey.astype(np.float32)[:, :, None] * np.array(tint, np.float32)


def _shaded(color: Array, facing: Array, shine: float) -> Array:
    light = 0.82 + 0.45 * facing
    glint = shine * np.clip(facing - 0.35, 0, 1)
    return color * light[:, :, None] + glint[:, :, None]


def _hsv(hue: float, saturation: float, value: float) -> Array:
    return np.array(colorsys.hsv_to_rgb(hue % 1.0, saturation, value), np.float32)


def _plastic(surface: Surface, rng: np.random.Generator) -> Array:
    plain = rng.random() < 0.35  # white, grey and black ware
    saturation = rng.uniform(0.0, 0.08) if plain else rng.uniform(0.35, 0.95)
    value = rng.choice([0.08, 0.25, 0.92, 0.97]) if plain else rng.uniform(0.3, 0.95)
    return _shaded(_hsv(rng.random(), saturation, value), surface.facing, rng.uniform(0.1, 0.8))


def _wood(surface: Surface, rng: np.random.Generator) -> Array:
    color = _hsv(rng.uniform(0.05, 0.11), rng.uniform(0.35, 0.7), rng.uniform(0.3, 0.85))
    lines = rng.random(64, dtype=np.float32)
    wobble = backgrounds.value_noise(surface.across.shape, cells=4, rng=rng)
    grain = lines[np.floor(surface.across * 50 + wobble * 4).astype(np.intp) % 64]
    return _shaded(color, surface.facing, 0.1) * (0.8 + 0.3 * grain)[:, :, None]


def _leaf(surface: Surface, rng: np.random.Generator) -> Array:
    autumn = rng.random() < 0.3
    hue = rng.uniform(0.02, 0.15) if autumn else rng.uniform(0.2, 0.4)
    color = _hsv(hue, rng.uniform(0.4, 0.85), rng.uniform(0.25, 0.75))
    blotches = backgrounds.value_noise(surface.facing.shape, cells=12, rng=rng)
    return _shaded(color, surface.facing, 0.15) * (0.85 + 0.3 * blotches)[:, :, None]


MATERIALS = {"metal": _metal, "plastic": _plastic, "wood": _wood, "leaf": _leaf}
