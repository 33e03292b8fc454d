"""Examine every image of a folder before anything is trained on it: can it be read, is it whole, is it of a sane size?

Each file is judged in two steps: its header, so that a bomb is never decoded, then the decoder that training
uses, or what transcodes a foreign format for it. JPEGs are decoded at an eighth of their size there: every byte is read
all the same, at a fraction of the time and memory. libjpeg continues after damage in the middle of a file and only
mentions it on standard error, where it is read.
"""

import concurrent.futures
import contextlib
import errno
import hashlib
import itertools
import os
import re
import stat
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from ftdata import names, parallelism, stderr
from ftdata.decoding import decode, headers, jpeg, transcoding
from ftdata.errors import UserError
from ftdata.inspection import reports
from ftdata.inspection.opened import Opened
from ftdata.inspection.report_table import KeptReports, ReportTable, joined
from ftdata.inspection.reports import FileReport, Stamp, Storage

_CHUNK = 256  # files read ahead
_CHUNK_BYTES = 2**26
_AT_ONCE = 6 * headers.MAX_PIXELS  # bytes that the images decoded at one time take
_WORTH_KEEPING_S = 1.0  # an examination shorter than this leaves no file behind

_UNREADABLE = {
    errno.EACCES: "no permission to read it",
    errno.EPERM: "no permission to read it",
    errno.ENOENT: "a broken link, or gone",
    errno.ELOOP: "a link that leads to itself",
    errno.ENAMETOOLONG: "a path too long to open",
}
# libjpeg's warnings. One about bytes between the last pixel and the end of the file is none: the image is whole.
_HARMLESS = r"Corrupt JPEG data: \d+ extraneous bytes before marker 0xd9"
_OURS = re.compile(r"assertion failed: \[(.+?)\](?: \[Op|\n|$)")  # what the decoder itself refuses
_COMPLAINT = re.compile(rf"^(?!{_HARMLESS})(?:Corrupt JPEG|Inconsistent progression|Premature end).*$", re.MULTILINE)
_Stamped = Sequence[tuple[str, Stamp]]


def inspect_files(
    paths: Sequence[str], *, origin: str, keep_in: Path, storage: Storage | None = None, channels: int = 3
) -> ReportTable:
    """Judges image files, on all cores; those that have not changed since the last time are not opened.

    Args:
      paths: of n files, different from each other.
      origin: the folder or the CSV that names them.
      keep_in: where reports are kept; where it cannot be written, the next run examines again.
      storage: of images that are no files, whose places in it `paths` are.
      channels: that each has to have; 3 for whatever can be shown in colours.

    Returns:
      n reports.
    """
    made_with: tuple[object, ...] = (headers.MAX_PIXELS, tf.__version__, *transcoding.versions())
    made_with += (f"{channels} channels",) if channels != 3 else ()
    record = reports.path_for(origin, folder=keep_in, made_with=made_with)
    kept, start, table = KeptReports.load(record), time.monotonic(), ReportTable.empty(len(paths))
    unread = _stamp_all(paths, storage, table)
    before = kept.places_of(paths)
    known = np.flatnonzero(before >= 0)
    known = known[(kept.table.stamps[before[known]] == table.stamps[known]).all(axis=1)]
    table.copy(known, kept.table, before[known])
    is_new = np.ones(len(paths), bool)
    is_new[known] = False
    is_new[list(unread)] = False
    new = {paths[place]: place for place in np.flatnonzero(is_new).tolist()}
    stamped = [(path, Stamp(*table.stamps[place].tolist())) for path, place in new.items()]
    for path, report in _judge_all(stamped, storage, channels):
        table.set(new[path], report)
    is_kept = table.has("is_read")
    changed = len(known) < kept.count or is_kept[list(new.values())].any()
    if changed and (kept.count or (storage and storage.at_once) or time.monotonic() - start >= _WORTH_KEEPING_S):
        of_these = table if is_kept.all() else table.at(np.flatnonzero(is_kept))
        names = paths if is_kept.all() else list(itertools.compress(paths, is_kept))
        with contextlib.suppress(OSError):
            KeptReports(joined(names), of_these).save(record)
    return table


def _stamp_all(paths: Sequence[str], storage: Storage | None, table: ReportTable) -> dict[int, FileReport]:
    """Puts the stamps of files into a table, and what is known without opening them; the places of the latter."""
    unread = dict[int, FileReport]()
    for place, path in enumerate(paths):
        stamp = storage.stamp(path) if storage else _stamp(path)
        if isinstance(stamp, FileReport):
            unread[place] = stamp
            table.set(place, stamp)
        else:
            table.stamps[place] = stamp
    return unread


def why_not(files: Sequence[bytes]) -> list[str | None]:
    """What is wrong with each of some image files, as `inspect_files` finds it, or None.

    The formats of `transcoding` are refused, as whatever serves a model reads bytes in graph operations alone.

    Args:
      files: their bytes.
    """
    result, opened = dict[str, str | None](), list[Opened]()
    for place, encoded in enumerate(files):
        try:
            opened.append(Opened.of(str(place), encoded, foreign=False))
        except UserError as reason:
            result[str(place)] = str(reason)
    for group in _groups(opened):
        result |= {place: report.reason for place, report in _decode_group(group)}
    return [result[str(place)] for place in range(len(files))]


def _stamp(path: str) -> Stamp | FileReport:
    try:
        status = os.stat(path)
    except OSError as error:
        return _unread(error)
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        return FileReport(None, "not a file")
    return Stamp(status.st_size, status.st_mtime_ns)


def _unread(error: OSError) -> FileReport:
    return FileReport(None, _UNREADABLE.get(error.errno or 0, f"cannot be read: {error.strerror}"))


def _judge_all(files: _Stamped, storage: Storage | None, channels: int) -> Iterator[tuple[str, FileReport]]:
    """The report on each file, in any order; the next files are read while the decoder works."""
    chunks, read = list(_chunks(files)), storage.read if storage else _read
    with concurrent.futures.ThreadPoolExecutor(storage.at_once if storage else None) as readers:
        ahead = [readers.submit(_open, path, stamp, read, channels) for path, stamp in chunks[0]] if chunks else []
        for following in [*chunks[1:], []]:
            reading, ahead = ahead, [readers.submit(_open, path, stamp, read, channels) for path, stamp in following]
            opened = [future.result() for future in reading]
            yield from (entry for entry in opened if isinstance(entry, tuple))
            for group in _groups([entry for entry in opened if isinstance(entry, Opened)]):
                yield from _decode_group(group)


def _chunks(files: _Stamped) -> Iterator[list[tuple[str, Stamp]]]:
    chunk, size = list[tuple[str, Stamp]](), 0
    for path, stamp in files:
        if chunk and (len(chunk) == _CHUNK or size + stamp.size > _CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append((path, stamp))
        size += stamp.size
    if chunk:
        yield chunk


def _open(path: str, stamp: Stamp, read: Callable[[str], bytes], channels: int) -> Opened | tuple[str, FileReport]:
    if stamp.size > headers.MAX_FILE_BYTES:
        return path, FileReport(None, f"too large: {stamp.size:,} bytes, the limit is {headers.MAX_FILE_BYTES:,}")
    try:
        encoded = read(path)
    except OSError as error:
        return path, _unread(error)
    try:
        return Opened.of(path, encoded, channels=channels)
    except UserError as reason:
        return path, FileReport(hashlib.blake2b(encoded, digest_size=16).hexdigest(), str(reason))


def _read(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read(headers.MAX_FILE_BYTES)


def _groups(opened: Sequence[Opened]) -> Iterator[list[Opened]]:
    """As many at one time as fit the bound on memory."""
    group, memory = list[Opened](), 0
    for entry in opened:
        if group and memory + entry.memory > _AT_ONCE:
            yield group
            group, memory = [], 0
        group.append(entry)
        memory += entry.memory
    if group:
        yield group


def _decode_group(group: Sequence[Opened]) -> Iterator[tuple[str, FileReport]]:
    """Decodes all at once and, only where something is wrong with one of them, each by itself."""
    foreign = [entry for entry in group if entry.is_foreign]
    if foreign:
        with concurrent.futures.ThreadPoolExecutor(parallelism.CORES) as readers:
            yield from zip([entry.path for entry in foreign], readers.map(Opened.transcoded, foreign), strict=True)
        group = [entry for entry in group if not entry.is_foreign]
    group, whole = [entry for entry in group if not entry.is_whole], [entry for entry in group if entry.is_whole]
    yield from ((entry.path, entry.report()) for entry in whole)
    if not group or _complaint(group) is None:
        yield from ((entry.path, entry.report()) for entry in group)
    else:
        for entry in group:
            complaint = _complaint([entry])
            yield entry.path, entry.report(None if complaint is None else _reason(entry, complaint))


def _reason(entry: Opened, complaint: str) -> str:
    if isinstance(entry.header, headers.Header) and not headers.is_whole(entry.encoded, entry.header):
        return f"truncated {entry.header.format}"
    detail = f" ({complaint})" if complaint else ""
    return f"damaged {entry.header.format}{detail}"


def _complaint(group: Sequence[Opened]) -> str | None:
    """None where all can be decoded; else what the decoder or libjpeg says of it, or nothing."""
    failed: str | None = None
    with stderr.captured() as heard:
        try:
            _decode(tf.constant([entry.encoded for entry in group]), tf.constant([entry.plain for entry in group]))
        except tf.errors.InvalidArgumentError as error:
            ours = _OURS.search(error.message)
            failed = ours[1] if ours else ""
    words = _COMPLAINT.search(heard[0])
    if words or failed is not None:
        said = words[0] if words else failed or heard[0].partition("\n")[0]
        return names.shown(said.removeprefix("Corrupt JPEG data: ").lower())
    sys.stderr.write("".join(line for line in heard[0].splitlines(True) if not line.startswith("Corrupt JPEG data")))
    return None


@tf.function(input_signature=[tf.TensorSpec([None], tf.string), tf.TensorSpec([None], tf.bool)], autograph=False)
def _decode(encoded: tf.Tensor, plain: tf.Tensor) -> tf.Tensor:
    """Decodes on all cores; returns the number of values of each image, so that nothing is optimized away."""

    def eighth(one: tf.Tensor) -> tf.Tensor:
        return tf.io.decode_jpeg(one, channels=3, ratio=8)

    def other(one: tf.Tensor) -> tf.Tensor:
        return tf.cond(jpeg.is_jpeg(one), lambda: eighth(jpeg.understood(one).encoded), lambda: decode.decode_full(one))

    def size(item: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        one, is_plain = item
        return tf.size(tf.cond(is_plain, lambda: eighth(one), lambda: other(one)))

    return tf.map_fn(size, (encoded, plain), fn_output_signature=tf.int32, parallel_iterations=64)
