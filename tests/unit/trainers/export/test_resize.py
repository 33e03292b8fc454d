"""The resize that exports carry, against the one of training."""

import numpy as np
import pytest
import tensorflow as tf

from ftdata.decoding.decode import Decoding
from trainers.export import resize


def _shares(length, other, side, **how):
    return resize.shares(tf.constant(length), tf.constant(other), Decoding(image_size=side, **how)).numpy().tolist()


def test_an_output_pixel_is_a_triangle_over_input_pixels():
    assert _shares(4, 4, 2) == pytest.approx(np.array([[3, 3, 1, 0], [0, 1, 3, 3]]) / 7)
    assert _shares(2, 2, 4) == [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]]
    assert _shares(3, 3, 3) == np.eye(3).tolist()


def test_cropping_leaves_both_ends_of_the_longer_side_out():
    assert _shares(4, 2, 2, resize="crop") == [[0, 1, 0, 0], [0, 0, 1, 0]]
    assert _shares(2, 4, 2, resize="crop") == [[1, 0], [0, 1]]


def test_bars_have_no_share_of_any_pixel():
    assert _shares(1, 3, 3, resize="pad") == [[0], [1], [0]]
    assert _shares(3, 1, 3, resize="pad") == np.eye(3).tolist()


def test_the_nearest_pixel_has_all():
    assert _shares(5, 5, 2, interpolation="nearest") == [[0, 1, 0, 0, 0], [0, 0, 0, 1, 0]]
    assert _shares(1, 3, 6, resize="pad", interpolation="nearest") == [[0], [0], [1], [1], [0], [0]]


@pytest.mark.parametrize("how", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
def test_the_square_is_that_of_training(how, interpolation):
    decoding = Decoding(image_size=32, resize=how, interpolation=interpolation)
    rng = np.random.default_rng(0)
    for height, width in [(32, 32), (40, 40), (97, 61), (240, 320), (5, 3), (1, 1), (1, 700), (700, 1), (33, 31)]:
        image = rng.integers(0, 256, (height, width, 3), np.uint8)
        expected = decoding.to_square(tf.constant(image)).numpy().astype(int)
        for may_branch in (True, False):
            found = resize.squares(tf.constant(image[None]), decoding, may_branch=may_branch).numpy()[0]
            assert found.shape == (32, 32, 3)
            wrong = np.abs(found - expected)
            # where the sum is a half, its last bits decide
            assert (wrong.max() <= 1, wrong.mean() < 2e-3) == (True, True), (height, width)
            if (height, width) == (32, 32) or interpolation == "nearest":
                assert wrong.max() == 0


def test_each_image_of_a_batch_is_resized_alone():
    decoding = Decoding(image_size=8)
    images = np.random.default_rng(1).integers(0, 256, (3, 20, 11, 3), np.uint8)
    together = resize.squares(tf.constant(images), decoding).numpy()
    for image, found in zip(images, together, strict=True):
        np.testing.assert_allclose(found, resize.squares(tf.constant(image[None]), decoding)[0], atol=1)


def test_every_channel_is_resized():
    image = np.random.default_rng(2).integers(0, 256, (40, 23, 5), np.uint8)
    decoding = Decoding(image_size=16, channels=5)
    found = resize.squares(tf.constant(image[None]), decoding).numpy()[0]
    np.testing.assert_allclose(found, decoding.to_square(tf.constant(image)).numpy(), atol=1)
    for channel in range(5):  # as in an image of three
        colours = image[..., [channel] * 3]
        expected = resize.squares(tf.constant(colours[None]), Decoding(image_size=16)).numpy()[0]
        np.testing.assert_allclose(found[..., channel], expected[..., 0], atol=1)
