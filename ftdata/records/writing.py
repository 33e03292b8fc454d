"""Write one shard in each of the formats that `records` reads, as other programs expect it."""

import dataclasses
import io
import itertools
import json
import posixpath
import tarfile
import urllib.parse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from ftdata.decoding import foreign
from ftdata.records import parquet, webdataset

_ROWS = 100  # of a row group, as Hugging Face writes them
_FOREIGN = {"TIFF": "tif", "HEIC": "heic", "AVIF": "avif"}
_STARTS = {b"\xff\xd8\xff": "jpg", b"\x89PNG": "png", b"GIF8": "gif", b"BM": "bmp", b"RIFF": "webp"}


@dataclasses.dataclass(frozen=True)
class Item:
    """An image to write: its path relative to the data set, its class, and a function that has its bytes."""

    name: str
    label: int
    class_name: str
    content: Callable[[], bytes]


def format_of(content: bytes, name: str) -> str:
    """`jpg`, `png` and so on: by how the bytes begin, else the ending of the name."""
    by_start = next((ending for start, ending in _STARTS.items() if content.startswith(start)), None)
    by_start = by_start or _FOREIGN.get(str(foreign.image_format(content[: foreign.HEAD])))
    return by_start or posixpath.splitext(name)[1][1:].lower()


def write_tfrecord(path: Path, items: Iterable[Item], class_names: Sequence[str]) -> None:
    """As the Model Garden has it: `image/encoded`, `image/filename`, `image/class/label`, `image/class/text`."""
    del class_names  # each record has its own
    with tf.io.TFRecordWriter(str(path)) as writer:
        for item in items:
            content = item.content()
            features = {
                "image/encoded": _bytes(content),
                "image/format": _bytes(format_of(content, item.name).encode()),
                "image/filename": _bytes(item.name.encode()),
                "image/class/label": tf.train.Feature(int64_list=tf.train.Int64List(value=[item.label])),
                "image/class/text": _bytes(item.class_name.encode()),
            }
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString(deterministic=True))


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def write_webdataset(path: Path, items: Iterable[Item], class_names: Sequence[str]) -> None:
    """`key.jpg`, `key.cls` (the number of the class) and `key.json` (file name, label, name of the class)."""
    del class_names
    used = set[str]()
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for item in items:
            content, key = item.content(), _key(item.name, used)
            said = {"filename": item.name, "label": item.label, "class_name": item.class_name}
            _add(archive, f"{key}.{format_of(content, item.name)}", content)
            _add(archive, f"{key}.cls", str(item.label).encode())
            _add(archive, f"{key}.json", json.dumps(said).encode())


def _key(name: str, used: set[str]) -> str:
    """The name without its ending; with a dot in it, or where another image has that key, the whole name escaped."""
    folder, file = posixpath.split(name)
    stem, _ = posixpath.splitext(file)
    key = posixpath.join(folder, stem)
    if webdataset.key_of(name)[0] != key or key in used:
        key = posixpath.join(folder, urllib.parse.quote(file, safe=" ").replace(".", "%2E"))
    used.add(key)
    return key


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o644
    archive.addfile(member, io.BytesIO(content))


def write_parquet(path: Path, items: Iterable[Item], class_names: Sequence[str]) -> None:
    """A column `image` of `bytes` and `path`, and a column `label`; images are encoded, so pages are not compressed.

    Raises:
      UserError: pyarrow is not installed.
    """
    arrow = parquet.pyarrow()
    features = {"image": {"_type": "Image"}, "label": {"names": list(class_names), "_type": "ClassLabel"}}
    image = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
    schema = arrow.schema(
        [("image", image), ("label", arrow.int64())],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    with arrow.parquet.ParquetWriter(path, schema, compression="NONE", use_dictionary=False) as writer:
        for rows in _batched(items, _ROWS):
            columns: dict[str, Any] = {
                "image": [{"bytes": item.content(), "path": item.name} for item in rows],
                "label": [item.label for item in rows],
            }
            writer.write_table(arrow.table(columns, schema=schema), row_group_size=_ROWS)


def _batched(items: Iterable[Item], count: int) -> Iterable[list[Item]]:
    rest = iter(items)
    return iter(lambda: list(itertools.islice(rest, count)), [])


WRITERS = {"tfrecord": write_tfrecord, "webdataset": write_webdataset, "parquet": write_parquet}
