"""--channels: folders and CSVs of .npy and TIFF files, judged, split, cached and read in every tier."""

import numpy as np
import pytest

from ftdata import pipeline
from ftdata.cache import disk, tiers
from ftdata.config import DataConfig
from ftdata.decoding.decode import Decoding
from ftdata.errors import UserError
from ftdata.folders import folder, named_images
from ftdata.sources import unlabeled
from ftdata.sources.source import open_source
from tests.tools import bad_files, channel_files


def _config(root, **settings):
    return DataConfig(
        image_dir=str(root), **{"image_size": 16, "channels": 5, "data_dir": str(root.parent / "data"), **settings}
    )


@pytest.fixture(params=["npy", pytest.param("tiff", marks=pytest.mark.extra_formats)])
def five(request, tmp_path):
    """Two classes of images of five channels, .npy or, where the extra is asked for, TIFF too."""
    if request.param == "tiff":
        pytest.importorskip("tifffile")
    return channel_files.write(tmp_path / "five", train=6, test=3, side=24, as_tiff=request.param == "tiff")


def test_every_tier_gives_the_same_batches_of_all_channels(five):
    config = _config(five, validation_fraction=0.2)
    source = open_source(config)
    assert source.class_names == channel_files.CLASSES
    assert (len(source.train) + len(source.validation), len(source.test)) == (12, 6)
    assert not any("passed over" in note for note in source.notes)

    def batches(tier, workers=1):
        images = tiers.open_split(source.train, config, tier=tier, workers=workers)
        made = pipeline.for_training(
            images, source.train.labels, class_weights=np.ones(2, np.float32), global_batch=4, seed=0, steps=(0, 4)
        )
        return np.stack([batch["image"].numpy() for batch in made])

    expected = batches("memory")
    assert expected.shape == (4, 4, 16, 16, 5)
    for tier in ("disk", "none"):
        np.testing.assert_array_equal(batches(tier), expected, strict=True)
    np.testing.assert_array_equal(batches("memory", workers=2), expected, strict=True)
    disk.wait_until_kept()
    whole = tiers.open_split(source.train, config, tier="none").take(np.arange(len(source.train)))
    for name, pixels in zip(source.train.names, whole, strict=True):
        if name.endswith(".npy"):
            stored = np.load(five / name, allow_pickle=False)
        else:
            stored = pytest.importorskip("tifffile").imread(five / name)
        stored = (stored >> 8).astype(np.uint8) if stored.dtype == np.uint16 else stored
        np.testing.assert_array_equal(Decoding.of(config).to_square(stored), pixels, err_msg=name)


def test_the_number_of_channels_is_in_the_plan_and_in_the_name_of_the_store(five):
    source, three = open_source(config := _config(five)), _config(five, channels=3)
    assert disk.key(source.train, config) != disk.key(source.train, three)
    mib = 1000 * 1024**2 * 5 / 2**20
    told = tiers.plan(_config(five, image_size=1024), train=1000, held_out=0, on_gpu=False).reason
    assert f"{mib / 1024:.1f} GiB" in told


def test_stores_of_three_channels_keep_their_names():
    named = "Decoding(image_size=32, resize='crop', interpolation='bilinear', jpeg_decode='full')"
    assert repr(Decoding(32, "crop")) == named  # which is in the name of a store
    assert Decoding(32) != Decoding(32, channels=4)


def test_files_of_other_channels_are_named(five):
    (five / "train/high/4 channels.npy").write_bytes(channel_files.npy(np.zeros((8, 8, 4), np.uint8)))
    (five / "train/high/photo.jpg").write_bytes(bad_files.encode(bad_files.PHOTO, "JPEG"))
    (five / "train/high/cut.npy").write_bytes(channel_files.npy(np.zeros((8, 8, 5), np.uint8))[:-9])
    with pytest.raises(UserError) as caught:
        open_source(_config(five))
    for line in (
        "train/high/4 channels.npy: has 4 channels, --channels=5 expected",
        "train/high/photo.jpg: has 3 channels, --channels=5 expected (JPEG is read as RGB)",
        "train/high/cut.npy: truncated NPY",
    ):
        assert f"\n  {line}\n" in str(caught.value)
    source = open_source(_config(five, on_bad_image="skip", max_bad_fraction=1.0))
    assert len(source.bad_images) == 3
    assert open_source(_config(five, on_bad_image="skip", max_bad_fraction=1.0)).bad_images == source.bad_images  # kept


def test_of_three_channels_npy_files_are_no_images_as_ever(tmp_path):
    root = bad_files.write_good(tmp_path / "photos", count=4)
    for path in sorted(root.rglob("*.jpg")):
        path.with_suffix(".npy").write_bytes(b"\x93NUMPY of something")
    listing = folder.scan(str(root))
    assert all(name.endswith(".jpg") for files in listing.splits.values() for name in files.names)
    assert any(".npy" in note for note in listing.notes)


def test_a_csv_and_predict_name_such_files(five, tmp_path):
    table = tmp_path / "labels.csv"
    names = sorted(str(path.relative_to(five)) for path in (five / "train").rglob("*.*"))
    table.write_text("file,label\n" + "".join(f"{name},{name.split('/')[1]}\n" for name in names))
    source = open_source(_config(five, labels_csv=str(table)))
    assert len(source.train) + len(source.validation) + len(source.test) == 12
    config = _config(five)
    paths, notes = named_images.find(str(five / "test"), channels=5)
    assert len(paths) == 6
    assert not notes
    assert unlabeled.examined(paths, str(five / "test"), config)[0] == {}
    (batch,) = unlabeled.decoded(paths, config, batch_size=8, calls=2)
    assert batch[1].shape == (6, 16, 16, 5)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no file ending in \.npy"):
        named_images.find(str(tmp_path / "empty"), channels=5)


@pytest.mark.parametrize("name", ["dataset", "records", "data_service"])
def test_what_gives_images_of_three_channels_is_refused(name):
    value = "grpc://localhost:5000" if name == "data_service" else "cutlery"
    with pytest.raises(UserError, match=f"channels must be 3 with {name}={value}, got 5: images of other channels are"):
        DataConfig(channels=5, **{name: value})


@pytest.mark.parametrize("channels", [0, 17])
def test_the_number_of_channels_is_bounded(channels):
    with pytest.raises(UserError, match="channels must be from 1 to 16"):
        DataConfig(channels=channels)


@pytest.mark.parametrize("on_bad_image", ["error", "skip"])
def test_a_folder_of_jpegs_for_five_channels_is_refused_in_one_line_that_names_the_right_number(tmp_path, on_bad_image):
    root = bad_files.write_good(tmp_path / "photos", count=4)
    count = len(list(root.rglob("*.jpg")))
    with pytest.raises(UserError) as caught:
        open_source(_config(root, on_bad_image=on_bad_image))
    said = str(caught.value)
    assert said.startswith(f"{count} of {count} images cannot be used: has 3 channels, --channels=5 expected, such as ")
    assert said.endswith(". Use --channels=3 (the default), or name images of 5 channels, TIFF or .npy files")
    assert "\n" not in said
    assert "on_bad_image" not in said
