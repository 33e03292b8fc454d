"""Every line of what must hold: RandomAffine against ImageDataGenerator, eager and compiled."""

import keras
import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf
from keras.src.legacy.preprocessing.image import ImageDataGenerator
from scipy import stats

from ftdata.augment.affine import FILL_MODES, PARAMETERS
from ftdata.augment.augmentation import Augmentation, notes
from ftdata.augment.color import RandomBrightnessFactor, RandomChannelShift
from ftdata.augment.random_affine import RandomAffine
from ftdata.augment.sampled_layer import uniform
from ftdata.config import AugmentConfig
from ftdata.errors import UserError

_NOTEBOOK = {
    "rotation_range": 180,
    "width_shift_range": 0.1,
    "height_shift_range": 0.1,
    "shear_range": 0.1,
    "zoom_range": [0.9, 1.5],
    "horizontal_flip": True,
    "vertical_flip": True,
}
_HARD = {**_NOTEBOOK, "shear_range": 30.0, "zoom_range": [0.5, 2.0], "height_shift_range": 0.3}
_BOUND = 0.05  # of 255
_OF_ONE_IMAGE = {"hue": 60.0, "grayscale": 0.2, "rand_augment": (2, 9), "random_convolution": 0.5}


@pytest.fixture(autouse=True)
def _scipy_namespace(monkeypatch):
    # keras calls scipy.ndimage.interpolation.affine_transform, whose namespace SciPy is about to remove
    monkeypatch.setattr(scipy.ndimage, "interpolation", scipy.ndimage, raising=False)


def _noise(count, height, width):
    return np.random.default_rng(7).integers(0, 256, (count, height, width, 3), np.uint8)


def _drawn(generator, count, height, width):
    np.random.seed(11)
    return [generator.get_random_transform((height, width, 3)) for _ in range(count)]


def _stacked(drawn):
    return {name: np.array([one[name] for one in drawn]) for name in PARAMETERS}


def _reference(generator, images, drawn):
    return np.stack(
        [generator.apply_transform(image.astype(np.float32), one) for image, one in zip(images, drawn, strict=True)]
    )


def _assert_same_image(result, expected, parameters, fill_mode):
    """Within the bound; in the modes with an edge, a coordinate within 1e-3 of it may fall on the other side."""
    far = np.abs(np.asarray(result, np.float64) - expected).max(axis=-1) > _BOUND
    assert far.mean() <= (0.001 if fill_mode in ("constant", "wrap") else 0.0)


@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize(("height", "width"), [(40, 40), (37, 52)])
def test_apply_gives_the_image_of_image_data_generator(fill_mode, height, width):
    count = 125  # x 4 fill modes x 2 shapes = 1,000 parameter sets
    generator = ImageDataGenerator(**_HARD, fill_mode=fill_mode, cval=17.0)
    images, drawn = _noise(count, height, width), _drawn(generator, count, height, width)
    layer = RandomAffine.from_image_data_generator(generator)
    expected = _reference(generator, images, drawn)
    for apply in (layer.apply, tf.function(layer.apply, autograph=False, jit_compile=True)):
        _assert_same_image(apply(tf.constant(images), _stacked(drawn)), expected, drawn, fill_mode)


def test_apply_keeps_the_bound_at_the_notebooks_size():
    generator = ImageDataGenerator(**_NOTEBOOK)
    images, drawn = _noise(24, 224, 224), _drawn(generator, 24, 224, 224)
    layer = RandomAffine.from_image_data_generator(generator)
    result = tf.function(layer.apply, autograph=False, jit_compile=True)(tf.constant(images), _stacked(drawn))
    _assert_same_image(result, _reference(generator, images, drawn), drawn, "nearest")


def test_sampled_parameters_have_the_distribution_of_get_random_transform():
    generator = ImageDataGenerator(**{**_HARD, "width_shift_range": 0.2})
    ours = RandomAffine.from_image_data_generator(generator).sample(10_000, 100, 150, seed=(3, 4))
    theirs = _stacked(_drawn(generator, 10_000, 100, 150))
    for name in PARAMETERS:
        p = stats.ks_2samp(ours[name].numpy() * 1.0, theirs[name] * 1.0, method="asymp").pvalue
        assert p > 0.001, f"{name}: p = {p}"


def test_sampling_is_a_function_of_the_seed_alone():
    layer = RandomAffine(**_NOTEBOOK)
    first, again, other = (layer.sample(8, 50, 50, seed=seed) for seed in ((1, 2), (1, 2), (1, 3)))
    for name in PARAMETERS[:6]:
        np.testing.assert_array_equal(first[name], again[name])
        assert not np.array_equal(first[name], other[name])


def test_the_same_image_eager_in_graph_compiled_and_in_tf_data():
    layer, images = RandomAffine(**_HARD), tf.constant(_noise(16, 64, 64))

    def augment(batch, seed):  # the seed is an argument: as a constant it would be drawn before XLA compiles
        return layer.apply(batch, layer.sample(16, 64, 64, seed))

    seed = tf.constant([5, 6])
    eager = augment(images, seed).numpy()
    results = {
        "graph": tf.function(augment, autograph=False)(images, seed),
        "xla": tf.function(augment, autograph=False, jit_compile=True)(images, seed),
        "tf.data": next(iter(tf.data.Dataset.from_tensors((images, seed)).map(augment))),
    }
    for name, result in results.items():
        assert np.abs(result.numpy() - eager).max() <= _BOUND, name


def test_uniform_numbers_are_uniform_and_the_same_compiled():
    seed = tf.constant([1, 2])
    numbers = uniform([100_000], seed).numpy()
    assert stats.kstest(numbers, "uniform").pvalue > 0.001
    assert 0 <= numbers.min() < numbers.max() < 1
    compiled = tf.function(lambda seed: uniform([100_000], seed), autograph=False, jit_compile=True)
    np.testing.assert_array_equal(compiled(seed), numbers)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_coordinates_stay_float32_under_mixed_precision(policy):
    # at 3,000 pixels float16 coordinates would be off by a pixel, bfloat16 ones by eight
    images = _noise(1, 8, 3000)
    parameters = {name: np.zeros(1) for name in PARAMETERS} | {
        "zx": np.ones(1),
        "zy": np.ones(1),
        "tx": np.array([0.5]),
    }
    exact = RandomAffine(dtype="float32").apply(images, parameters)
    assert np.abs(RandomAffine(dtype=policy).apply(images, parameters) - exact).max() <= _BOUND
    layer = RandomAffine(rotation_range=90, dtype=policy, seed=1)
    assert layer(images, training=True).dtype == keras.DTypePolicy(policy).compute_dtype


@pytest.mark.parametrize(
    ("fill_mode", "jit_compile"),
    [
        *((fill_mode, False) for fill_mode in FILL_MODES),
        ("wrap", True),
        *(pytest.param(fill_mode, True, marks=pytest.mark.slow) for fill_mode in FILL_MODES if fill_mode != "wrap"),
    ],
)
def test_zero_ranges_return_the_input_bit_for_bit(fill_mode, jit_compile):
    layer, images = RandomAffine(fill_mode=fill_mode, seed=0), _noise(4, 33, 21)
    call = (
        tf.function(lambda x, training: layer(x, training=training), autograph=False, jit_compile=True)
        if jit_compile
        else layer
    )
    np.testing.assert_array_equal(call(images, training=True), images.astype(np.float32))


def test_a_shift_of_one_pixel_moves_columns_as_in_image_data_generator():
    image = np.arange(9, dtype=np.float32).reshape(1, 3, 3, 1)
    nothing = {name: np.zeros(1) for name in PARAMETERS} | {"zx": np.ones(1), "zy": np.ones(1)}
    moved = RandomAffine().apply(image, nothing | {"tx": np.ones(1)})
    assert moved[0, ..., 0].numpy().tolist() == [[1, 2, 2], [4, 5, 5], [7, 8, 8]]
    flipped = RandomAffine().apply(image, nothing | {"flip_horizontal": np.array([1])})
    assert flipped[0, ..., 0].numpy().tolist() == [[2, 1, 0], [5, 4, 3], [8, 7, 6]]


def test_outside_training_the_layer_returns_its_input_or_resizes_it():
    images = _noise(2, 10, 10)
    np.testing.assert_array_equal(RandomAffine(rotation_range=90)(images), images)
    resized = RandomAffine(rotation_range=90, output_size=25)(images)
    np.testing.assert_allclose(resized, tf.image.resize(images, (25, 25)), atol=1e-3)


def test_output_size_folds_the_resize_into_the_warp():
    images = _noise(3, 20, 20)
    layer = RandomAffine(output_size=(30, 44), seed=0)
    np.testing.assert_allclose(layer(images, training=True), tf.image.resize(images, (30, 44)), atol=0.01)
    assert layer.compute_output_shape((None, 20, 20, 3)) == (None, 30, 44, 3)


def test_layer_works_in_sequential_fit_and_after_loading(tmp_path):
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((16, 16, 3)),
        RandomAffine(**_NOTEBOOK, seed=3),
        keras.layers.Flatten(),
        keras.layers.Dense(1),
    ]
    model = keras.Sequential(layers)
    model.compile(loss="mse", jit_compile=False)  # XLA: above
    model.fit(_noise(8, 16, 16).astype(np.float32), np.zeros((8, 1)), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[0].get_config() == layers[1].get_config()


def test_a_generator_setting_that_cannot_be_honoured_is_named():
    table = {
        "channel_shift_range": 10.0,
        "brightness_range": [0.5, 1.0],
        "preprocessing_function": abs,
        "samplewise_center": True,
        "featurewise_center": True,
        "interpolation_order": 0,
        "data_format": "channels_first",
        "width_shift_range": 3,  # whole numbers are drawn from a list then
        "height_shift_range": [1, 2],
    }
    for name, value in table.items():
        generator = ImageDataGenerator(**{name: value})
        with pytest.raises(UserError, match=name):
            RandomAffine.from_image_data_generator(generator)


def test_rescale_of_a_generator_is_honoured():
    layer = RandomAffine.from_image_data_generator(ImageDataGenerator(rescale=1 / 255), seed=0)
    images = _noise(2, 8, 8)
    np.testing.assert_allclose(layer(images, training=True), images / 255, rtol=1e-6)
    np.testing.assert_allclose(layer(images), images / 255, rtol=1e-6)


@pytest.mark.parametrize(
    "bad", [{"rotation_range": -1}, {"zoom_range": 1.5}, {"zoom_range": (2, 1)}, {"fill_mode": "mirror"}]
)
def test_bad_arguments_are_named(bad):
    with pytest.raises(UserError, match=next(iter(bad))):
        RandomAffine(**bad)


def test_channel_shift_and_brightness_are_image_data_generators():
    generator = ImageDataGenerator(channel_shift_range=60.0, brightness_range=(0.4, 1.8))
    images = _noise(30, 12, 12)
    images[:15] = images[:15] // 3 + 40  # a range narrower than 0..255, so that clipping to it shows
    drawn = _drawn(generator, 30, 12, 12)
    values = {
        "channel_shift_intensity": tf.constant([one["channel_shift_intensity"] for one in drawn], tf.float32),
        "brightness": tf.constant([one["brightness"] for one in drawn], tf.float32),
    }
    shift, brightness = RandomChannelShift(60.0), RandomBrightnessFactor((0.4, 1.8))
    for function in (lambda f: f, lambda f: tf.function(f, autograph=False, jit_compile=True)):
        result = function(lambda x: brightness.apply(shift.apply(x, values), values))(tf.constant(images))
        difference = np.abs(result.numpy() - _reference(generator, images, drawn))
        # whole grey levels: where a product falls within rounding of one, it may fall on the other side
        assert difference.max() <= 1
        assert (difference > 0).mean() < 0.001


def test_augmentation_warps_an_image_alike_however_the_batch_is_split():
    augmentation = Augmentation(AugmentConfig(rotation_range=90, brightness_range=(0.5, 1.5)), seed=4)
    images, slots = tf.constant(_noise(8, 16, 16)), tf.range(8)
    whole = augmentation(images, slots, step=tf.constant(3), global_batch=8).images
    parts = [
        augmentation(images[k : k + 2], slots[k : k + 2], step=tf.constant(3), global_batch=8).images
        for k in (0, 2, 4, 6)
    ]
    np.testing.assert_array_equal(whole, np.concatenate(parts))
    other = augmentation(images, slots, step=tf.constant(4), global_batch=8).images
    assert not np.array_equal(whole, other)


def test_augment_false_changes_nothing():
    augmentation = Augmentation(AugmentConfig(augment=False, rotation_range=90), seed=4)
    images = _noise(2, 8, 8)
    unchanged = augmentation(tf.constant(images), tf.range(2), step=tf.constant(0), global_batch=2)
    np.testing.assert_array_equal(unchanged.images, images)
    assert unchanged.share is None


def _whole_chain():
    config = AugmentConfig(
        rotation_range=20,
        channel_shift_range=20,
        brightness_range=(0.8, 1.2),
        random_resized_crop=0.3,
        color_jitter=0.4,
        background_mixing=0.5,
        random_erasing=0.5,
        **_OF_ONE_IMAGE,
        mixup_alpha=0.4,
        cutmix_alpha=1.0,
    )
    return Augmentation(config, seed=4)


def test_the_whole_chain_is_the_same_however_pairs_are_split():
    augmentation = _whole_chain()
    names = [type(layer).__name__ for layer in augmentation.layers]
    assert names == [
        "RandomResizedCrop",
        "BackgroundMixing",
        "RandomChannelShift",
        "RandomBrightnessFactor",
        "RandomColorJitter",
        "RandomHue",
        "RandomGrayscale",
        "RandAugment",
        "RandomConvolution",
        "RandomErasing",
        "PairMixing",
    ]
    images, slots, step = tf.constant(_noise(8, 16, 16)), tf.range(8), tf.constant(3)
    whole = augmentation(images, slots, step=step, global_batch=8)
    parts = [augmentation(images[k], slots[k], step=step, global_batch=8) for k in (slice(2), slice(2, 8))]
    np.testing.assert_array_equal(whole.images, np.concatenate([part.images for part in parts]))
    np.testing.assert_array_equal(whole.share, np.concatenate([part.share for part in parts]))


@pytest.mark.slow  # each layer, eager and compiled: in its own tests
def test_the_whole_chain_is_the_same_compiled():
    augmentation, images, slots, step = _whole_chain(), tf.constant(_noise(8, 16, 16)), tf.range(8), tf.constant(3)
    whole = augmentation(images, slots, step=step, global_batch=8)
    compiled = tf.function(
        lambda step: augmentation(images, slots, step=step, global_batch=8), autograph=False, jit_compile=True
    )(step)
    np.testing.assert_allclose(compiled.share, whole.share, atol=1e-6)
    # brightness rounds down to whole levels: a product within rounding of one may fall on the other side
    difference = np.abs(compiled.images.numpy() - whole.images.numpy())
    assert np.quantile(difference, 0.95) <= _BOUND
    assert difference.max() <= 3


def test_layers_that_are_not_asked_for_take_no_place():
    # each draws by its place: what older settings draw must not move
    settings = {"channel_shift_range": 9.0, "color_jitter": 0.4, "random_erasing": 0.5, "cutmix_alpha": 1.0}
    layers = Augmentation(AugmentConfig(**settings), seed=4).layers
    names = ["RandomAffine", "RandomChannelShift", "RandomColorJitter", "RandomErasing", "PairMixing"]
    assert [type(layer).__name__ for layer in layers] == names


@pytest.mark.parametrize(
    ("settings", "lines"), [({"random_resized_crop": 0.25}, 1), ({"random_resized_crop": 1.0}, 0), ({}, 0)]
)
def test_a_run_says_that_crops_are_cut_from_the_cached_image(settings, lines):
    said = notes(AugmentConfig(**settings), image_size=224)
    assert len(said) == lines
    assert all("224x224 pixels that are cached" in line and "112x112, are enlarged 2.0 times" in line for line in said)
    assert notes(AugmentConfig(augment=False, **settings), image_size=224) == []


@pytest.mark.parametrize(
    "settings",
    [
        {"width_shift_range": 1e6, "height_shift_range": 1e-320},
        {"zoom_range": (1e-320, 1e6)},
        {"cval": 255.0, "fill_mode": "constant", "rotation_range": 360.0},
        {"brightness_range": (0.0, 1e6)},
        {"channel_shift_range": 255.0, "color_jitter": 1.0, "random_erasing": 1.0, "random_resized_crop": 0.01},
        {"hue": 180.0, "grayscale": 1.0, "rand_augment": (9, 30), "random_convolution": 1.0, "background_mixing": 1.0},
        {"hue": 1e-320, "rand_augment": (1, 0), "random_convolution": 1e-320, "background_mixing": 1e-320},
    ],
)
@pytest.mark.parametrize("fill_mode", ["reflect", "wrap"])
def test_settings_at_their_bounds_give_finite_pixels(settings, fill_mode):
    augmentation = Augmentation(AugmentConfig(**{"fill_mode": fill_mode, **settings}), seed=0)
    for step in range(3):
        augmented = augmentation(tf.constant(_noise(4, 16, 16)), tf.range(4), step=tf.constant(step), global_batch=4)
        assert np.isfinite(augmented.images).all()


@pytest.mark.parametrize("name", ["width_shift_range", "zoom_range", "brightness_range", "cval", "mixup_alpha"])
def test_settings_beyond_what_float32_can_compute_with_are_refused(name):
    value = (1.0, 1e39) if name in ("zoom_range", "brightness_range") else 1e39
    with pytest.raises(UserError, match=f"{name} must be from"):
        AugmentConfig(**{name: value})


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.slow
def test_a_view_looks_alike_whatever_it_is_augmented_with(jit_compile):
    digests = np.random.default_rng(0).integers(0, 2**64, (24, 2), np.uint64)
    numbers = np.arange(24) % 3
    images = np.random.default_rng(1).integers(0, 256, (24, 16, 20, 3), np.uint8)
    config = AugmentConfig(rotation_range=40, random_resized_crop=0.4, color_jitter=0.3, **_OF_ONE_IMAGE)
    augmentation = Augmentation(config, seed=5)
    drawn = augmentation.view_seeds(digests, numbers)
    assert len({seed.tobytes() for seed in drawn.reshape(-1, 2)}) == 24 * 6  # layers
    sizes = [tf.TensorSpec([None, *images.shape[1:]], tf.uint8), tf.TensorSpec([None, *drawn.shape[1:]], tf.int32)]
    view = tf.function(
        augmentation.view, autograph=False, jit_compile=jit_compile, input_signature=None if jit_compile else sizes
    )
    whole = view(images, drawn).numpy()
    chosen = np.random.default_rng(2).permutation(24)[:8]
    np.testing.assert_array_equal(augmentation.view_seeds(digests[chosen], numbers[chosen]), drawn[chosen])
    np.testing.assert_array_equal(view(images[chosen], drawn[chosen]), whole[chosen])
    few = slice(None) if jit_compile else slice(1)  # eager it takes a second for each image
    np.testing.assert_allclose(augmentation.view(images[few], drawn[few]), whole[few], atol=0.05)
    assert not np.array_equal(Augmentation(config, seed=6).view_seeds(digests, numbers), drawn)
    assert len({image.tobytes() for image in view(np.tile(images[:1], (24, 1, 1, 1)), drawn).numpy()}) == 24


def test_a_view_without_layers_is_the_image():
    images = np.random.default_rng(1).integers(0, 256, (4, 8, 8, 3), np.uint8)
    augmentation = Augmentation(AugmentConfig(augment=False), seed=5)
    drawn = augmentation.view_seeds(np.zeros((4, 2), np.uint64), np.zeros(4, int))
    np.testing.assert_array_equal(augmentation.view(images, drawn), images)
