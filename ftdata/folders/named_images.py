"""The files that a user names on the command line by a folder, a path or a pattern. No TensorFlow."""

import glob
import os
import posixpath
from pathlib import Path

from ftdata import address
from ftdata.errors import UserError
from ftdata.folders import passed_over, tree
from ftdata.inspection import file_kind
from ftdata.settings import said


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
        raise UserError(f"{setting} must be a folder of images, a file or a pattern, got {said(images)}: {kinds}")
    return sorted(found), notes


def _pattern(path: Path) -> str:
    """The path as a pattern in which folders that are there, such as `photos [2019]`, mean themselves."""
    folder, parts = Path(path.anchor), list(path.parts[len(Path(path.anchor).parts) :])
    while parts and (folder / parts[0]).is_dir():
        folder /= parts.pop(0)
    return os.path.join(glob.escape(str(folder)), *parts)
