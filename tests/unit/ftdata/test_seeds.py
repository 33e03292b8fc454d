"""Streams of random numbers: no two of a run are the same."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from ftdata import seeds
from ftdata.augment.augmentation import Augmentation
from ftdata.augment.color import RandomBrightnessFactor, RandomChannelShift
from ftdata.augment.sampled_layer import SampledLayer, uniform
from ftdata.config import AugmentConfig
from ftdata.pipeline import image_at

_PLACES = {
    "phase": ("pretrain", "transfer", "finetune"),
    "augment": range(12),
    "view": range(12),
    "layer": ("RandomAffine", "RandomErasing"),
}


def _numbers(seed):
    """Every number that a run takes: its own streams, and those of each phase."""
    for stream in seeds.STREAMS:
        for place in _PLACES.get(stream, ((),)):
            own = seeds.number(seed, stream, *([place] if place != () else []))
            yield own
            if stream == "phase":
                yield from _of_phase(own)


def _of_phase(seed):
    yield from (seeds.number(seed, stream) for stream in ("order", "stream_order", "dropout"))
    yield from (seeds.number(seed, "order", word) for word in range(3))
    yield from (seeds.number(seed, "augment", layer) for layer in _PLACES["augment"])


@pytest.mark.parametrize("seed", [0, 1, 2, 255, 256, 2**31 - 1])
def test_all_streams_of_a_run_differ(seed):
    drawn = list(_numbers(seed))
    assert len(drawn) > 60
    assert len(set(drawn)) == len(drawn)
    assert all(0 < one < 2**31 for one in drawn)  # an int32, and never the 0 that means "no seed"


def test_streams_of_neighbouring_seeds_differ():
    drawn = [one for seed in range(300) for one in _numbers(seed)]
    assert len(set(drawn)) >= len(drawn) - 2  # of 2^31: 0.1 pairs are to be expected by chance


def test_every_stream_has_its_own_number_and_keeps_its_meaning():
    assert len(set(seeds.STREAMS.values())) == len(seeds.STREAMS)
    assert seeds.number(0, "order") == 1620722436
    assert seeds.number(7, "augment", 9) == 1809663261
    with pytest.raises(KeyError):
        seeds.number(0, "no such stream")


class _Drawn(SampledLayer):
    """Keeps what it draws instead of changing images."""

    def sample(self, batch_size, height, width, seed):
        return {"drawn": uniform([batch_size], seed)}

    def apply(self, images, parameters):
        self.drawn = parameters["drawn"].numpy()
        return images


def test_layers_and_consecutive_steps_draw_different_numbers():
    # twelve layers: with `step * 8 + layer`, the ninth drew in each step what the first drew in the next
    augmentation = Augmentation(AugmentConfig(augment=False), seed=3)
    augmentation.layers = [_Drawn() for _ in range(12)]
    images, drawn = tf.zeros([4, 2, 2, 3]), []
    for step in range(20):
        augmentation(images, tf.range(4), step=tf.constant(step), global_batch=4)
        drawn += [layer.drawn.tobytes() for layer in augmentation.layers]
    assert len(set(drawn)) == 20 * 12


def test_layers_of_one_seed_called_by_themselves_draw_different_numbers():
    shift, brightness = RandomChannelShift(100.0, seed=5), RandomBrightnessFactor((0.0, 1.0), seed=5)
    states = [layer.generator.state.numpy().tolist() for layer in (shift, brightness, RandomChannelShift(1.0, seed=5))]
    assert states[0] != states[1]
    assert states[0] == states[2]


@pytest.mark.parametrize("n", [50, 300])
def test_passes_and_seeds_that_lie_256_apart_have_orders_of_their_own(n):
    # RandomIndexShuffle takes 8 bits of each word of its key up to 65,536 images
    places = [(seed, number) for seed, number in itertools.product((0, 1, 256, 257, 512), (0, 1, 255, 256, 257, 512))]
    orders = {
        image_at(tf.range(number * n, (number + 1) * n, dtype=tf.int64), count=n, seed=seed).numpy().tobytes()
        for seed, number in places
    }
    assert len(orders) == len(places)


def test_weights_of_neighbouring_seeds_differ_and_one_seed_repeats_them():
    def weights(seed):
        keras.utils.set_random_seed(seeds.number(seed, "weights"))
        return keras.initializers.GlorotUniform()((4, 4)).numpy()

    np.testing.assert_array_equal(weights(0), weights(0))
    assert not np.array_equal(weights(0), weights(1))
