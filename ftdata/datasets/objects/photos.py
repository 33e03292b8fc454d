"""Which images the objects data set holds and how each is taken. No TensorFlow, no files."""

import numpy as np

from ftdata.datasets.objects import shapes
from ftdata.datasets.rendering import backgrounds, rendering

SIZE = 128  # pixels, both ways
SEED = 20261

CLASS_NAMES = tuple(sorted(shapes.SHAPES))
COUNTS = {"train": dict.fromkeys(CLASS_NAMES, 500), "test": dict.fromkeys(CLASS_NAMES, 100)}


def jpeg(class_name: str, *, split: str, number: int) -> bytes:
    """One image as a JPEG file of SIZE x SIZE RGB pixels; the same arguments give the same bytes.

    Args:
      class_name: one of `CLASS_NAMES`.
      split: "train" or "test".
      number: of the image within its class and split, from 1.
    """
    place = (list(COUNTS).index(split), CLASS_NAMES.index(class_name), number)
    rng = np.random.default_rng((SEED, *place))
    background = str(rng.choice(list(backgrounds.FAMILIES)))
    scene = rendering.Scene(shapes.parts(class_name, rng=rng), background, zoom=rng.uniform(0.6, 1.0))
    return rendering.jpeg(rendering.photograph(scene, size=SIZE, rng=rng))
