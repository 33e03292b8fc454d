import pytest

from ftdata import address
from ftdata.config import DataConfig
from ftdata.errors import UserError
from ftdata.folders import named_images


@pytest.mark.parametrize(
    ("place", "scheme", "whole"),
    [
        ("s3://bucket/a/b/", "s3", "s3://bucket/a/b"),
        ("GS://Bucket/A", "gs", "gs://Bucket/A"),
        ("https://host:1/a?b=c", "https", "https://host:1/a?b=c"),
        ("/a/../b/", None, "/b"),
        ("C:/photos", None, None),
    ],
)
def test_an_address_stays_as_it_is_and_a_path_becomes_absolute(place, scheme, whole):
    assert address.scheme_of(place) == scheme
    if whole is not None:
        assert address.whole(place) == whole
        assert address.real(place) == whole


def test_only_places_of_images_may_be_addresses():
    DataConfig(image_dir="s3://bucket/photos", labels_csv="https://host/labels.csv")
    DataConfig(records="gs://bucket/*.tar")
    with pytest.raises(UserError, match="data_dir must be a path on this machine, got s3://bucket: copy or mount it"):
        DataConfig(data_dir="s3://bucket")
    with pytest.raises(UserError, match=r"image_dir must be .* or an address \(s3://, gs://, .*got ftp://host/a"):
        DataConfig(image_dir="ftp://host/a")
    with pytest.raises(UserError, match="images must lie on this machine, got s3://bucket/a.jpg: copy or mount it"):
        named_images.find("s3://bucket/a.jpg")
    with pytest.raises(UserError, match="image_dir must name a bucket or a server after the //, got s3://"):
        DataConfig(image_dir="s3://")
