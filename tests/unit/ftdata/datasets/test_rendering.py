"""Drawing: the same seed gives the same bytes, here and in another process, without TensorFlow."""

import hashlib
import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from ftdata.datasets.cutlery import photos as cutlery
from ftdata.datasets.objects import photos as objects
from ftdata.datasets.rendering import backgrounds, materials, outlines, rendering
from ftdata.errors import UserError
from tests import ROOT

SIZE = 128


def _scene(*, material="metal", background="wood", zoom=0.8):
    disc = outlines.ellipse((0, 0), radii=(0.5, 0.9))
    hole = outlines.ellipse((0, 0), radii=(0.2, 0.2))
    return rendering.Scene([rendering.Part(material, [disc], [hole])], background, zoom=zoom)


def _photograph(seed, **options):
    return rendering.photograph(_scene(**options), size=SIZE, rng=np.random.default_rng(seed))


def test_picture_is_small_rgb_of_bytes():
    picture = _photograph(1)
    assert picture.shape == (SIZE, SIZE, 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 5


def test_same_seed_gives_same_bytes_and_another_seed_others():
    first, again, other = (rendering.jpeg(_photograph(seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_fresh_process_gives_same_bytes_without_tensorflow():
    code = (
        "import hashlib, sys; from ftdata.datasets.cutlery import photos as c\n"
        "from ftdata.datasets.objects import photos as o\n"
        "data = c.jpeg('forky', split='train', number=3) + o.jpeg('key', split='test', number=4);"
        "print(hashlib.sha256(data).hexdigest(), 'tensorflow' in sys.modules)"
    )
    fresh = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    data = cutlery.jpeg("forky", split="train", number=3) + objects.jpeg("key", split="test", number=4)
    assert fresh.split() == [hashlib.sha256(data).hexdigest(), "False"]


def test_jpeg_decodes_to_nearly_the_same_picture():
    picture = _photograph(5, background="gradient")
    with Image.open(io.BytesIO(rendering.jpeg(picture))) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (SIZE, SIZE))
        assert np.abs(np.asarray(image, float) - picture).mean() < 8


def test_object_stays_in_view_and_can_be_told_from_its_ground(monkeypatch):
    # Black ground, no light or camera: what is bright is the object.
    monkeypatch.setattr(backgrounds, "draw", lambda *_, size, **__: np.zeros((size, size, 3), np.float32))
    monkeypatch.setattr(rendering, "_light", lambda size, rng: np.ones((size, size), np.float32))
    monkeypatch.setattr(materials, "paint", lambda *_, **__: np.float32(1))
    for seed in range(40):
        seen = _photograph(seed, zoom=0.6).max(axis=2) > 128
        middle = seen[16:-16, 16:-16].sum() / seen.sum()
        assert 0.03 < seen.mean() < 0.5
        assert middle > 0.5


@pytest.mark.parametrize("family", backgrounds.FAMILIES)
def test_background_is_float32_between_0_and_1_and_not_flat(family):
    for seed in range(8):
        rng = np.random.default_rng(seed)
        picture = backgrounds.draw(family, size=SIZE, rng=rng)
        assert (picture.shape, picture.dtype) == ((SIZE, SIZE, 3), np.float32)
        assert 0 <= picture.min() < picture.max() <= 1


@pytest.mark.parametrize("material", materials.MATERIALS)
def test_materials_paint_every_background_size(material):
    scene = _scene(material=material)
    for size in (32, 96):
        assert rendering.photograph(scene, size=size, rng=np.random.default_rng(0)).shape == (size, size, 3)


def test_unknown_names_are_answered_with_the_choices():
    with pytest.raises(UserError, match=r"family.*wood.*'sand'"):
        _photograph(0, background="sand")
    with pytest.raises(UserError, match=r"material.*metal.*'gold'"):
        _photograph(0, material="gold")


def test_outline_helpers():
    square = outlines.box(0, 0, 1, 2)
    np.testing.assert_array_equal(square, [(0, 0), (1, 0), (1, 2), (0, 2)])
    np.testing.assert_array_equal(outlines.moved(square, by=(1, -1))[0], (1, -1))
    # y points down, so a quarter turn clockwise takes right (1, 0) to down (0, 1)
    np.testing.assert_allclose(outlines.turned(square, degrees=90)[1], (0, 1), atol=1e-12)
    np.testing.assert_array_equal(outlines.mirrored([(1, 0), (2, 3)]), [(1, 0), (2, 3), (-2, 3), (-1, 0)])
    line = outlines.stroke((0, 0), (2, 0), widths=(1, 0.5))
    np.testing.assert_allclose(line, [(0, 0.5), (2, 0.25), (2, -0.25), (0, -0.5)])
    assert len(outlines.rounded(square, rounds=2)) == 16
    assert np.hypot(*outlines.star(5, inner=0.3, outer=0.9).T).round(6).tolist() == [0.9, 0.3] * 5
