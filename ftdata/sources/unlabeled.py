"""Images without labels that a user names on the command line (`ftdata.folders.named_images`): examined, decoded."""

import os
from collections.abc import Sequence

import tensorflow as tf

from ftdata import parallelism
from ftdata.config import DataConfig
from ftdata.decoding import reading
from ftdata.decoding.decode import Decoding
from ftdata.decoding.errors import decode_error
from ftdata.inspection import examine, reports
from ftdata.log import log
from ftdata.names import shown


def examined(paths: Sequence[str], images: str, config: DataConfig) -> tuple[dict[str, str], int]:
    """What is wrong with the files, by path, as the examination before training finds it, and the pixels of the largest
    of the others; logs what is read in part.

    Args:
      paths: of `named_images.find`.
      images: what that was asked for; reports are kept under this name.
      config: says where reports are kept.
    """
    keep_in = config.folder / "examined"
    verdicts = examine.inspect_files(paths, origin=images, keep_in=keep_in, channels=config.channels)
    judged = dict(zip(paths, verdicts, strict=True))
    for line in reports.of_several([shown(path) for path, report in judged.items() if report.several]):
        log.info(line)
    wrong = {path: report.reason for path, report in judged.items() if report.reason is not None}
    return wrong, int(verdicts.pixels[verdicts.is_usable].max(initial=0))


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
