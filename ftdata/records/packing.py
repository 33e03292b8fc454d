"""A folder of images -> a folder of shards, whole or not at all."""

import functools
import glob
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import tensorflow as tf

from ftdata import atomic
from ftdata.config import PackConfig
from ftdata.decoding import reading
from ftdata.decoding.decode import Decoding
from ftdata.decoding.errors import decode_error
from ftdata.errors import UserError
from ftdata.folders import folder
from ftdata.inspection import examine
from ftdata.log import log
from ftdata.names import counted, listed, shown, what_is_at
from ftdata.records import parquet
from ftdata.records.shards import PARQUET, TFRECORD
from ftdata.records.writing import WRITERS, Item


def pack(config: PackConfig) -> list[Path]:
    """Writes shards of the images of a folder, split by split and in its order.

    Returns:
      Their paths.

    Raises:
      UserError: the output exists; the folder cannot be used; an image cannot be read or, with `image_size`, decoded.
      OSError: no room, no permission; nothing is left then.
    """
    output = Path(str(config.output)).expanduser()
    if output.exists() or output.is_symlink():
        there = what_is_at(output, missing="it is a broken link")
        raise UserError(f"output must not exist yet, got {config.output}: {there}; remove it or name another")
    if output.resolve().is_relative_to(Path(str(config.image_dir)).expanduser().resolve()):
        raise UserError(f"output must lie outside image_dir, got {config.output}: its shards would count as its files")
    left = sorted(str(path) for path in output.parent.glob(f".tmp-????????-{glob.escape(output.name)}"))
    if left:
        log.info(f"note: a pack that was killed has left {listed(left)}, which can be removed")
    if config.format == PARQUET:
        parquet.pyarrow()  # before any work
    listing = folder.scan(str(config.image_dir))
    for note in listing.notes:
        log.info(f"  {note}")
    temporary = atomic.temporary_name(output)
    temporary.mkdir(parents=True)
    try:
        names = [name for split in listing.splits for name in _write_split(config, listing, split, temporary)]
        text = "".join(f"{name}\n" for name in listing.class_names)
        atomic.write(temporary / "labels.txt", lambda path: path.write_text(text, encoding="utf-8"))
        atomic.force_to_disk(temporary)
        os.rename(temporary, output)
        atomic.force_to_disk(output.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    count = sum(len(files.paths) for files in listing.splits.values())
    size = sum((output / name).stat().st_size for name in names)
    log.info(f"{counted(count, 'image')} in {counted(len(names), 'shard')} of {size / 2**20:,.1f} MiB: {output}")
    return [output / name for name in names]


def _write_split(config: PackConfig, listing: folder.Listing, split: str, into: Path) -> Iterator[str]:
    files, squared = listing.splits[split], _squared(config) if config.image_size else None

    def items(part: slice) -> Iterator[Item]:
        rows = zip(files.paths[part], files.names[part], files.labels[part].tolist(), strict=True)
        for path, name, label in rows:
            yield Item(name, label, listing.class_names[label], functools.partial(_content, path, name, squared))

    parts = _parts(files.paths, config)
    for number, part in enumerate(parts):
        name = _name(config, split, number, len(parts))
        fill = functools.partial(WRITERS[config.format], items=items(part), class_names=listing.class_names)
        atomic.write(into / name, fill)
        yield name


def _name(config: PackConfig, split: str, number: int, count: int) -> str:
    """As those who read the format most name them."""
    place = f"{number:05d}-of-{count:05d}"
    if config.format == PARQUET:
        return f"{split}-{place}.parquet"
    data = re.sub(r"[^\w-]+", "_", Path(str(config.image_dir)).expanduser().resolve().name) or "images"
    return f"{data}-{split}.tfrecord-{place}" if config.format == TFRECORD else f"{data}-{split}-{number:05d}.tar"


def _parts(paths: Sequence[str], config: PackConfig) -> list[slice]:
    """Which neighbours share a shard: as many shards as asked for, or none larger than asked for."""
    if config.shards is not None:
        count = min(config.shards, len(paths))
        ends = [(place + 1) * len(paths) // count for place in range(count)]
    else:
        ends, size = list[int](), 0.0
        for place, path in enumerate(paths):
            this = 3 * config.image_size**2 if config.image_size else _size(path)
            if size and size + this > config.shard_mib * 2**20:
                ends.append(place)
                size = 0.0
            size += this
        ends.append(len(paths))
    return [slice(begin, end) for begin, end in zip([0, *ends], ends, strict=False)]


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError as error:
        raise UserError(f"cannot read {shown(path)}: {error.strerror}") from None


def _squared(config: PackConfig) -> Callable[[tf.Tensor], tf.Tensor]:
    """The bytes of an image file, scalar string, to those of a PNG of `config.image_size`."""
    decoding = Decoding(int(config.image_size or 0), resize=config.resize)
    return tf.function(
        lambda encoded: tf.io.encode_png(decoding.any_format(reading.decodable(encoded))),
        input_signature=[tf.TensorSpec((), tf.string)],
        autograph=False,
    )


def _content(path: str, name: str, squared: Callable[[tf.Tensor], tf.Tensor] | None) -> bytes:
    """The bytes of a file, or of the PNG that it becomes; read when they are written."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {name}: {error.strerror}") from None
    try:
        return content if squared is None else squared(tf.constant(content)).numpy()
    except tf.errors.InvalidArgumentError as error:
        reason = examine.why_not([content])[0] or decode_error(error)
        raise UserError(f"cannot decode {name}: {reason}. Remove or replace the file") from None
