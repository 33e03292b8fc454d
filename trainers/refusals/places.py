"""Whether the places of images are there, without looking through them."""

from ftdata.address import scheme_of
from ftdata.config import DataConfig
from ftdata.records import shards
from ftdata.remote import store


def check(data: DataConfig) -> None:
    """Raises UserError for shards that are not there, and for a store that nothing installed can read."""
    for place in (data.labels_csv, data.records, data.image_dir):
        store.check_installed(place)
    if data.records and not scheme_of(data.records):
        shards.find(data.records)
