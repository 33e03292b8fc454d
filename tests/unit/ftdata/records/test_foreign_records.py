"""Shards of AVIF, and of TIFF and HEIC with their extras: bytes as they are, and the batches of the folder."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, features

from ftdata import cache, pipeline
from ftdata.config import DataConfig, PackConfig
from ftdata.decoding import reading, transcoding
from ftdata.errors import UserError
from ftdata.records import packing, shards
from ftdata.records.listed_records import open_records
from ftdata.records.writing import Item, format_of, write_tfrecord
from ftdata.sources.source import open_source
from tests.tools import bad_files, foreign_files
from tests.tools.bad_files import encode

pytestmark = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no reader of AVIF")
_SIDE = 16


@pytest.fixture(params=["avif", pytest.param("all", marks=pytest.mark.extra_formats)])
def folder(request, tmp_path):
    """Two classes of JPEGs; half of them AVIF, one of which is named as a JPEG, or with the extras all formats."""
    root = bad_files.write_good(tmp_path / "photos", count=6)
    if request.param == "all":
        for name in ("tifffile", "imagecodecs", "pillow_heif"):
            pytest.importorskip(name)
        return foreign_files.mix(root)
    first, *others = sorted(root.rglob("*.jpg"))[::2]
    for path in others:
        path.with_suffix(".avif").write_bytes(encode(Image.open(path), "AVIF", quality=90))
        path.unlink()
    first.write_bytes(encode(Image.open(first), "AVIF", quality=90))
    return root


def _config(tmp_path, **named):
    return DataConfig(**named, image_size=_SIDE, validation_fraction=0.2, data_dir=str(tmp_path / "data"))


def _batches(source, config, tier):
    train = source.train
    read = pipeline.for_training(
        cache.open_split(train, config, tier=tier),
        train.labels,
        class_weights=np.ones(2, np.float32),
        global_batch=4,
        seed=0,
        steps=(0, 4),
    )
    return np.stack([batch["image"].numpy() for batch in read])


@pytest.fixture
def packed(folder, tmp_path):
    """Folders of shards of each format, by format."""
    for kind in shards.FORMATS:
        packing.pack(PackConfig(image_dir=str(folder), output=str(tmp_path / kind), format=kind, shards=2))
    return {kind: tmp_path / kind for kind in shards.FORMATS}


def test_every_format_holds_the_bytes_and_gives_what_the_decoder_is_given_of_the_folder(folder, packed, tmp_path):
    files = open_source(_config(tmp_path, image_dir=str(folder)))
    assert isinstance(files.train.read, reading.Transcoding)
    for kind in shards.FORMATS:
        source = open_source(_config(tmp_path, records=str(packed[kind])))
        assert isinstance(source.train.read, reading.Transcoding)
        listing, reader = open_records(str(packed[kind]), keep_in=tmp_path / "kept")
        found = {
            name: reader.read(path)
            for split in listing.splits.values()
            for path, name in zip(split.paths, split.names, strict=True)
        }
        assert found == {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}
        for name, split in files.splits.items():
            assert source.splits[name].names == split.names
            read = list(source.splits[name].encoded().as_numpy_iterator())
            assert read == list(split.encoded().as_numpy_iterator())
            assert sum(content.startswith(b"BM") for content in read) >= name.startswith("train")


@pytest.mark.slow  # traces the decoder of all formats
def test_every_format_gives_the_batches_of_the_folder(folder, packed, tmp_path):
    config = _config(tmp_path, image_dir=str(folder))
    expected = _batches(open_source(config), config, "memory")
    for kind, tier in zip(shards.FORMATS, ("none", "memory", "none"), strict=True):
        config = _config(tmp_path, records=str(packed[kind]))
        np.testing.assert_array_equal(_batches(open_source(config), config, tier), expected, strict=True)


@pytest.mark.slow  # traces the decoder of all formats
def test_pack_at_a_size_stores_the_squares_that_are_trained_on(folder, tmp_path):
    packing.pack(PackConfig(image_dir=str(folder), output=str(tmp_path / "out"), image_size=_SIDE, shards=1))
    configs = [_config(tmp_path, records=str(tmp_path / "out")), _config(tmp_path, image_dir=str(folder))]
    pixels = []
    for config in configs:
        source, found = open_source(config), {}
        for split in source.splits.values():
            found |= dict(zip(split.names, cache.open_split(split, config, tier="memory").tensor.numpy(), strict=True))
        pixels.append([found[name] for name in sorted(found)])
    np.testing.assert_array_equal(*map(np.stack, pixels), strict=True)


def test_formats_are_told_by_content(tmp_path):
    avif = encode(Image.new("RGB", (20, 30)), "AVIF")
    contents = {"avif": avif, "tif": b"MM\0*....", "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "odd": b"?"}
    assert [format_of(content, "a.odd") for content in contents.values()] == list(contents)
    path = str(tmp_path / "train.tfrecord")
    with tf.io.TFRecordWriter(path) as writer:
        for number in (0, 1):
            feature = {
                "picture": tf.train.Feature(bytes_list=tf.train.BytesList(value=[avif])),
                "remark": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"an image"])),
                "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[number])),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    listing, reader = open_records(path, keep_in=tmp_path)
    assert reader.read(listing.splits["train"].paths[0]) == avif


@pytest.mark.skipif(transcoding.is_readable("TIFF"), reason="the extra tiff is installed")
def test_a_record_whose_extra_is_absent_is_a_bad_image_that_names_it(tmp_path):
    items = []
    for number, kind in enumerate(["JPEG"] * 4 + ["TIFF"]):
        content = functools.partial(encode, Image.new("RGB", (20, 30), (number, 0, 0)), kind)
        items.append(Item(f"{number}.{kind}", number % 2, str(number % 2), content))
    write_tfrecord(tmp_path / "train.tfrecord", items, ["0", "1"])
    config = _config(tmp_path, records=str(tmp_path / "train.tfrecord"))
    with pytest.raises(UserError, match=r"4\.TIFF: a TIFF file, not a supported image without the extra tiff: "):
        open_source(config)
