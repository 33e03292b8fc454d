"""Images without labels that a user names on the command line: found, examined, decoded."""

import glob
import os
import posixpath
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from ftdata import address, parallelism
from ftdata.config import DataConfig
from ftdata.decoding import reading
from ftdata.decoding.decode import Decoding
from ftdata.decoding.errors import decode_error
from ftdata.errors import UserError
from ftdata.folders import passed_over, tree
from ftdata.inspection import examine, file_kind, reports
from ftdata.log import log
from ftdata.names import shown


def find(images: str, *, setting: str = "images", channels: int = 3) -> tuple[list[str], tuple[str, ...]]:
    """The files that `images`, the value of `setting`, names, sorted, and lines on what was passed over.

    A folder stands for the images in it and below it, hidden ones excepted; `**` in a pattern does too.
    What a pattern or a path names is taken as an image whatever its ending.

    Raises:
      UserError: nothing is there.
    """
    if address.scheme_of(images):
        raise UserError(f"{setting} must lie on this machine, got {images}: copy or mount it first")
    path, notes = Path(images).expanduser(), tuple[str, ...]()
    if path.is_dir():
        top = tree.walk(path, channels=channels)
        named = [posixpath.join(path, *place, name) for place, folder in top.below() for name in folder.images]
        found = [name for name in named if os.path.isfile(name)]
        notes = tuple(passed_over.in_tree(top))
        if len(found) < len(named):
            notes += (f"{len(named) - len(found):,} links that lead nowhere, pipes or devices are passed over",)
        kinds = "; ".join((f"no file ending in {', '.join(file_kind.extensions(channels))} in this folder", *notes))
    elif path.is_file():
        return [str(path)], ()
    else:
        found = [name for name in glob.glob(_pattern(path), recursive=True) if os.path.isfile(name)]
        kinds = "no such file, and no file matches it as a pattern"
    if not found:
        raise UserError(f"{setting} must be a folder of images, a file or a pattern, got {images!r}: {kinds}")
    return sorted(found), notes


def examined(paths: Sequence[str], images: str, config: DataConfig) -> tuple[dict[str, str], int]:
    """What is wrong with the files, by path, as the examination before training finds it, and the pixels of the largest
    of the others; logs what is read in part.

    Args:
      paths: of `find`.
      images: what `find` was asked for; reports are kept under this name.
      config: says where reports are kept.
    """
    keep_in = config.folder / "examined"
    verdicts = examine.inspect_files(paths, origin=images, keep_in=keep_in, channels=config.channels)
    judged = dict(zip(paths, verdicts, strict=True))
    for line in reports.of_several([shown(path) for path, report in judged.items() if report.several]):
        log.info(line)
    wrong = {path: report.reason for path, report in judged.items() if report.reason is not None}
    return wrong, int(verdicts.pixels[verdicts.is_usable].max(initial=0))


def _pattern(path: Path) -> str:
    """The path as a pattern in which folders that are there, such as `photos [2019]`, mean themselves."""
    folder, parts = Path(path.anchor), list(path.parts[len(Path(path.anchor).parts) :])
    while parts and (folder / parts[0]).is_dir():
        folder /= parts.pop(0)
    return os.path.join(glob.escape(str(folder)), *parts)


def decoded(paths: Sequence[str], config: DataConfig, *, batch_size: int, calls: int) -> tf.data.Dataset:
    """Decodes the files; what cannot be read or decoded, although it was examined, is skipped.

    Args:
      paths: n files.
      config: `image_size` (set) and the other decode settings.
      batch_size: of every batch but the last.
      calls: how many are decoded at a time.

    Returns:
      A dataset of (int64 [b], which files; uint8 [b, image_size, image_size, channels]), in order.
    """
    decode, read = Decoding.of(config).any_format, reading.reader(paths, config.channels)
    files = tf.data.Dataset.from_tensor_slices(tf.constant([os.fsencode(path) for path in paths], tf.string))
    images = files.enumerate().map(lambda number, path: (number, decode(read(path))), num_parallel_calls=calls)
    return images.ignore_errors(log_warning=False).batch(batch_size).prefetch(2).with_options(parallelism.fixed())


def why_not(path: str, config: DataConfig) -> str:
    """Why a file was skipped, in a few words."""
    try:
        Decoding.of(config).any_format(reading.reader([path], config.channels)(tf.constant(os.fsencode(path))))
    except tf.errors.InvalidArgumentError as error:
        return f"cannot be decoded: {decode_error(error)}"
    except tf.errors.OpError:
        return "cannot be read: it is gone, or its permissions forbid it"
    return "could not be read a moment ago, but can be now: is it being written?"
