"""Figures of a run inside the page: encoded again, so that all of them together stay small."""

import base64
import io
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from trainers.report.blocks import Figure

_MOST_BYTES = 320_000  # of one; a page has nine at most, and base64 adds a third
_MOST_PIXELS = 2_000_000
_QUALITY = 80


def embed(path: Path, *, alt: str, caption: str) -> list[Figure]:
    """The figure in a file as JPEG, made smaller until it takes less than 320 kB; none where there is no such image."""
    if not path.is_file():
        return []
    try:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        return []
    scale = min(1.0, (_MOST_PIXELS / (image.width * image.height)) ** 0.5)
    while True:
        size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        content = _encoded(image if scale == 1 else image.resize(size, Image.Resampling.LANCZOS))
        if len(content) <= _MOST_BYTES:
            break
        scale *= 0.95 * (_MOST_BYTES / len(content)) ** 0.5  # bytes are about proportional to pixels
    uri = f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"
    return [Figure(uri, *size, alt=alt, caption=caption)]


def _encoded(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=_QUALITY, subsampling=0)
    return stream.getvalue()
