"""What one record of a shard says of its image. Standard library only."""

import dataclasses
import glob
import os
from pathlib import Path

from ftdata.decoding import foreign
from ftdata.errors import UserError

_STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"RIFF")
NAMES_OF_CLASSES = "labels.txt"  # how the name of a file that lists them ends
_FOREIGN = ("TIFF", "HEIC", "AVIF")


@dataclasses.dataclass(frozen=True, slots=True)  # there is one for each image of all shards
class Record:
    """An image among others in a file.

    `path` is the file its bytes lie in, from `offset` on, `length` of them. `name` is that of the image, None where the
    record has none; `class_name` that of its class.
    """

    path: str
    offset: int
    length: int
    name: str | None
    class_name: str


def begins_as_image(content: bytes) -> bool:
    """Whether bytes begin as a file of a format that can be read, with what may be installed for it."""
    return content.startswith(_STARTS) or foreign.image_format(content[: foreign.HEAD]) in _FOREIGN


def class_of(label: object, names: tuple[str, ...], where: str) -> str:
    """The name of a class.

    Args:
      label: its number, or its name.
      names: of the classes by number, where they are known.
      where: the record, for the message.

    Raises:
      UserError: a number that is none of a class.
    """
    if isinstance(label, str):
        if not label.strip():
            raise UserError(f"{where} has an empty label")
        return label.strip()
    number = int(label)  # type: ignore[call-overload]
    if number < 0 or (names and number >= len(names)):
        allowed = f"0 to {len(names) - 1}" if names else "0 or more"
        hint = "; images without labels cannot be trained on: leave their shards out of the pattern" * (number < 0)
        raise UserError(f"{where} has the label {number}, which must be {allowed}{hint}")
    return names[number] if names else str(number)


def names_beside(path: str) -> tuple[str, ...]:
    """The names of the classes by number, a line each, as TFDS (`label.labels.txt`) and `ftdata.pack` leave them."""
    folder = Path(path).parent
    pattern = os.path.join(glob.escape(str(folder)), f"*{NAMES_OF_CLASSES}")
    found = [folder / f"label.{NAMES_OF_CLASSES}", folder / NAMES_OF_CLASSES, *map(Path, sorted(glob.glob(pattern)))]
    file = next((file for file in found if file.is_file()), None)
    return tuple(file.read_text(encoding="utf-8").splitlines()) if file else ()
