"""TFDS builder of knifey-spoony: photos of forks, knives and spoons, from the web or from a folder."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from absl import logging

from ftdata.datasets.knifey_spoony import archive, photos
from ftdata.errors import UserError

HOMEPAGE = "https://github.com/Hvass-Labs/knifey-spoony"
ARCHIVE_NAME = "knifey-spoony.tar.gz"
URL = f"{HOMEPAGE}/raw/master/{ARCHIVE_NAME}"
BLOB_ID = "3f9cf4f1ea73ee34a11b50ba4106d9aee1d0c599"
WAY_OUT = (
    f"Fetch {URL} with a browser or on another machine and pass --manual_dir=FOLDER, where "
    f"FOLDER holds {ARCHIVE_NAME} or the unpacked class folders (in Python: "
    "tfds.download.DownloadConfig(manual_dir=FOLDER))."
)


class Builder(tfds.core.GeneratorBasedBuilder):
    """Photos of forks, knives and spoons: image, label and file_name in the splits train and test.

    A `manual_dir` that holds something usable is read, and nothing is downloaded. TFDS's own download is
    not used: it wants the SHA-256 of the archive in a checksums file, and what is known is the git blob id.

    Photos of other origins are other data: `source_config` names the configuration that keeps them apart.

    `download_and_prepare` raises ConnectionError if the archive cannot be fetched, and UserError for an
    archive that is damaged or another one, and for a manual folder without training or test photos.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 (TFDS reads a plain dict)
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"Only where the download fails: put {ARCHIVE_NAME} from {URL}, or the folders forky, knifey and "
        "spoony from inside it, into the manual folder."
    )

    def _info(self) -> tfds.core.DatasetInfo:
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg"),
                "label": tfds.features.ClassLabel(names=list(photos.CLASS_NAMES)),
                "file_name": tfds.features.Text(),
            }
        )
        return self.dataset_info_from_configs(
            features=features,
            supervised_keys=("image", "label"),
            homepage=HOMEPAGE,
            license="Public domain; the author asks for a link to the original repository.",
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        folder = _photo_folder(dl_manager)
        listings = {split: photos.listing(folder, split=split) for split in photos.SPLITS}
        for split, found in listings.items():
            if not found:
                where = "<class>/test/*.jpg" if split == "test" else "<class>/*.jpg"
                raise UserError(f"{folder} has no {split} photos: expected some as {where}.")
        return {split: self._generate_examples(found) for split, found in listings.items()}

    def _generate_examples(self, found: list[photos.Photo]) -> Iterator[tuple[str, dict[str, Any]]]:
        for photo in found:  # a path as image: TFDS stores the file's bytes as they are
            example = {"image": photo.path, "label": photo.label, "file_name": photo.file_name}
            yield photo.file_name, example


def source_config(manual_dir: Path) -> tfds.core.BuilderConfig:
    """The configuration to build with, named after what the data are made from, so that each is prepared apart.

    `original` is the verified archive, given or downloaded; `folder-<digest>` the photos of a class folder in
    `manual_dir`, wherever it lies.
    """
    folder = None if _archive(manual_dir) else photos.find(manual_dir)
    if folder is None:
        return tfds.core.BuilderConfig(name="original", description="The original archive.")
    digest = photos.digest(folder)[:12]
    return tfds.core.BuilderConfig(name=f"folder-{digest}", description="Photos from a manual folder.")


def _archive(given: Path) -> Path | None:
    """The archive that was given: the file itself or one of its name in the folder."""
    packed = given if given.is_file() else given / ARCHIVE_NAME
    return packed if packed.is_file() else None


def _photo_folder(dl_manager: tfds.download.DownloadManager) -> Path:
    """Return the folder with the class folders: from a manual archive, a manual folder, or the web."""
    given = _manual(dl_manager)
    if given and (packed := _archive(given)):
        with _way_out():
            archive.check_blob_id(packed, expected=BLOB_ID, origin=str(packed))
        return _unpacked(packed, below=_local(dl_manager.download_dir))
    if given and (folder := photos.find(given)):
        _warn_about_counts(folder)
        return folder
    if given:
        logging.warning("%s holds neither %s nor class folders: downloading.", given, ARCHIVE_NAME)
    return _unpacked(_downloaded(dl_manager), below=_local(dl_manager.download_dir))


def _manual(dl_manager: tfds.download.DownloadManager) -> Path | None:
    """Return the manual folder or file; None, with a warning if it was asked for, where it is absent."""
    try:
        return _local(dl_manager.manual_dir)
    except NotADirectoryError as error:  # TFDS lists it; the error says which path was given
        return Path(error.filename)
    except AssertionError as error:  # absent or empty
        if str(dl_manager.download_dir / "manual") not in str(error):  # TFDS's default where none is given
            logging.warning("%s: downloading.", str(error).partition(". ")[0])
        return None


def _local(folder: Any) -> Path:
    if "://" in str(folder):
        raise UserError(
            f"{folder} is not on this machine: knifey_spoony needs a local manual_dir and download_dir "
            "(pass download_dir= to download_and_prepare); only data_dir may be remote."
        )
    return Path(folder)


def _downloaded(dl_manager: tfds.download.DownloadManager) -> Path:
    target = _local(dl_manager.download_dir) / ARCHIVE_NAME
    if not target.is_file() or archive.blob_id(target) != BLOB_ID:
        with _way_out():
            archive.download(URL, target=target, expected_id=BLOB_ID)
    return target


@contextmanager
def _way_out() -> Iterator[None]:
    try:
        yield
    except (ConnectionError, UserError) as error:
        kind = ConnectionError if isinstance(error, ConnectionError) else UserError
        raise kind(f"{error} {WAY_OUT}") from error


def _unpacked(packed: Path, *, below: Path) -> Path:
    """Unpack a verified archive once; a folder of an earlier run serves if its counts are right."""
    target = below / "extracted" / f"knifey_spoony-{BLOB_ID[:12]}"
    if target.exists():
        if (folder := photos.find(target)) and photos.count(folder) == photos.COUNTS:
            return folder
        shutil.rmtree(target)
    with suppress(FileExistsError):  # another process was faster
        archive.extract(packed, folder=target)
    folder = photos.find(target)
    found = photos.count(folder or target)
    if folder is None or found != photos.COUNTS:
        raise UserError(f"{packed} holds {photos.describe(found)}; expected {photos.describe(photos.COUNTS)}.")
    return folder


def _warn_about_counts(folder: Path) -> None:
    if (found := photos.count(folder)) != photos.COUNTS:
        logging.warning(
            "%s differs from the original: found %s; expected %s. Loading what is there.",
            folder,
            photos.describe(found),
            photos.describe(photos.COUNTS),
        )
