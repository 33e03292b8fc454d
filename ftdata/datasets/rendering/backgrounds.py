"""Images of surfaces to lay a shape on: wood, weave, gradient, noise, stone and tiles.

Each is a pure function of a numpy Generator and returns float32 [size, size, 3], 0..1.
"""

import colorsys
import functools
import math

import numpy as np
from PIL import Image

from ftdata.errors import UserError

Array = np.ndarray
Range = tuple[float, float]


def draw(family: str, *, size: int, rng: np.random.Generator) -> Array:
    """A surface of one of the `FAMILIES`, float32 [size, size, 3], 0..1.

    Args:
      family: the kind of surface.
      size: of the image, pixels.
      rng: the only source of chance.

    Raises:
      UserError: for an unknown family.
    """
    if family not in FAMILIES:
        raise UserError(f"family must be one of {', '.join(FAMILIES)}, got {family!r}")
    return np.clip(FAMILIES[family](size, rng), 0.0, 1.0).astype(np.float32, copy=False)


def value_noise(shape: tuple[int, int], *, cells: int, rng: np.random.Generator) -> Array:
    """Smooth noise, float32 [height, width], about 0..1, of `cells` bumps each way."""
    lattice = Image.fromarray(rng.random((cells, cells), dtype=np.float32))
    return np.asarray(lattice.resize(shape[::-1], Image.Resampling.BICUBIC))


@functools.cache
def pixel_grid(size: int) -> tuple[Array, Array]:
    """(x, y) of every pixel, each float32 [size, size], -1..1."""
    line = ((np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1).astype(np.float32)
    x, y = np.meshgrid(line, line)
    return x, y


def _turned_grid(size: int, rng: np.random.Generator) -> tuple[Array, Array]:
    x, y = pixel_grid(size)
    angle = rng.uniform(0, 2 * np.pi)
    cos, sin = math.cos(angle), math.sin(angle)
    return cos * x + sin * y, cos * y - sin * x


def _color(rng: np.random.Generator, *, saturation: Range, value: Range) -> Array:
    hue = rng.random()
    low, high = saturation
    strength = low + (high - low) * rng.random() ** 2  # most surfaces are dull
    rgb = colorsys.hsv_to_rgb(hue, strength, rng.uniform(*value))
    return np.array(rgb, np.float32)


def _mix(low: Array, high: Array, amount: Array) -> Array:
    return low + (high - low) * amount[:, :, None]


def _wood(size: int, rng: np.random.Generator) -> Array:
    u, _ = _turned_grid(size, rng)
    bend = value_noise((size, size), cells=4, rng=rng)
    lines = rng.random(256, dtype=np.float32)
    grain = lines[np.floor(u * 40 + bend * 6).astype(np.intp) % 256]
    rings = np.sin((u + 0.3 * bend) * rng.uniform(10, 30))
    hue, strength, dark = rng.uniform(0.05, 0.12), rng.uniform(0.3, 0.65), rng.uniform(0.2, 0.7)
    light = dark + rng.uniform(0.1, 0.25)
    low, high = (np.array(colorsys.hsv_to_rgb(hue, strength, tone), np.float32) for tone in (dark, light))
    boards = rng.uniform(0.5, 1.3)
    seam = np.abs((u / boards + 0.37) % 1.0 - 0.5) > 0.49
    image = _mix(low, high, 0.45 + 0.25 * rings + 0.3 * (grain - 0.5))
    return image * (1 - 0.45 * seam[:, :, None].astype(np.float32))


def _weave(size: int, rng: np.random.Generator) -> Array:
    u, v = _turned_grid(size, rng)
    pitch = rng.uniform(45, 110)
    threads = np.sin(u * pitch) * np.sin(v * pitch)
    band = rng.uniform(3, 14)
    cloth = _color(rng, saturation=(0.05, 0.8), value=(0.35, 0.95))
    other = _color(rng, saturation=(0.05, 0.8), value=(0.25, 0.95))
    stripes = (np.sin(u * band) > rng.uniform(-0.3, 0.8)).astype(np.float32)
    if rng.random() < 0.6:
        stripes = 0.5 * (stripes + (np.sin(v * band) > rng.uniform(-0.3, 0.8)))
    folds = value_noise((size, size), cells=int(rng.integers(3, 6)), rng=rng)
    image = _mix(cloth, other, stripes * rng.uniform(0.0, 0.9))
    return image * (0.78 + 0.12 * threads + 0.3 * folds)[:, :, None]


def _gradient(size: int, rng: np.random.Generator) -> Array:
    u, _ = _turned_grid(size, rng)
    low = _color(rng, saturation=(0.0, 0.6), value=(0.15, 0.9))
    high = _color(rng, saturation=(0.0, 0.6), value=(0.3, 1.0))
    soft = value_noise((size, size), cells=3, rng=rng)
    return _mix(low, high, 0.5 + 0.3 * u + 0.4 * (soft - 0.5))


def _noise(size: int, rng: np.random.Generator) -> Array:
    layers = [(cells, value_noise((size, size), cells=cells, rng=rng)) for cells in (4, 9, 20, 45)]
    steepness, contrast = rng.uniform(0.3, 0.9), rng.uniform(0.3, 1.0)
    amount = sum((layer - 0.5) * (4 / cells) ** steepness for cells, layer in layers)
    low = _color(rng, saturation=(0.1, 0.7), value=(0.15, 0.6))
    high = _color(rng, saturation=(0.0, 0.5), value=(0.5, 0.95))
    return _mix(low, high, 0.5 + contrast * amount)


def _stone(size: int, rng: np.random.Generator) -> Array:
    base = _color(rng, saturation=(0.0, 0.2), value=(0.35, 0.9))
    cloud = value_noise((size, size), cells=6, rng=rng)
    image = np.broadcast_to(base * 0.85, (size, size, 3)) + 0.2 * (cloud - 0.5)[:, :, None]
    for cells in (size // 2, size // 4):
        specks = value_noise((size, size), cells=cells, rng=rng) - rng.uniform(0.62, 0.8)
        tone = _color(rng, saturation=(0.0, 0.35), value=(0.05, 1.0))
        image = image + (tone - base) * np.clip(specks * 6, 0, 0.6)[:, :, None]
    return image


def _tiles(size: int, rng: np.random.Generator) -> Array:
    u, v = _turned_grid(size, rng)
    pitch = rng.uniform(0.35, 1.1)
    u, v = u / pitch + rng.random(), v / (pitch * rng.uniform(0.5, 1.5))
    u = u + 0.5 * (np.floor(v) % 2) * bool(rng.random() < 0.5)
    tones = rng.random((16, 16), dtype=np.float32)
    tile = tones[np.floor(v).astype(np.intp) % 16, np.floor(u).astype(np.intp) % 16]
    joint = np.maximum(np.abs(u % 1.0 - 0.5), np.abs(v % 1.0 - 0.5)) * 2
    edge = np.clip((joint - (1 - 0.07 / pitch)) * (30 * pitch), 0, 1)
    glaze = _color(rng, saturation=(0.05, 0.7), value=(0.4, 0.95))
    grout = glaze + rng.uniform(0.2, 0.6) * (_color(rng, saturation=(0, 0.15), value=(0.2, 0.9)) - glaze)
    shine = 0.12 * value_noise((size, size), cells=4, rng=rng) + rng.uniform(0.05, 0.35) * tile
    return _mix(glaze * 0.85, grout, edge) + (shine * (1 - edge))[:, :, None] - 0.1


FAMILIES = {
    "wood": _wood,
    "weave": _weave,
    "gradient": _gradient,
    "noise": _noise,
    "stone": _stone,
    "tiles": _tiles,
}
