"""Many small image files, each with contents of its own: real JPEGs of 32 pixels, as many as a question needs."""

import io
import itertools
import struct
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from ftdata.datasets.cutlery import photos

SIDE = 32
_RENDERED = 300  # the others repeat these, with another comment in the file


def write(into: Path, *, count: int, classes: int) -> None:
    """Writes `count` JPEGs, dealt in turn to the folders of so many classes; a folder that is whole already stays."""
    done = into.with_name(f"{into.name}.whole")
    if done.is_file() and done.read_text(encoding="ascii") == f"{count} {classes}":
        return
    folders = [into / f"class_{number:05}" for number in range(classes)]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    for number, content in zip(range(count), _contents(), strict=False):
        (folders[number % classes] / f"{number:07}.jpg").write_bytes(content)
    done.write_text(f"{count} {classes}", encoding="ascii")


def _contents() -> Iterator[bytes]:
    """JPEGs no two of which are the same bytes: a comment of its own follows the first marker of each."""
    rendered = list(itertools.islice(_rendered(), _RENDERED))
    for number in itertools.count():
        content = rendered[number % _RENDERED]
        comment = str(number).encode()
        yield content[:2] + b"\xff\xfe" + struct.pack(">H", 2 + len(comment)) + comment + content[2:]


def _rendered() -> Iterator[bytes]:
    for number in itertools.count():
        name = photos.CLASS_NAMES[number % len(photos.CLASS_NAMES)]
        stream = io.BytesIO()
        image = Image.open(io.BytesIO(photos.jpeg(name, split="train", number=number + 1)))
        image.resize((SIDE, SIDE)).save(stream, "JPEG", quality=80)
        yield stream.getvalue()
