"""Folders with TIFF, HEIC and AVIF images: found, judged, and the same pixels in every tier."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, features

from ftdata import data_service, pipeline
from ftdata.cache import disk, tiers
from ftdata.config import DataConfig
from ftdata.decoding import reading, transcoding
from ftdata.decoding.decode import Decoding
from ftdata.errors import UserError
from ftdata.folders import named_images
from ftdata.inspection import examine
from ftdata.sources import unlabeled
from ftdata.sources.source import open_source
from tests.tools import bad_files, foreign_files
from tests.tools.bad_files import encode

pytestmark = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no reader of AVIF")


def _config(root):
    return DataConfig(image_dir=str(root), image_size=24, validation_fraction=0.2, data_dir=str(root / ".data"))


@pytest.fixture(params=["avif", pytest.param("all", marks=pytest.mark.extra_formats)])
def mixed(request, tmp_path):
    """Two classes of JPEGs, every fourth of another format, or half of them AVIF where the extras are not asked for."""
    root = bad_files.write_good(tmp_path, count=8)
    if request.param == "all":
        for name in ("tifffile", "imagecodecs", "pillow_heif"):
            pytest.importorskip(name)
        return foreign_files.mix(root)
    for path in sorted(root.rglob("*.jpg"))[::2]:
        path.with_suffix(".avif").write_bytes(encode(Image.open(path), "AVIF", quality=90))
        path.unlink()
    return root


def test_every_tier_gives_the_same_batches_with_the_pixels_of_the_transcoder(mixed):
    config = _config(mixed)
    source = open_source(config)
    assert isinstance(source.train.read, reading.Transcoding)
    assert not any("several pages" in note for note in source.notes)

    def batches(tier, workers=1):
        images = tiers.open_split(source.train, config, tier=tier, workers=workers)
        weights = np.ones(2, np.float32)
        made = pipeline.for_training(
            images, source.train.labels, class_weights=weights, global_batch=4, seed=0, steps=(0, 5)
        )
        return np.stack([batch["image"].numpy() for batch in made])

    expected = batches("memory")
    for tier in ("disk", "none"):
        np.testing.assert_array_equal(batches(tier), expected, strict=True)
    np.testing.assert_array_equal(batches("memory", workers=2), expected, strict=True)
    images = tiers.open_split(source.train, config, tier="none").take(np.arange(len(source.train)))
    square = Decoding.of(config).to_square
    foreign = [number for number, path in enumerate(source.train.paths) if not path.endswith(b".jpg")]
    for number in foreign:
        with open(source.train.paths[number], "rb") as stream:
            whole = transcoding.rgb(stream.read())
        np.testing.assert_array_equal(images[number], square(tf.constant(whole)))
    assert foreign


def test_predict_reads_them_and_names_what_it_cannot_read(mixed):
    config = _config(mixed)
    (mixed / "red" / "cut.avif").write_bytes(encode(bad_files.PHOTO, "AVIF")[:100])
    paths, notes = named_images.find(str(mixed))
    bad, _ = unlabeled.examined(paths, str(mixed), config)
    assert (len(paths), notes, list(bad.values())) == (17, (), ["truncated AVIF"])
    read = [number for batch, _ in unlabeled.decoded(paths, config, batch_size=5, calls=2) for number in batch.numpy()]
    assert [paths[number] for number in range(17) if number not in read] == list(bad)
    assert unlabeled.why_not(next(iter(bad)), config) == "cannot be decoded: truncated AVIF"


def test_a_file_that_changed_is_named(mixed):
    config = _config(mixed)
    source = open_source(config)
    name = next(name for name in source.train.names if name.endswith(".avif"))
    (mixed / name).write_bytes((mixed / name).read_bytes()[:100])
    with pytest.raises(UserError, match=rf"cannot decode {name}: truncated AVIF. Remove or replace"):
        tiers.open_split(source.train, config, tier="memory")


def test_where_no_such_file_is_everything_stays_as_it_was(tmp_path):
    config = _config(bad_files.write_good(tmp_path, count=4))
    source = open_source(config)
    assert source.train.read is tf.io.read_file
    assert reading.reader(map(bytes.decode, source.train.paths)) is tf.io.read_file
    before = disk.key(source.train, config)
    (tmp_path / "red" / "new.avif").write_bytes(encode(bad_files.PHOTO, "AVIF"))
    assert disk.key(open_source(config).train, config) != before  # whose versions decide its pixels


def test_files_of_several_images_are_said_once_with_their_count(tmp_path):
    root = bad_files.write_good(tmp_path, count=4)
    for number in range(3):
        two = encode(bad_files.PHOTO, "AVIF", save_all=True, append_images=[bad_files.OTHER], speed=10)
        (root / "red" / f"two-{number}.avif").write_bytes(two)
    notes = open_source(_config(root)).notes
    said = "warning: of 3 files with several pages or images the first is read, such as red/two-0.avif"
    assert said in notes


def test_a_data_service_refuses_them(tmp_path):
    root = bad_files.write_good(tmp_path, count=4)
    (root / "red" / "new.avif").write_bytes(encode(bad_files.PHOTO, "AVIF"))
    with pytest.raises(
        UserError, match="data_service cannot be used for .*: its TIFF, HEIC or AVIF images are read in"
    ):
        data_service.check("grpc://localhost:1", open_source(_config(root)))


def test_what_serves_a_model_refuses_them_as_before():
    assert examine.why_not([encode(bad_files.PHOTO, "AVIF")]) == ["an AVIF file, not a supported image"]
