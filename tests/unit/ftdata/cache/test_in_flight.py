"""Of images so large that many would not fit into memory fewer are decoded at a time."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from ftdata import parallelism
from ftdata.cache import in_flight, resources, tiers
from ftdata.config import DataConfig
from ftdata.decoding.decode import Decoding
from ftdata.sources.split import Split
from ftdata.texts import Texts

_GIB = 2**30


def _split(*pixels, plain=True):
    count = len(pixels)
    nothing, names = np.zeros((count, 2), np.uint64), Texts.of("a" * count)
    parts = {"paths": np.array([b"a"] * count, object), "plain": np.full(count, plain), "pixels": np.array(pixels)}
    return Split(np.zeros(count, np.int32), names, np.arange(count), nothing, lambda _: None, "", **parts)


@pytest.fixture
def machine(monkeypatch):
    def of(gib, cores):
        monkeypatch.setattr(resources, "available_memory", lambda: int(gib * _GIB))
        monkeypatch.setattr(parallelism, "CORES", cores)

    return of


@pytest.mark.parametrize(
    ("gib", "cores", "megapixels", "expected"),
    [
        (16, 2, 0.05, (tf.data.AUTOTUNE, None)),  # usual photos: as ever
        (16, 2, 12, (tf.data.AUTOTUNE, None)),
        (16, 2, 50, (2, 3)),
        (16, 2, 100, (2, 1)),
        (0.1, 2, 50, (2, 1)),  # 600 MiB in any case
        (0.1, 2, 100, (1, 1)),
        (16, 64, 50, (7, 1)),
    ],
)
def test_the_largest_image_and_the_free_memory_decide(gib, cores, megapixels, expected, machine):
    machine(gib, cores)
    split = _split(1000, int(megapixels * 1e6), 10)
    assert in_flight.of_batches(split, Decoding(224)) == expected


def test_scaled_decoding_leaves_little_to_hold(machine):
    machine(1, 64)
    split = _split(50_000_000)
    assert in_flight.most(split, Decoding(224)) == 2
    assert in_flight.most(split, Decoding(224, jpeg_decode="scaled")) > 64
    assert in_flight.most(_split(50_000_000, plain=False), Decoding(224, jpeg_decode="scaled")) == 2  # no JPEG, perhaps


def test_what_is_not_known_or_empty_has_no_limit():
    assert in_flight.most(_split(), Decoding(224)) is None


@pytest.mark.parametrize(
    ("megapixels", "bytes_each", "expected"), [(0, 2, 64), (1, 2, 64), (50, 2, 7), (50, 7, 2), (12, 7, 8)]
)
def test_calls_for_an_image_each_are_as_many_as_fit(megapixels, bytes_each, expected, machine):
    machine(16, 64)
    assert in_flight.calls(int(megapixels * 1e6), bytes_each=bytes_each) == expected
    assert in_flight.calls(None, bytes_each=bytes_each) == 64


def test_images_of_a_stream_are_bounded_too(machine):
    machine(16, 64)
    split = dataclasses.replace(_split(50_000_000), paths=None, plain=None)
    assert tiers.open_split(split, DataConfig(image_size=224), tier="none").parallel_calls == 7
    unknown = dataclasses.replace(split, pixels=None)
    assert tiers.open_split(unknown, DataConfig(image_size=224), tier="none").parallel_calls == 64
