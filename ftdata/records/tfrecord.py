"""The images of a TFRecord file: where each one's bytes lie, its name and its class.

TensorFlow's own reader goes through the file, so that every checksum is tested; its offsets follow from the lengths: of
a record 8 bytes of length and 4 of checksum come before the data, and 4 of checksum after.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf

from ftdata import parallelism
from ftdata.errors import UserError
from ftdata.names import listed, shown
from ftdata.records.record import Record, begins_as_image, class_of, names_beside

_BEFORE, _AROUND = 12, 16
_BUFFER = 2**20
# The Model Garden's names, then those of TFDS.
_IMAGES = ("image/encoded", "image", "jpg", "png")
_TEXTS = ("image/class/text",)
_LABELS = ("image/class/label", "label", "class", "cls")
_NAMES = ("image/filename", "file_name", "filename", "image/file_name")


def records(path: str) -> Iterator[Record]:
    """The records of a file, in order.

    Raises:
      UserError: a record that is damaged, cut off, no `tf.train.Example`, or without image or label.
    """
    names, offset, number = names_beside(path), 0, 0
    whole = tf.data.TFRecordDataset(path, buffer_size=_BUFFER).with_options(parallelism.fixed())
    every = whole.as_numpy_iterator()
    while True:
        where = f"record {number:,} of {shown(path)} (at byte {offset:,})"
        try:
            data = next(every, None)
        except tf.errors.DataLossError as error:
            reason = "is cut off" if "truncated" in str(error) else "is damaged: its checksum is another"
            raise UserError(f"{where} {reason}; copy or write the shard again") from None
        if data is None:
            return
        yield _record(path, data, offset + _BEFORE, names, where)
        number, offset = number + 1, offset + _AROUND + len(data)


def _record(path: str, data: bytes, begin: int, names: tuple[str, ...], where: str) -> Record:
    try:
        features = tf.train.Example.FromString(data).features.feature
    except Exception:  # google.protobuf.message.DecodeError, of a package that is not ours to import
        raise UserError(f"{where} is no tf.train.Example: shards of other messages cannot be read") from None
    image = _image(features)
    if not image:
        raise UserError(f"{where} holds no image: its features are {listed(sorted(features), limit=10) or 'none'}")
    label = _first(features, _TEXTS) or _first(features, _LABELS)
    if label is None:
        raise UserError(f"{where} has no label: its features are {listed(sorted(features), limit=10)}")
    class_name = class_of(label.decode(errors="replace") if isinstance(label, bytes) else label, names, where)
    name = _first(features, _NAMES)
    text = name.decode(errors="replace") if isinstance(name, bytes) and name else None
    return Record(path, begin + data.find(image), len(image), text, class_name)


def _image(features: Mapping[str, Any]) -> bytes | None:
    """The bytes of the image: by the name of the feature, else the only one that begins like an image."""
    known = next((features[name].bytes_list.value for name in _IMAGES if name in features), None)
    if known is not None:
        return known[0] if len(known) == 1 else None
    values = [feature.bytes_list.value for feature in features.values()]
    alike = [value[0] for value in values if len(value) == 1 and begins_as_image(value[0])]
    return alike[0] if len(alike) == 1 else None


def _first(features: Mapping[str, Any], names: tuple[str, ...]) -> bytes | int | None:
    for name in names:
        if name in features:
            values = features[name].bytes_list.value or features[name].int64_list.value
            if len(values) == 1:
                return values[0]
    return None
