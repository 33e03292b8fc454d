"""What is seen of real image files without training on them."""

import numpy as np
import pytest
from PIL import Image

from ftdata.cache import in_flight
from ftdata.sources.source import load_folder
from trainers.doctor.duplicates import NOTHING_ALIKE, nearest
from trainers.doctor.survey import survey


def scene(seed, height=240, width=320):
    """An image of smooth coloured patches."""
    patches = np.random.default_rng(seed).integers(0, 255, (5, 6, 3), np.uint8)
    return Image.fromarray(patches).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture
def folder(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "train" / name).mkdir(parents=True)
    return tmp_path / "train"


def look(folder):
    """The survey of a folder, by the base names of its files."""
    train = load_folder(str(folder.parent), validation_fraction=0.0).train
    seen = survey({"train": train})["train"]
    return {name.rsplit("/", 1)[-1]: k for k, name in enumerate(train.names)}, seen


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """(place by file name, survey) of a folder with all kinds of images, looked at once."""
    folder = tmp_path_factory.mktemp("survey") / "train"
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
    tagged = Image.Exif()
    tagged[0x0112] = 6  # turned by a quarter
    scene(0).save(folder / "cat" / "first.jpg", quality=95)
    scene(0).save(folder / "cat" / "worse.jpg", quality=40)
    scene(0).resize((1600, 1200)).save(folder / "cat" / "larger.jpg")  # decoded at an eighth
    scene(0).save(folder / "dog" / "other_format.png")
    scene(1).save(folder / "cat" / "turned.jpg", exif=tagged)
    scene(1).transpose(Image.Transpose.ROTATE_270).save(folder / "dog" / "upright.jpg")
    scene(2, height=30, width=50).save(folder / "dog" / "small.png")
    Image.new("RGB", (64, 64), (200, 10, 10)).save(folder / "cat" / "red.png")
    return look(folder)


def _alike(name, seen):
    at, found = seen
    distances, _ = nearest(found.hashes, found.hashes[[at[name]]])
    return {other for other, k in at.items() if distances[k] < NOTHING_ALIKE}


def test_sizes_are_those_of_the_upright_image(seen):
    at, found = seen
    sizes = {name: tuple(found.sizes[k]) for name, k in at.items()}
    assert (sizes["first.jpg"], sizes["turned.jpg"], sizes["upright.jpg"]) == ((240, 320), (320, 240), (320, 240))
    assert (sizes["larger.jpg"], sizes["small.png"]) == ((1200, 1600), (30, 50))


def test_the_same_image_saved_again_looks_alike_and_another_does_not(seen):
    assert _alike("first.jpg", seen) == {"first.jpg", "worse.jpg", "larger.jpg", "other_format.png"}


def test_an_upright_image_looks_like_its_turned_original(seen):
    assert _alike("turned.jpg", seen) == {"turned.jpg", "upright.jpg"}


def test_images_of_one_colour_are_blank(seen):
    at, found = seen
    assert {name for name, k in at.items() if found.is_blank[k]} == {"red.png"}


def test_what_cannot_be_decoded_or_read_is_told_and_the_rest_seen(folder):
    for number in range(4):
        scene(number).save(folder / "cat" / f"{number}.jpg")
    scene(9).save(folder / "dog" / "gone.jpg")
    train = load_folder(str(folder.parent), validation_fraction=0.0).train
    others = train.subset(np.arange(len(train)) > 2)
    (folder / "dog" / "gone.jpg").unlink()  # all of them after they were examined
    (folder / "cat" / "1.jpg").write_bytes(b"\xff\xd8\xff no image")
    (folder / "cat" / "2.jpg").write_bytes(b"")
    both = survey({"train": train, "test": others})
    for split, expected in ((train, {"0.jpg", "3.jpg"}), (others, {"3.jpg"})):  # past what failed before
        seen = both["train" if split is train else "test"]
        readable = {name.rsplit("/", 1)[-1] for name, good in zip(split.names, seen.is_readable, strict=True) if good}
        assert readable == expected
        assert (seen.sizes[seen.is_readable] == (240, 320)).all()


def test_large_images_that_are_no_jpeg_are_looked_at_one_by_one(folder, monkeypatch):
    for name in ("cat/a.png", "dog/b.jpg"):
        scene(0, 3_000, 4_000).save(folder / name)
    train = load_folder(str(folder.parent), validation_fraction=0.0).train
    asked = []
    monkeypatch.setattr(in_flight, "calls", lambda largest, **how: asked.append((largest, how)) or 1)
    survey({"train": train})
    survey({"train": train.subset(np.array([name.endswith("jpg") for name in train.names]))})
    assert [largest for largest, _ in asked] == [12_000_000, 12_000_000 // 64]
    assert asked[0][1] == {"channels": 3, "bytes_each": 9}
