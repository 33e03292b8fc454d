"""Figures of a run inside the page: encoded again, so that all of them together stay small.

A grid of images becomes images with captions as text, which follow the colours and the width of the page.
"""

import base64
import io
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from trainers.evaluation import tiles
from trainers.evaluation.tiles import Tiles
from trainers.models.class_names import in_a_line
from trainers.report.blocks import Figure, Gallery

_MOST_BYTES = 320_000  # of one; a page has nine at most, and base64 adds a third
_MOST_PIXELS = 2_000_000
_QUALITY = 80


def embed(
    path: Path, *, alt: str, caption: str, is_plot: bool = False, is_titled: bool = False
) -> list[Figure | Gallery]:
    """The figure in a file as JPEG, made smaller until it takes less than 320 kB; none where there is no such image.

    Args:
      path: of the file; one that says which part of it is which image gives these.
      alt: what it shows, in words.
      caption: under it.
      is_plot: whether it holds lines and letters alone.
      is_titled: whether the title of a grid says more than `caption`.
    """
    if not path.is_file():
        return []
    try:
        with Image.open(path) as opened:
            image, parts = opened.convert("RGB"), tiles.read(opened)
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        return []
    if parts:
        return [
            _gallery(image, parts, alt=alt, caption=f"{caption} ({in_a_line(parts.title)})" if is_titled else caption)
        ]
    content, size = _small(image, _MOST_BYTES)
    return [Figure(_uri(content), *size, alt=alt, caption=caption, is_plot=is_plot)]


def _gallery(image: Image.Image, parts: Tiles, *, alt: str, caption: str) -> Gallery:
    """Each image of a grid by itself, with what stands above it."""
    shown = []
    for number, (box, said) in enumerate(zip(parts.boxes, parts.captions, strict=True), 1):
        content, size = _small(image.crop(box), _MOST_BYTES // len(parts.boxes))
        shown.append(Figure(_uri(content), *size, alt=f"Image {number}: {in_a_line(said)}", caption=said))
    return Gallery(caption, alt, shown)


def _small(image: Image.Image, most_bytes: int) -> tuple[bytes, tuple[int, int]]:
    """As JPEG of at most so many bytes, and its size."""
    scale = min(1.0, (_MOST_PIXELS / (image.width * image.height)) ** 0.5)
    while True:
        size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        content = _encoded(image if scale == 1 else image.resize(size, Image.Resampling.LANCZOS))
        if len(content) <= most_bytes or size == (1, 1):
            return content, size
        scale *= 0.95 * (most_bytes / len(content)) ** 0.5  # bytes are about proportional to pixels


def _uri(content: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"


def _encoded(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=_QUALITY, subsampling=0)
    return stream.getvalue()
