"""Whether the places of images are there, without looking through them."""

from pathlib import Path

from ftdata.address import scheme_of
from ftdata.config import DataConfig
from ftdata.datasets import BUILDERS
from ftdata.errors import UserError
from ftdata.records import shards
from ftdata.remote import store
from ftdata.settings import said


def check(data: DataConfig) -> None:
    """Checks what can be asked of shards, stores and data sets by name.

    Raises:
      UserError: shards that are not there, a store that nothing installed can read, no data set of that name.
    """
    for place in (data.labels_csv, data.records, data.image_dir):
        store.check_installed(place)
    if data.records and not scheme_of(data.records):
        shards.find(data.records)
    if data.dataset:
        if data.manual_dir and not Path(data.manual_dir).expanduser().exists():
            raise UserError(f"manual_dir must be a folder or an archive, got {said(data.manual_dir)}: no such file")
        _check_name(data.dataset, data.folder)


def _check_name(dataset: str, folder: Path) -> None:
    """Of a name that TFDS knows, that was prepared before or that is of a namespace, the rest is for TFDS to judge."""
    name = dataset.partition("/")[0]
    if dataset in BUILDERS or ":" in name or (folder / name).is_dir():
        return
    import tensorflow_datasets as tfds  # takes a second, and no TensorFlow

    if name not in tfds.list_builders(with_community_datasets=False):
        choices = f"{', '.join(BUILDERS)}, or a name TensorFlow Datasets knows"
        raise UserError(f"dataset must be one of {choices}, got {said(dataset)}: Dataset {name} not found")
