"""Frozen batch normalization as part of the convolution before it: the same numbers, the same variables."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainers.models import folding, training_graph
from trainers.models.layer_names import layers_of
from trainers.models.precision import precision_scope

layers = keras.layers


def _randomized(model, seed=0):
    """Statistics and factors that are not those a fresh layer has; batch normalization frozen."""
    generator = np.random.default_rng(seed)
    for layer in layers_of(model):
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = False
            for variable in layer.variables:
                low, high = (0.5, 1.5) if variable.name in ("gamma", "moving_variance") else (-0.3, 0.3)
                variable.assign(generator.uniform(low, high, variable.shape))
        elif getattr(layer, "use_bias", False) and layer.weights:
            layer.bias.assign(generator.uniform(-0.3, 0.3, layer.bias.shape))
    return model


def _all_kinds():
    """Every kind of convolution that can be folded, with and without biases, scale and center, in a nested model."""
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 3, use_bias=False, padding="same", name="plain")(inputs)
    x = layers.ReLU(6.0)(layers.BatchNormalization(scale=False)(x))
    x = layers.DepthwiseConv2D(3, strides=2, depth_multiplier=2, padding="same", name="depthwise")(x)
    x = layers.Activation("relu")(layers.BatchNormalization(center=False)(x))
    x = layers.SeparableConv2D(8, 3, padding="same", name="separable")(x)
    x = layers.BatchNormalization()(x)
    inner = keras.Sequential(
        [keras.Input((8, 8, 8)), layers.Conv2D(8, 1, groups=2, name="grouped"), layers.BatchNormalization()]
    )
    return _randomized(keras.Model(inputs, inner(x)))


def _names(model):
    found = []
    for part in [model, *(layer for layer in model.layers if isinstance(layer, keras.Model))]:
        graph = folding.as_graph(part)
        found += [convolution.name for convolution, _ in folding.pairs(graph, inference=False)]
    return sorted(found)


def _images(model, count=4):
    return np.random.default_rng(1).normal(size=(count, *model.input_shape[1:])).astype(np.float32)


def _gradients(network, variables, images):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.cast(network(images), tf.float32) ** 2)
    return [np.asarray(tf.convert_to_tensor(g)) for g in tape.gradient(loss, [v.value for v in variables])]


def test_every_kind_of_convolution_is_folded_and_gives_the_same():
    model = _all_kinds()
    assert _names(model) == ["depthwise", "grouped", "plain", "separable"]
    folded, images = folding.for_inference(model), _images(model)
    assert not any(isinstance(layer, layers.BatchNormalization) for layer in layers_of(folded))
    np.testing.assert_allclose(folded(images, training=False), model(images, training=False), atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", pytest.param("mixed_float16", marks=pytest.mark.slow)])
def test_half_precision_is_no_further_from_float32_than_without_folding(policy):
    errors = np.zeros(2)
    for seed in range(4):  # of one network's weights alone the ratio may be 0.7 or 1.2
        keras.utils.set_random_seed(seed)
        exact = _all_kinds()
        with precision_scope(policy):
            half = _all_kinds()
        half.set_weights(exact.get_weights())
        images = _images(exact, count=16)
        wanted = exact(images, training=False).numpy()
        folded, apart = folding.for_inference(half)(images, training=False), half(images, training=False)
        assert folded.dtype == apart.dtype == half.output.dtype
        errors += [np.abs(tf.cast(output, tf.float32).numpy() - wanted).mean() for output in (folded, apart)]
    assert 0 < errors[0] < 1.1 * errors[1]


def test_depthwise_gradients_are_computed_in_float32_where_the_rest_is_in_bfloat16():
    keras.utils.set_random_seed(0)
    exact = _all_kinds()
    with precision_scope("mixed_bfloat16"):
        half = _all_kinds()
    half.set_weights(exact.get_weights())
    images = _images(exact, count=16)
    wanted = _gradients(training_graph._split(exact, fold=True), exact.trainable_variables, images)
    network, variables = training_graph._split(half, fold=True), half.trainable_variables
    for variable, one, other in zip(variables, _gradients(network, variables, images), wanted, strict=True):
        if variable.name != "bias":  # of which TensorFlow adds up the gradients in bfloat16 where oneDNN does not
            assert np.linalg.norm(one - other) < 0.05 * np.linalg.norm(other)

    @tf.function(autograph=False)
    def gradients(pixels):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.cast(network(pixels), tf.float32) ** 2)
        return tape.gradient(loss, [variable.value for variable in variables])

    operations = gradients.get_concrete_function(tf.constant(images)).graph.get_operations()
    backward = [op for op in operations if op.type.startswith("DepthwiseConv2dNativeBackprop") and "sep" not in op.name]
    forward = [op for op in operations if op.type == "DepthwiseConv2dNative"]
    assert tf.bfloat16 in {op.get_attr("T") for op in forward}
    assert {op.get_attr("T") for op in backward} == {tf.float32}


def test_gradients_reach_the_kernels_and_biases_of_the_layers():
    model = _all_kinds()
    variables, images = model.trainable_variables, _images(model)
    plain = _gradients(training_graph._split(model, fold=False), variables, images)
    folded = _gradients(training_graph._split(model, fold=True), variables, images)
    assert len(plain) == 8  # a kernel for each of three, two for the separable one, three biases
    for one, other in zip(plain, folded, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-6 * np.abs(one).max())


def test_a_folded_network_sees_its_variables_change():
    model = _all_kinds()
    folded, images = folding.for_inference(model), _images(model)
    before = folded(images, training=False).numpy()
    for layer in layers_of(model):
        if isinstance(layer, layers.BatchNormalization):
            layer.moving_mean.assign_add(layer.moving_mean + 1)
    after = folded(images, training=False).numpy()
    assert np.abs(after - before).max() > 0.1
    np.testing.assert_allclose(after, model(images, training=False), atol=2e-6)


def _left_alone():
    """Convolutions whose batch normalization must not be folded, by the reason."""
    inputs = keras.Input((8, 8, 4))
    convolve = {"padding": "same", "use_bias": False}
    before = layers.Conv2D(4, 3, name="before", **convolve)(layers.BatchNormalization()(inputs))
    active = layers.BatchNormalization()(layers.Conv2D(4, 3, activation="relu", name="active", **convolve)(before))
    twice = layers.Conv2D(4, 3, name="twice", **convolve)(active)
    x = layers.Add()([layers.BatchNormalization()(twice), layers.MaxPooling2D(1)(twice)])
    shared, norm = layers.Conv2D(4, 3, name="shared", **convolve), layers.BatchNormalization()
    x = norm(shared(norm(shared(x))))
    across = layers.BatchNormalization(axis=1)(layers.Conv2D(4, 3, name="across", **convolve)(x))
    other = layers.BatchNormalization(dtype="float64")(layers.Conv2D(4, 3, name="other_type", **convolve)(across))
    training = layers.BatchNormalization(name="training")(layers.Conv2D(4, 3, name="trains", **convolve)(other))
    end = layers.Conv2D(4, 3, name="end", **convolve)(training)
    return keras.Model(inputs, end)


def test_what_cannot_be_folded_is_left_alone():
    model = _randomized(_left_alone())
    model.get_layer("training").trainable = True
    assert _names(model) == []
    assert [c.name for c, _ in folding.pairs(model, inference=True)] == ["trains"]
    np.testing.assert_allclose(
        folding.for_inference(model)(_images(model), training=False),
        model(_images(model), training=False),
        rtol=1e-4,
        atol=1e-6,
    )


@pytest.mark.parametrize("join", [layers.Add(), keras.ops.add])
def test_a_sum_that_a_relu_and_something_else_use_is_left_alone(join):
    inputs = keras.Input((8, 8, 4))
    x = layers.BatchNormalization()(layers.Conv2D(4, 3, padding="same", name="into_the_sum")(inputs))
    total = join([x, inputs]) if isinstance(join, layers.Add) else join(x, inputs)
    relu = layers.Conv2D(4, 3, padding="same", name="behind")(layers.ReLU()(total))
    model = _randomized(keras.Model(inputs, layers.Add()([layers.BatchNormalization()(relu), total])))
    assert _names(model) == ["behind"]


def test_a_layer_that_is_to_be_kept_is_called_itself():
    model = _all_kinds()
    kept = model.get_layer("depthwise")
    called = [layer for layer in layers_of(folding.for_inference(model, keep=kept)) if layer is kept]
    assert called == [kept]


@pytest.mark.parametrize(
    ("setting", "on_gpu", "folds"), [("auto", False, True), ("true", True, True), ("false", False, False)]
)
def test_resolve(setting, on_gpu, folds):
    assert folding.resolve(setting, on_gpu=on_gpu) == folds
