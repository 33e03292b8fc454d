"""Pictures without labels that a user names on the command line: found, decoded, the damaged ones told apart."""

import glob
import os
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from ftdata.config import DataConfig
from ftdata.decode import EXTENSIONS, Decoding
from ftdata.filling import reason


def find(images: str) -> list[str]:
    """The files that `images` names, sorted.

    A folder stands for the pictures in it and below it, hidden ones left out; `**` in a pattern does too.
    What a pattern or a path names is taken as a picture whatever its ending.

    Raises:
      ValueError: nothing is there.
    """
    path = Path(images).expanduser()
    if path.is_dir():
        found = [str(file) for file in path.rglob("*") if _is_picture(file.relative_to(path)) and file.is_file()]
        kinds = f"no file ending in {', '.join(EXTENSIONS)} in this folder"
    elif path.is_file():
        return [str(path)]
    else:
        found = [name for name in glob.glob(_pattern(path), recursive=True) if os.path.isfile(name)]
        kinds = "no such file, and no file matches it as a pattern"
    if not found:
        raise ValueError(f"images must be a folder of pictures, a file or a pattern, got {images!r}: {kinds}")
    return sorted(found)


def _pattern(path: Path) -> str:
    """The path as a pattern in which folders that are there, such as `photos [2019]`, mean themselves."""
    folder, parts = Path(path.anchor), list(path.parts[len(Path(path.anchor).parts) :])
    while parts and (folder / parts[0]).is_dir():
        folder /= parts.pop(0)
    return os.path.join(glob.escape(str(folder)), *parts)


def _is_picture(name: Path) -> bool:
    return name.suffix.lower() in EXTENSIONS and not any(part.startswith(".") for part in name.parts)


def decoded(paths: Sequence[str], config: DataConfig, *, batch_size: int) -> tf.data.Dataset:
    """Decodes the files on all cores; what cannot be read or decoded is left out.

    Args:
      paths: n files.
      config: `image_size` (set) and the other decode settings.
      batch_size: of every batch but the last.

    Returns:
      A dataset of (int64 [b], which files; uint8 [b, image_size, image_size, 3]), in order.
    """
    read = Decoding.of(config).any_format
    files = tf.data.Dataset.from_tensor_slices(tf.constant([os.fsencode(path) for path in paths], tf.string))
    pictures = files.enumerate().map(
        lambda number, path: (number, read(tf.io.read_file(path))), num_parallel_calls=tf.data.AUTOTUNE
    )
    return pictures.ignore_errors(log_warning=False).batch(batch_size).prefetch(2)


def why_not(path: str, config: DataConfig) -> str:
    """Why a file was left out, in a few words."""
    try:
        Decoding.of(config).any_format(tf.io.read_file(os.fsencode(path)))
    except tf.errors.InvalidArgumentError as error:
        return f"cannot be decoded: {reason(error)}"
    except tf.errors.OpError:
        return "cannot be read: it is gone, or its permissions forbid it"
    return "could not be read a moment ago, but can be now: is it being written?"
