"""Decoded images in memory: the right ones, in order, once."""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from ftdata import pipeline
from ftdata.cache import filling
from ftdata.cache.images import from_tensor
from ftdata.config import DataConfig
from ftdata.decoding import decode
from ftdata.sources.source import load_folder


def opened(root, **settings):
    return load_folder(str(root), validation_fraction=0.0, **settings).train


@pytest.mark.parametrize(
    ("resize", "interpolation"),
    [("stretch", "bilinear"), ("crop", "bilinear"), ("pad", "bilinear"), ("stretch", "nearest")],
)
def test_holds_every_file_of_the_split_in_order(photo_folder, resize, interpolation):
    split = opened(photo_folder)
    part = split.subset(np.arange(60) % 3 > 0)  # 40, no whole number of chunks
    images = filling.in_memory(part, DataConfig(image_size=24, resize=resize, interpolation=interpolation))
    how = decode.Decoding(image_size=24, resize=resize, interpolation=interpolation)
    expected = [how.any_format(tf.constant((photo_folder / name).read_bytes())) for name in part.names]
    assert images.dtype == tf.uint8
    np.testing.assert_array_equal(images, expected, strict=True)


@pytest.mark.slow
def test_more_images_than_one_chunk(tmp_path):
    for number in range(130):
        path = tmp_path / "ab"[number % 2] / f"{number:03}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (9, 8), (number, 0, 255 - number)).save(path)
    split = opened(tmp_path)
    images = filling.in_memory(split, DataConfig(image_size=8)).numpy()
    numbers = np.array([int(Path(name).stem) for name in split.names])
    np.testing.assert_array_equal(images[:, 3, 3], np.stack([numbers, 0 * numbers, 255 - numbers], axis=-1))


def test_empty_split_is_an_empty_tensor(photo_folder):
    nothing = opened(photo_folder).subset(np.zeros(60, bool))
    assert filling.in_memory(nothing, DataConfig(image_size=16)).shape == (0, 16, 16, 3)


def test_gathering_works_after_everything_else_is_gone(photo_folder):
    images = filling.in_memory(opened(photo_folder), DataConfig(image_size=16))
    again = filling.in_memory(opened(photo_folder), DataConfig(image_size=16)).numpy()
    np.testing.assert_array_equal(tf.gather(images, [59, 0, 59]), again[[59, 0, 59]])


def megabytes_of_memory(kind):
    """What this process holds now (`VmRSS`, without files `RssAnon`), or the most it ever held (`VmHWM`)."""
    fields = dict(line.split(":") for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines())
    return int(fields[kind].split()[0]) / 1000


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="needs Linux's memory high-water mark")
def test_images_are_held_once(tmp_path):
    for class_name in "ab":
        (tmp_path / class_name).mkdir()
        for number in range(240):
            Image.new("RGB", (8, 8), (number % 256, 0, 0)).save(tmp_path / class_name / f"{number}.jpg")
    split = opened(tmp_path)
    filling.in_memory(split.subset(np.arange(480) < 100), DataConfig(image_size=204))  # load what decoding needs
    before = megabytes_of_memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the most so far is what is held now
    images = filling.in_memory(split, DataConfig(image_size=204))
    grown = megabytes_of_memory("VmHWM") - before
    megabytes = images.shape.num_elements() / 1e6
    assert 59 < megabytes < 61
    assert grown < 1.6 * megabytes  # a copy on top would be twice the size


@pytest.mark.parametrize("read", ["for_training", "for_evaluation"])
def test_images_are_not_copied_when_they_are_read(photo_folder, read):
    images = filling.in_memory(opened(photo_folder), DataConfig(image_size=600))  # 65 MB
    options = {"class_weights": np.ones(1, np.float32), "seed": 0, "steps": (0, 2)} if read == "for_training" else {}
    before = megabytes_of_memory("RssAnon")
    next(iter(getattr(pipeline, read)(from_tensor(images), np.zeros(60, np.int32), global_batch=1, **options)))
    assert megabytes_of_memory("RssAnon") - before < 0.3 * images.shape.num_elements() / 1e6


def test_unreadable_file_is_named(tmp_path):
    for number in range(150):  # the broken one in the second chunk
        path = tmp_path / "ab"[number % 2] / f"{number:03}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)
    split = opened(tmp_path)
    broken = tmp_path / "b" / "131.png"  # after it was examined, or in a data set that is not
    broken.write_bytes(broken.read_bytes()[:40])
    message = r"^cannot decode b/131\.png: (?!Graph)\S.*\. Remove or replace the file and start again$"
    with pytest.raises(ValueError, match=message) as caught:
        filling.in_memory(split, DataConfig(image_size=8))
    assert "\n" not in str(caught.value)
    assert "node" not in str(caught.value)  # TensorFlow's names of operations mean nothing to a user


def test_file_that_is_no_image_is_named(tmp_path, photo_folder):
    for class_name in ("blue", "red"):
        (tmp_path / class_name).symlink_to(photo_folder / "train" / class_name)
    (tmp_path / "green").mkdir()
    shutil.copy(next((photo_folder / "train" / "green").iterdir()), tmp_path / "green" / "1.jpg")
    split = opened(tmp_path)
    (tmp_path / "green" / "1.jpg").write_bytes(b"<html>not found</html>")
    with pytest.raises(ValueError, match=re.escape("cannot decode green/1.jpg: ")):
        filling.in_memory(split, DataConfig(image_size=8))


def test_file_that_vanished_is_named(tmp_path):
    for name in ("a/1.jpg", "b/2.jpg"):
        (tmp_path / name).parent.mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    split = opened(tmp_path)
    (tmp_path / "b/2.jpg").unlink()
    with pytest.raises(ValueError, match=r"^cannot read b/2\.jpg: the file is gone"):
        filling.in_memory(split, DataConfig(image_size=8))
