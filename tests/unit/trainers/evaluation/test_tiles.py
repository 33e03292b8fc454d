"""Grids whose files say which part of them is which image."""

import numpy as np
import pytest
from PIL import Image

from trainers.evaluation import figures, tiles


def written(tmp_path, images, captions):
    path = tmp_path / "grid.png"
    figures.save(tiles.image_grid(images, captions, title="a title"), path)
    return Image.open(path)


def test_each_box_holds_its_image(tmp_path):
    colors = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    images = np.stack([np.full((20, 10, 3), color, np.uint8) for color in colors])
    with written(tmp_path, images, ["one\ntwo", "\udcff", "three"]) as image:
        found = tiles.read(image)
        assert (found.title, list(found.captions)) == ("a title", ["one\ntwo", "\udcff", "three"])
        for box, color in zip(found.boxes, colors, strict=True):
            part = np.asarray(image.convert("RGB").crop(box))[2:-2, 2:-2]
            assert part.shape[0] == pytest.approx(2 * part.shape[1], abs=6)
            assert (part == color).all()


def test_no_images_have_no_boxes(tmp_path):
    with written(tmp_path, np.zeros((0, 8, 8, 3), np.uint8), []) as image:
        assert tiles.read(image) is None


@pytest.mark.parametrize(
    "said",
    [
        None, "", "[]", "{", '{"title": "", "boxes": [[0, 0, 9, 9]], "captions": []}',
        '{"title": "", "boxes": [[0, 0, 99, 9]], "captions": ["a"]}',
        '{"title": "", "boxes": [[0]], "captions": ["a"]}',
    ],
)  # fmt: skip
def test_what_cannot_be_used_says_nothing(said):
    image = Image.new("RGB", (10, 10))
    image.info |= {} if said is None else {"tiles": said}
    assert tiles.read(image) is None


@pytest.mark.parametrize(
    ("channels", "shown", "title"),
    [
        (5, [0, 1, 2], "a title (channels 1 to 3 of 5)"),
        (2, [0, 0, 0], "a title (channel 1 of 2)"),
        (1, [0] * 3, "a title"),
    ],
)
def test_of_other_channels_the_first_are_shown_and_the_title_says_so(tmp_path, channels, shown, title):
    colors = [200, 100, 50, 25, 12][:channels]
    images = np.stack([np.full((12, 12, channels), colors, np.uint8)])
    with written(tmp_path, images, ["one"]) as image:
        found = tiles.read(image)
        assert found.title == title
        part = np.asarray(image.convert("RGB").crop(found.boxes[0]))[2:-2, 2:-2]
        assert (part == [colors[channel] for channel in shown]).all()
