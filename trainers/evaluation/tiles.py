"""Grids of images, and in their PNG files what is where: a page can show each image with its caption as text."""

import dataclasses
import json
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from trainers.models.class_names import in_a_figure

# Of an image in a grid, inches: its place, the side of the image in it, and the two lines above it.
_CELL, _SIDE, _CAPTION, _TITLE = (2.2, 2.5), 2.06, 0.38, 0.4
_KEY = "tiles"  # of the text in a PNG file
_Places = tuple[float, float, float, float]
Box = tuple[int, int, int, int]


@dataclasses.dataclass(frozen=True)
class Tiles:
    """The images of a grid.

    Attributes:
      title: of the grid.
      boxes: left, top, right and bottom of each image, in pixels.
      captions: of each.
    """

    title: str
    boxes: Sequence[Box]
    captions: Sequence[str]


class ImageGrid(Figure):
    """A figure that knows where its images are: `boxes` in inches from the left and from the top."""

    title: str = ""
    boxes: Sequence[_Places] = ()
    captions: Sequence[str] = ()

    def described(self, dots_per_inch: int) -> PngInfo:
        """The text that `read` reads, for a PNG of that resolution."""
        boxes = [[round(place * dots_per_inch) for place in box] for box in self.boxes]
        info = PngInfo()
        info.add_text(_KEY, json.dumps({"title": self.title, "boxes": boxes, "captions": list(self.captions)}))
        return info


def read(image: Image.Image) -> Tiles | None:
    """What a PNG says of its images; None where it says nothing, or nothing that can be used."""
    try:
        found = json.loads(image.info[_KEY])
        boxes = [(int(a), int(b), int(c), int(d)) for a, b, c, d in found["boxes"]]
        captions, title = [str(caption) for caption in found["captions"]], str(found["title"])
    except (KeyError, TypeError, ValueError):
        return None
    width, height = image.size
    inside = [0 <= a < c <= width and 0 <= b < d <= height for a, b, c, d in boxes]
    return Tiles(title, boxes, captions) if boxes and all(inside) and len(boxes) == len(captions) else None


def image_grid(images: np.ndarray, captions: Sequence[str], *, title: str, columns: int | None = None) -> ImageGrid:
    """A grid, as square as can be if `columns` is None, of uint8 or 0..255 float images [n, height, width, channels].

    Of more than three channels the first three are shown, of fewer the first, which the title says.
    """
    if not len(images):
        figure = ImageGrid(figsize=(4, 1.5))
        figure.text(0.5, 0.5, in_a_figure(title), ha="center", va="center")
        return figure
    images, title = _in_colours(images, title)
    columns = columns or int(np.ceil(np.sqrt(len(images))))
    rows = -(-len(images) // columns)
    width, height = _CELL[0] * columns, _CELL[1] * rows + _TITLE
    figure, boxes = ImageGrid(figsize=(width, height)), list[_Places]()
    figure.suptitle(in_a_figure(title))
    axes = figure.add_axes((0, 0, 1, 1))  # one for all, in inches: one for each would take most of the time
    axes.axis("off")
    for place, (image, caption) in enumerate(zip(images, captions, strict=False)):
        row, column = divmod(place, columns)
        middle, top = _CELL[0] * (column + 0.5), _TITLE + _CELL[1] * row + _CAPTION
        below, aside = _SIDE * np.divide(image.shape[:2], max(image.shape[:2]))
        extent = (middle - aside / 2, middle + aside / 2, top + below, top)
        boxes.append((extent[0], top, extent[1], extent[2]))
        axes.imshow(np.clip(image, 0, 255).astype(np.uint8), extent=extent, aspect="auto")
        axes.text(middle, top - 0.04, in_a_figure(caption), ha="center", va="bottom", fontsize=9)
    axes.set(xlim=(0, width), ylim=(height, 0))
    figure.title, figure.boxes, figure.captions = title, boxes, captions[: len(boxes)]
    return figure


def _in_colours(images: np.ndarray, title: str) -> tuple[np.ndarray, str]:
    """Images of three channels, and the title that says which."""
    channels = images.shape[-1]
    if channels == 3:
        return images, title
    if channels > 3:
        return images[..., :3], f"{title} (channels 1 to 3 of {channels})"
    return images[..., :1].repeat(3, axis=-1), f"{title} (channel 1 of {channels})" if channels > 1 else title
