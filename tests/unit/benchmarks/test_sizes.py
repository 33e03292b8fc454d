"""The question of sizes: images of their own, and exponents."""

import hashlib

import pytest

from benchmarks.harness import growth, small_images
from flags import benchmark


def test_no_two_small_images_are_the_same_and_each_can_be_decoded(tmp_path):
    from PIL import Image

    small_images.write(tmp_path / "a", count=302, classes=3)
    paths = sorted((tmp_path / "a").rglob("*.jpg"))
    assert len({hashlib.sha256(path.read_bytes()).digest() for path in paths}) == len(paths) == 302
    assert len(list((tmp_path / "a" / "class_00000").iterdir())) == 101
    for path in (paths[0], paths[-1]):
        with Image.open(path) as image:
            image.load()
            assert image.size == (32, 32)
    paths[0].unlink()
    small_images.write(tmp_path / "a", count=302, classes=3)  # it was whole: nothing is written again
    assert not paths[0].exists()


def test_an_exponent_is_that_of_the_growth():
    assert growth.exponents([10, 100, 1000], [2.0, 20.0, 2000.0]) == pytest.approx([1.0, 2.0])
    found = {10: {"listing": 1.0, "kept": 2.0}, 100: {"listing": 10.0, "kept": 3.0}}
    lines = growth.table(found, of="images", each="KiB", not_seconds=["kept"]).splitlines()
    assert lines[2:] == ["| listing | 1 | 10 | 1.00 |", "| kept | 2 KiB | 3 KiB |  |"]


@pytest.mark.parametrize("value", ["1", "x", "10,", "-5", "1e3"])
def test_numbers_of_images_are_whole(value, capsys):
    with pytest.raises(SystemExit):
        benchmark.parse(["x", f"--images={value}"], "images")
    assert capsys.readouterr().err.startswith("--images must be whole numbers above 1 such as 1000,20000, got ")


def test_numbers_come_in_order():
    assert benchmark.numbers("20000,1000", (1,)) == [1_000, 20_000]
    assert benchmark.numbers(None, (3, 2)) == [2, 3]
