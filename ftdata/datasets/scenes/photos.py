"""Which pictures the scenes data set holds and how each is taken. No TensorFlow, no files."""

import dataclasses
import math

import numpy as np

from ftdata.datasets.cutlery import shapes as cutlery
from ftdata.datasets.objects import shapes as objects
from ftdata.datasets.rendering import backgrounds, rendering
from ftdata.datasets.rendering.outlines import Outline, moved, turned
from ftdata.datasets.rendering.rendering import Part

SIZE = 128  # pixels, both ways
SEED = 20262
COUNTS = {"train": 3000, "test": 600}
MOST_THINGS = 3

_PARTS = {
    **dict.fromkeys(("bottle", "cup", "scissors"), objects.parts),
    **dict.fromkeys(("fork", "knife", "spoon"), cutlery.parts),
}
_IN_CUTLERY = {"fork": "forky", "knife": "knifey", "spoon": "spoony"}
CLASS_NAMES = tuple(sorted(_PARTS))
_OFTEN = (0.1, 0.3, 0.3, 0.3)  # no thing, one, two, three


@dataclasses.dataclass(frozen=True)
class Photo:
    """A picture as a JPEG file, and the classes that it shows, sorted: each once, though it may show two of a kind."""

    jpeg: bytes
    labels: tuple[str, ...]


def photo(*, split: str, number: int, size: int = SIZE) -> Photo:
    """A picture of up to `MOST_THINGS` things beside each other; the same arguments give the same bytes.

    Args:
      split: "train" or "test".
      number: of the picture within its split, from 1.
      size: pixels, both ways; another size is another picture, of the same things.
    """
    rng = np.random.default_rng((SEED, list(COUNTS).index(split), number))
    kinds = [str(kind) for kind in rng.choice(CLASS_NAMES, size=rng.choice(MOST_THINGS + 1, p=_OFTEN))]
    background = str(rng.choice(list(backgrounds.FAMILIES)))
    first, parts = rng.uniform(0, 2 * math.pi), list[Part]()
    for place, kind in enumerate(kinds):
        angle = first + 2 * math.pi * place / len(kinds)
        away = rng.uniform(0.45, 0.55) if len(kinds) > 1 else rng.uniform(0, 0.35)
        at = (away * math.cos(angle), away * math.sin(angle))
        parts += _laid(_parts(kind, rng), at=at, scale=rng.uniform(0.42, 0.55), degrees=rng.uniform(0, 360))
    scene = rendering.Scene(parts, background, zoom=1.0)
    return Photo(rendering.jpeg(rendering.photograph(scene, size=size, rng=rng)), tuple(sorted(set(kinds))))


def file_name(*, split: str, number: int) -> str:
    """`train/scene-0001.jpg` and the like: what the picture shows is not in its name."""
    return f"{split}/scene-{number:04d}.jpg"


def _parts(kind: str, rng: np.random.Generator) -> list[Part]:
    return _PARTS[kind](_IN_CUTLERY.get(kind, kind), rng=rng)


def _laid(parts: list[Part], *, at: tuple[float, float], scale: float, degrees: float) -> list[Part]:
    """The parts of a thing, smaller, turned and moved."""

    def lay(outline: Outline) -> Outline:
        return moved(turned(outline * scale, degrees=degrees), by=at)

    return [
        Part(part.material, *([lay(outline) for outline in group] for group in (part.solids, part.holes, part.dents)))
        for part in parts
    ]
