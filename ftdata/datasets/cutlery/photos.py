"""Which images the cutlery data set holds and how each is taken. No TensorFlow, no files."""

import numpy as np

from ftdata.datasets.cutlery import shapes
from ftdata.datasets.rendering import rendering

SIZE = 128  # pixels, both ways
SEED = 20260

# Out of balance like the photos people take; every class counts the same in the test.
COUNTS = {
    "train": {"forky": 720, "knifey": 870, "spoony": 1410},
    "test": {"forky": 200, "knifey": 200, "spoony": 200},
}
# The test lies on surfaces never seen in training: it asks for the shape, not for the tablecloth.
BACKGROUNDS = {"train": ("wood", "weave", "noise", "stone"), "test": ("gradient", "tiles")}
CLASS_NAMES = tuple(COUNTS["train"])


def jpeg(class_name: str, *, split: str, number: int) -> bytes:
    """One image as a JPEG file of SIZE x SIZE RGB pixels; the same arguments give the same bytes.

    Args:
      class_name: one of `CLASS_NAMES`.
      split: "train" or "test".
      number: of the image within its class and split, from 1.
    """
    place = (list(COUNTS).index(split), CLASS_NAMES.index(class_name), number)
    rng = np.random.default_rng((SEED, *place))
    image = rendering.photograph(_scene(class_name, split=split, rng=rng), size=SIZE, rng=rng)
    return rendering.jpeg(image)


def _scene(class_name: str, *, split: str, rng: np.random.Generator) -> rendering.Scene:
    """A piece of cutlery near the middle; from close by the head is kept in view, not the handle."""
    zoom = rng.uniform(0.8, 1.45)
    head = (0.0, max(-0.55, -0.9 * (zoom - 0.8)))
    background = str(rng.choice(BACKGROUNDS[split]))
    return rendering.Scene(shapes.parts(class_name, rng=rng), background, zoom=zoom, focus=head)
