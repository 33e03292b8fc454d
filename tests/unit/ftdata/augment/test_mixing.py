"""MixUp and CutMix: what is drawn, what is mixed, and that partners stay together."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from ftdata.augment.augmentation import Augmentation
from ftdata.augment.mixing import PairMixing, beta_quantiles, beta_sample, partner_of
from ftdata.augment.sampled_layer import uniform
from ftdata.config import AugmentConfig
from ftdata.config.augment import check_pairs
from ftdata.errors import UserError

_NOISE = np.random.default_rng(3).integers(0, 256, (8, 20, 30, 3), np.uint8)


@pytest.mark.parametrize("alpha", [0.1, 0.2, 0.4, 1.0, 2.0, 8.0, 1000.0])
def test_draws_have_the_beta_distribution(alpha):
    drawn = beta_sample(uniform([20_000], (1, 2)), beta_quantiles(alpha)).numpy().astype(np.float64)
    assert 0 <= drawn.min() < drawn.max() <= 1
    assert np.mean(drawn < 0.5) == pytest.approx(0.5, abs=0.015)
    # Each half by its distance from the end, because float32 has few numbers just below 1 and many just above 0.
    lower = drawn[drawn < 0.5]
    assert stats.kstest(lower, lambda x: 2 * stats.beta(alpha, alpha).cdf(x)).pvalue > 0.001
    if alpha >= 0.4:
        assert stats.kstest(drawn, stats.beta(alpha, alpha).cdf).pvalue > 0.001


def test_quantiles_are_the_formula_where_there_is_one():
    probabilities = np.linspace(0, 0.5, len(beta_quantiles(1.0)))
    np.testing.assert_allclose(beta_quantiles(1.0), probabilities, atol=1e-6)  # uniform
    np.testing.assert_allclose(beta_quantiles(0.5), np.sin(np.pi * probabilities / 2) ** 2, atol=1e-6)  # arcsine


def test_draws_are_symmetric_and_the_same_compiled():
    u, table = tf.constant([0.0, 2**-24, 0.1, 0.3, 0.5]), beta_quantiles(0.3)
    drawn = beta_sample(u, table)
    np.testing.assert_allclose(drawn[1:], 1 - beta_sample(1 - u[1:], table), atol=1e-6)
    np.testing.assert_allclose(
        tf.function(lambda u: beta_sample(u, table), autograph=False, jit_compile=True)(u), drawn, atol=1e-6
    )


def _pixels(*levels):
    return np.stack([np.full((2, 3, 1), level, np.uint8) for level in levels])


def _parameters(top, left, bottom, right, keep):
    edges = {"top": top, "left": left, "bottom": bottom, "right": right}
    return {name: tf.constant(value) for name, value in (edges | {"keep": keep}).items()}


def test_partners_are_mixed_inside_the_rectangle():
    images = _pixels(100, 20, 1, 5)
    # the first pair as MixUp: the whole image, 3/4 of the own; the second as CutMix: the right column
    parameters = _parameters([0, 0, 0, 0], [0, 0, 2, 2], [2, 2, 2, 2], [3, 3, 3, 3], [0.75, 0.75, 0.0, 0.0])
    layer = PairMixing(1.0)
    for apply in (layer.apply, tf.function(layer.apply, autograph=False, jit_compile=True)):
        result = apply(images, parameters).numpy()[..., 0]
        np.testing.assert_array_equal(result[0], np.full((2, 3), 80))
        np.testing.assert_array_equal(result[1], np.full((2, 3), 40))
        assert result[2].tolist() == [[1, 1, 5], [1, 1, 5]]
        assert result[3].tolist() == [[5, 5, 1], [5, 5, 1]]


def test_partner_is_the_other_of_two_neighbours():
    assert partner_of(tf.constant([3, 4, 5, 6])).numpy().tolist() == [4, 3, 6, 5]


@pytest.mark.parametrize("alphas", [(0.4, 0.0), (0.0, 1.0), (0.4, 1.0)])
def test_partners_have_the_same_parameters_and_pairs_their_own(alphas):
    drawn = PairMixing(*alphas).sample(64, 20, 30, (1, 2))
    for name, value in drawn.items():
        np.testing.assert_array_equal(value[::2], value[1::2], err_msg=name)
    assert len(np.unique(drawn["share"])) > 20


def test_mixup_draws_its_share_from_beta():
    drawn = PairMixing(0.5).sample(20_000, 20, 30, (1, 2))
    assert stats.kstest(drawn["share"][::2], stats.beta(0.5, 0.5).cdf).pvalue > 0.001
    np.testing.assert_array_equal(drawn["keep"], drawn["share"])


def test_cutmix_has_the_image_of_its_share():
    drawn = PairMixing(0.0, 1.0).sample(2_000, 20, 30, (1, 2))
    black_and_white = np.tile(_pixels(0, 255), (1_000, 10, 10, 1))
    mixed = PairMixing(0.0, 1.0).apply(black_and_white, drawn).numpy()
    np.testing.assert_allclose(mixed[1::2].mean(axis=(1, 2, 3)) / 255, drawn["share"][1::2], atol=1e-5)
    np.testing.assert_allclose(mixed[::2].mean(axis=(1, 2, 3)) / 255, 1 - drawn["share"][::2], atol=1e-5)
    assert set(np.unique(mixed)) == {0.0, 255.0}


def test_cutmix_rectangles_are_those_of_the_authors_code():
    layer, seed = PairMixing(0.0, 1.0), (1, 2)
    drawn = layer.sample(200, 20, 30, seed)
    u = uniform([4, 100], seed).numpy()
    for pair, share in enumerate(beta_sample(u[0], beta_quantiles(1.0)).numpy()):
        tall, wide = int(20 * np.sqrt(1 - share)), int(30 * np.sqrt(1 - share))
        row, column = int(u[1, pair] * 20), int(u[2, pair] * 30)
        expected = [
            *(np.clip(row - tall // 2, 0, 20), np.clip(column - wide // 2, 0, 30)),
            *(np.clip(row + tall // 2, 0, 20), np.clip(column + wide // 2, 0, 30)),
        ]
        assert [int(drawn[name][2 * pair]) for name in ("top", "left", "bottom", "right")] == expected


def test_with_both_half_of_the_pairs_get_either():
    drawn = PairMixing(0.4, 1.0).sample(20_000, 20, 30, (1, 2))
    is_cutmix = drawn["keep"].numpy()[::2] == 0
    assert np.mean(is_cutmix) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    "alphas", [*(pytest.param(alphas, marks=pytest.mark.slow) for alphas in [(0.4, 0.0), (0.0, 1.0)]), (0.4, 1.0)]
)
def test_eager_and_compiled_draw_and_mix_alike(alphas):
    layer, seed = PairMixing(*alphas), tf.constant([4, 5])

    def mix(seed):
        drawn = layer.sample(8, 20, 30, seed)
        return layer.apply(_NOISE, drawn), drawn["share"]

    for ours, theirs in zip(tf.function(mix, autograph=False, jit_compile=True)(seed), mix(seed), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=0.001)


def test_the_layer_mixes_labels_with_the_images():
    layer = PairMixing(1.0, seed=3)
    labels = np.eye(2, dtype=np.float32)[[0, 1, 0, 0]]
    images = np.broadcast_to(255 * labels[:, None, None, :], (4, 5, 6, 2))  # images that show their label
    mixed = layer({"images": images, "labels": labels}, training=True)
    np.testing.assert_allclose(mixed["images"][:, 0, 0] / 255, mixed["labels"], atol=1e-6)
    np.testing.assert_allclose(mixed["labels"][0] + mixed["labels"][1], [1, 1], atol=1e-6)  # no label loses weight
    assert 0 < mixed["labels"][0, 0] < 1
    idle = layer({"images": images, "labels": labels})
    np.testing.assert_array_equal(idle["images"], images)
    with pytest.raises(ValueError, match="mixes labels too"):
        layer(images, training=True)


def test_augmentation_hands_out_the_share_of_the_own_label():
    augmentation = Augmentation(AugmentConfig(mixup_alpha=1.0), seed=4)
    images = tf.constant(_pixels(*[0, 255] * 4))
    augmented = augmentation(images, tf.range(8), step=tf.constant(3), global_batch=8)
    np.testing.assert_allclose(augmented.images[::2, 0, 0, 0] / 255, 1 - augmented.share[::2], atol=1e-6)
    np.testing.assert_allclose(augmented.images[1::2, 0, 0, 0] / 255, augmented.share[1::2], atol=1e-6)


def test_an_odd_batch_of_a_device_is_refused():
    with pytest.raises(UserError, match=r"batch_size must be even on each device .* got 5 a device: change"):
        check_pairs(5)
    with pytest.raises(ValueError, match="must be even"):
        PairMixing(1.0).apply(_pixels(1, 2, 3), PairMixing(1.0).sample(3, 2, 3, (1, 2)))


@pytest.mark.parametrize(
    ("alphas", "message"),
    [((-1, 0), "mixup_alpha must be one number >= 0"), ((0, "x"), "cutmix_alpha"), ((0, 0), "must be above 0")],
)
def test_bad_alphas_are_named(alphas, message):
    with pytest.raises(UserError, match=message):
        PairMixing(*alphas)


def test_the_layer_is_itself_after_loading():
    layer = PairMixing(0.3, 0.7, seed=2)
    loaded = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert loaded.get_config() == layer.get_config()


@pytest.mark.parametrize("alpha", [5e-324, 1e-300, 1e-9, 1e-3, 1e5, 1e6])
@pytest.mark.parametrize("kind", ["mixup_alpha", "cutmix_alpha"])
def test_extreme_alphas_mix_nothing_or_halves(kind, alpha):
    layer = PairMixing(**{"mixup_alpha": 0.0, "cutmix_alpha": 0.0, kind: alpha})
    drawn = layer.sample(2_000, 20, 30, (1, 2))
    share = drawn["share"].numpy()
    assert np.all((share >= 0) & (share <= 1))  # and not NaN
    if alpha < 1:
        assert kind == "cutmix_alpha" or np.mean((share < 0.01) | (share > 0.99)) > 0.98
    elif kind == "mixup_alpha":
        assert np.abs(share - 0.5).max() < 0.01
    mixed = layer.apply(_NOISE, {name: value[:8] for name, value in drawn.items()}).numpy()
    assert np.all((mixed >= 0) & (mixed <= 255))


@pytest.mark.parametrize("alpha", [float("inf"), float("nan"), -1.0])
def test_an_alpha_that_is_no_number_is_refused(alpha):
    with pytest.raises(UserError, match="mixup_alpha must be one number >= 0"):
        PairMixing(alpha)
