"""The images of a Parquet file in the layout of Hugging Face's image data sets.

A column `image` of structs with `bytes` and `path`, and a column `label` of numbers, whose names stand in the schema's
metadata, or of names. Where pages are not compressed an image lies in the file as it is; elsewhere it is copied into a
file beside the index, once, because a single image cannot be read out of a compressed page.
"""

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ftdata import atomic
from ftdata.errors import UserError
from ftdata.names import listed, shown
from ftdata.records.record import Record, class_of, names_beside

_IMAGES, _LABELS = ("image", "img", "jpg", "png"), ("label", "labels", "class", "cls")


def pyarrow() -> Any:
    """The package, with its submodule `parquet`.

    Raises:
      UserError: it is not installed.
    """
    try:
        importlib.import_module("pyarrow.parquet")
        return importlib.import_module("pyarrow")
    except ImportError:
        raise UserError("Parquet needs the package pyarrow, which is not installed: pip install pyarrow") from None


def records(path: str, *, unpack_to: Path, no_copies: str = "") -> Iterator[Record]:
    """The records of a file, in order; images that lie in compressed pages are copied to `unpack_to`.

    Raises:
      UserError: no Parquet, or one that is cut off; other columns; a record without image or label; compressed pages
        where `no_copies` says why there must be no copies.
      OSError: no room for the copies.
    """
    arrow = pyarrow()
    try:
        with arrow.parquet.ParquetFile(path) as file:
            if all(_is_verbatim(file, group) for group in range(file.metadata.num_row_groups)):
                yield from _rows(path, file, None, path)
            elif no_copies:
                raise UserError(
                    f"{shown(path)} has compressed pages, whose images are copied onto the disk: {no_copies}"
                )
            else:
                found = list[Record]()
                atomic.write(unpack_to, lambda temporary: found.extend(_unpacked(path, file, temporary, unpack_to)))
                yield from found
    except arrow.lib.ArrowException as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"{shown(path)} is damaged or cut off ({reason}); copy or write the shard again") from None


def _unpacked(path: str, file: Any, temporary: Path, place: Path) -> Iterator[Record]:
    with temporary.open("wb") as stream:
        yield from _rows(path, file, stream, str(place))


def _is_verbatim(file: Any, group: int) -> bool:
    columns = file.metadata.row_group(group)
    chunks = [columns.column(number) for number in range(columns.num_columns)]
    return all(chunk.compression == "UNCOMPRESSED" for chunk in chunks if chunk.path_in_schema.endswith(".bytes"))


def _rows(path: str, file: Any, copies: Any, place: str) -> Iterator[Record]:
    """Of every row the image's place: found in the file where `copies` is None, else written there."""
    image_key, label_key, names = _columns(path, file.schema_arrow)
    number, copied = 0, 0
    with open(path, "rb") as stream:
        for group in range(file.metadata.num_row_groups):
            chunk, begin, at = (b"", 0, 0) if copies else (*_chunk(file, group, stream, image_key), 0)
            table = file.read_row_group(group, columns=[image_key, label_key])
            images = table.column(image_key).combine_chunks()
            paths, labels = images.field("path").to_pylist(), table.column(label_key).to_pylist()
            parts = zip(images.field("bytes"), paths, labels, strict=True)
            for value, name, label in parts:
                where = f"record {number:,} of {shown(path)}"
                buffer = value.as_buffer()
                if buffer is None or not buffer.size:
                    only = f", only the path {shown(name)}" if name else ""
                    raise UserError(f"{where} holds no image{only}: {image_key}.bytes is empty")
                if label is None:
                    raise UserError(f"{where} has no label: {label_key} is empty")
                class_name = class_of(label, names, where)
                if copies:
                    copies.write(buffer)
                    offset, copied = copied, copied + buffer.size
                else:
                    content = buffer.to_pybytes()
                    at = chunk.find(content, at)
                    at = at if at >= 0 else chunk.find(content)  # one of a dictionary
                    if at < 0:
                        raise UserError(f"{where} lies in an encoding that cannot be read: write the shard again")
                    offset = begin + at
                yield Record(place, offset, buffer.size, name or None, class_name)
                number += 1


def _chunk(file: Any, group: int, stream: Any, image_key: str) -> tuple[bytes, int]:
    """The bytes of the images' column in a row group as they lie in the file, and where."""
    columns = file.metadata.row_group(group)
    chunks = [columns.column(number) for number in range(columns.num_columns)]
    chunk = next(one for one in chunks if one.path_in_schema == f"{image_key}.bytes")
    begin = min(one for one in (chunk.dictionary_page_offset, chunk.data_page_offset) if one)
    stream.seek(begin)
    return stream.read(chunk.total_compressed_size), begin


def _columns(path: str, schema: Any) -> tuple[str, str, tuple[str, ...]]:
    """The columns of the image and the label, and the names of the classes by number where they are known."""
    said = _features(schema)
    structs = [name for name in schema.names if _is_image(schema.field(name).type)]
    images = [name for name in structs if said.get(name, {}).get("_type") == "Image"]
    image = next((name for name in (*_IMAGES, *images, *structs) if name in structs), None)
    labels = [name for name in schema.names if said.get(name, {}).get("_type") == "ClassLabel"]
    label = next((name for name in (*_LABELS, *labels) if name in schema.names), None)
    if image is None or label is None:
        what = "a column image of structs of bytes and path" if image is None else "a column label"
        raise UserError(f"{shown(path)} needs {what}, it has {listed(schema.names, limit=10)}")
    names = tuple(said.get(label, {}).get("names") or ())
    return image, label, names or names_beside(path)


def _is_image(kind: Any) -> bool:
    fields = {kind.field(place).name for place in range(kind.num_fields)} if hasattr(kind, "num_fields") else set()
    return {"bytes", "path"} <= fields


def _features(schema: Any) -> dict[str, Any]:
    """What Hugging Face's metadata says of the columns."""
    try:
        said = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return {name: feature for name, feature in said.items() if isinstance(feature, dict)}
