"""One step: the same on one device and on two, and a function of (seed, step)."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from ftdata import pipeline
from ftdata.augment.augmentation import Augmentation
from ftdata.cache.images import from_tensor
from ftdata.config import AugmentConfig
from trainers.config import PHASES, ModelConfig, TrainConfig, TrainingConfig
from trainers.evaluation.step import EvaluationStep
from trainers.models.classifier import base_of, build_classifier
from trainers.models.trainable import is_synchronized, moving_statistics, set_trainable
from trainers.runtime.compilation import COMPILE_AUGMENTATION, COMPILE_NOTHING, COMPILE_STEP
from trainers.runtime.devices import distribute, make_strategy
from trainers.training.averaging import averaged_weights
from trainers.training.objective import cross_entropy
from trainers.training.optimizer import build_optimizer, make_optimizer
from trainers.training.step import TrainStep, images_at

_SIDE, _COUNT, _BATCH = 32, 30, 8
_IMAGES = np.random.default_rng(0).integers(0, 256, (_COUNT, _SIDE, _SIDE, 3), np.uint8)
_LABELS = np.arange(_COUNT, dtype=np.int32) % 3
_WEIGHTS = np.array([0.5, 1.0, 2.0], np.float32)
_GEOMETRY = AugmentConfig(rotation_range=45, horizontal_flip=True)
_PAIRS = AugmentConfig(horizontal_flip=True, background_mixing=0.5, mixup_alpha=0.4, cutmix_alpha=1.0)
_EVERYTHING = AugmentConfig(
    **{"rotation_range": 45, "horizontal_flip": True, "random_resized_crop": 0.3, "color_jitter": 0.4},
    **{"random_erasing": 0.5, "mixup_alpha": 0.4, "cutmix_alpha": 1.0, "background_mixing": 0.5},
    **{"hue": 60.0, "grayscale": 0.2, "rand_augment": (2, 9), "random_convolution": 0.5},
)


def _train(
    strategy,
    *,
    steps,
    dropout=0.0,
    compiled=COMPILE_NOTHING,
    first=0,
    policy="float32",
    augment=_GEOMETRY,
    micro_batches=1,
    together=1,
    backbone,
    **training,
):
    """Losses of some steps of fine-tuning a saved base, and the model."""
    keras.utils.set_random_seed(1)
    config = TrainConfig(
        model=ModelConfig(backbone, weights="none", dropout=dropout, train_batch_norm=True),
        training=TrainingConfig(**training),
    )
    with strategy.scope():
        network = build_classifier(config.model, num_classes=3, image_size=_SIDE, policy=policy)
        replicas = strategy.num_replicas_in_sync
        set_trainable(network, PHASES["finetune"], config.model, replicas=replicas)
        optimizer = make_optimizer(config.training, policy=policy)
        build_optimizer(optimizer, network.trainable_variables, statistics=moving_statistics(network))
        network.compile(optimizer=optimizer, jit_compile=False)
    step = TrainStep(
        network,
        optimizer,
        strategy=strategy,
        augmentation=Augmentation(augment, seed=9),
        global_batch=_BATCH,
        label_smoothing=0.1,
        compiled=compiled,
        micro_batches=micro_batches,
    )
    replicas = strategy.num_replicas_in_sync
    dataset = pipeline.for_training(
        from_tensor(tf.constant(_IMAGES)),
        _LABELS,
        class_weights=_WEIGHTS,
        global_batch=_BATCH,
        seed=9,
        steps=(first, first + steps),
        shard=pipeline.Shard(0, replicas, replicas),
    )
    batches = iter(distribute(strategy, dataset))
    results = []
    while len(results) < steps:
        several = [next(batches) for _ in range(min(together, steps - len(results)))]
        rates = [1e-3 / (1 + len(results) + number) for number in range(len(several))]
        results += [one.numpy() for one in step.several(several, first=first + len(results), learning_rates=rates)]
    return np.array(results), network


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    """`_train` on a base of two convolutions."""
    layers = [keras.Input((_SIDE, _SIDE, 3)), keras.layers.Rescaling(1 / 255)]
    for block, filters in enumerate((8, 16), start=1):
        layers.append(keras.layers.Conv2D(filters, 3, 2, activation="relu", name=f"block{block}_conv1"))
    path = tmp_path_factory.mktemp("base") / "base.keras"
    keras.Sequential(layers).save(path)
    return functools.partial(_train, backbone=str(path))


def _one():
    return tf.distribute.OneDeviceStrategy("/cpu:0")


_AS_ON_A_CPU = {"compiled": COMPILE_AUGMENTATION}
_CLIPPED = {"gradient_clip_norm": 0.1, "ema_decay": 0.9}
_MIXED = {"augment": _EVERYTHING, "compiled": COMPILE_STEP}
_DROPOUT = {"dropout": 0.4, "ema_decay": 0.9}
_SCALED = {"augment": _EVERYTHING, "policy": "mixed_float16", "micro_batches": 2, **_AS_ON_A_CPU}


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({}, id="plain"),
        pytest.param(_AS_ON_A_CPU, id="compiled"),
        pytest.param({"gradient_clip_norm": 0.1}, id="clipped"),
        pytest.param({"augment": _EVERYTHING, **_AS_ON_A_CPU}, id="mixed"),
    ],
)
@pytest.mark.slow  # with batch normalization: below
def test_two_replicas_give_the_losses_and_weights_of_one(train, settings):
    one, network = train(_one(), steps=10, optimizer="sgd", **settings)
    two, mirrored = train(make_strategy("mirrored"), steps=10, optimizer="sgd", **settings)
    np.testing.assert_allclose(two, one, rtol=1e-5)
    for ours, theirs in zip(mirrored.weights, network.weights, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("strategy", "settings"),
    [
        pytest.param("one_device", _CLIPPED, id="clipped-one_device"),
        pytest.param("mirrored", _CLIPPED, id="clipped-mirrored", marks=pytest.mark.slow),
        pytest.param("one_device", _MIXED, id="mixed-one_device", marks=pytest.mark.slow),
        pytest.param("mirrored", _MIXED, id="mixed-mirrored", marks=pytest.mark.slow),
    ],
)
def test_micro_batches_give_the_numbers_of_the_whole_batch(train, strategy, settings):
    whole, network = train(_one(), steps=6, optimizer="sgd", **settings)
    count = 4 if strategy == "one_device" else 2
    parts, accumulated = train(make_strategy(strategy), steps=6, optimizer="sgd", micro_batches=count, **settings)
    np.testing.assert_allclose(parts, whole, rtol=1e-5)
    for ours, theirs in zip(accumulated.weights, network.weights, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=5e-6)


@pytest.mark.parametrize(
    ("strategy", "settings"),
    [
        pytest.param("one_device", _DROPOUT, id="dropout-one_device"),
        pytest.param("one_device", {**_DROPOUT, **_AS_ON_A_CPU}, id="compiled-one_device"),
        pytest.param("mirrored", {**_DROPOUT, **_AS_ON_A_CPU}, id="compiled-mirrored"),
        pytest.param("one_device", _SCALED, id="scaled-one_device"),
        pytest.param("mirrored", _SCALED, id="scaled-mirrored"),
    ],
)
@pytest.mark.slow  # with batch normalization: below; with dropout: test_restart
def test_several_steps_in_one_call_give_the_bits_of_one_by_one(train, strategy, settings):
    single, network = train(make_strategy(strategy), steps=5, **settings)
    several, other = train(make_strategy(strategy), steps=5, together=2, **settings)  # 2, 2 and 1
    np.testing.assert_array_equal(several, single)
    for ours, theirs in zip(other.weights, network.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


@pytest.mark.slow
def test_dropout_differs_between_micro_batches_and_steps_can_be_repeated(train):
    options = {"dropout": 0.5, "micro_batches": 2, "optimizer": "sgd", "augment": AugmentConfig()}
    first, _ = train(make_strategy("mirrored"), steps=2, **options)
    again, _ = train(make_strategy("mirrored"), steps=2, **options)
    np.testing.assert_array_equal(first, again)
    without, _ = train(make_strategy("mirrored"), steps=2, **{**options, "dropout": 0.0})
    assert (np.abs(first[:, 0] - without[:, 0]) > 1e-4).all()


def _batch_norm_base(folder):
    layers = [keras.Input((_SIDE, _SIDE, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(8, 3)]
    base = keras.Sequential([*layers, keras.layers.BatchNormalization(), keras.layers.ReLU()])
    base.save(folder / "base.keras")
    return str(folder / "base.keras")


@pytest.mark.slow  # one device and two: test_folded_step
def test_batch_norm_that_trains_and_averages_are_the_same_step_by_step_in_one_call_and_on_two_devices(train, tmp_path):
    options = {"backbone": _batch_norm_base(tmp_path), "steps": 4, "optimizer": "sgd", "ema_decay": 0.99}
    losses, network = train(_one(), **options)
    statistics = moving_statistics(network)
    assert [variable.name for variable in statistics] == ["moving_mean", "moving_variance"]
    last = [variable.numpy() for variable in statistics]
    _, at_once = train(_one(), together=2, **options)
    two, mirrored = train(make_strategy("mirrored"), **options)
    assert [is_synchronized(each) for each in (network, mirrored)] == [False, True]
    np.testing.assert_allclose(two, losses, rtol=1e-5)
    for ours, theirs in zip(mirrored.weights, network.weights, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-6)
    averaged = []
    for each in (network, at_once, mirrored):
        with averaged_weights(each.optimizer):
            averaged.append([weight.numpy() for weight in each.weights])
            if each is network:
                for variable, value in zip(statistics, last, strict=True):
                    assert (np.abs(variable.numpy() - value) > 1e-4).any()  # between the start and the last step
    for one, several, two in zip(*averaged, strict=True):
        np.testing.assert_array_equal(several, one)
        np.testing.assert_allclose(two, one, rtol=1e-5, atol=1e-6)


def test_mixed_pictures_count_for_both_labels_by_share_and_class_weight(train):
    step = 5  # here either label leads somewhere
    totals, _ = train(_one(), steps=1, first=step, optimizer="sgd", augment=_PAIRS)
    _, network = train(_one(), steps=0, augment=_PAIRS)  # as it was before that step
    batch = next(
        iter(
            pipeline.for_training(
                from_tensor(tf.constant(_IMAGES)),
                _LABELS,
                class_weights=_WEIGHTS,
                global_batch=_BATCH,
                seed=9,
                steps=(step, step + 1),
            )
        )
    )
    images, share = Augmentation(_PAIRS, seed=9)(
        batch["image"], batch["slot"], step=tf.constant(step), global_batch=_BATCH
    )
    logs = np.log(network(images, training=False).numpy().astype(np.float64))
    expected, right = 0.0, 0
    for place, own in enumerate(share.numpy()):
        labels = [int(batch["label"][place]), int(batch["label"][place ^ 1])]
        for label, part in zip(labels, (own, 1 - own), strict=True):
            target = np.full(3, 0.1 / 3)  # the label smoothing of _train
            target[label] += 0.9
            expected += part * _WEIGHTS[label] * -np.sum(target * logs[place])
        right += int(np.argmax(logs[place]) == labels[0 if own >= 0.5 else 1])
    assert totals[0].tolist() == pytest.approx([expected, right, _BATCH], rel=1e-4)
    assert 0 < share.numpy().min() < 0.5 < share.numpy().max() < 1  # both labels led somewhere


def test_totals_are_weighted_losses_right_answers_and_images_and_functions_of_the_step(train):
    """Of the seed and the step alone: the runs above that give the same bits show it."""
    still = AugmentConfig(augment=False)
    totals, _ = train(_one(), steps=1, dropout=0.5, augment=still)
    assert totals.shape == (1, 3)
    assert totals[0, 2] == _BATCH
    assert totals[0, 1] in range(_BATCH + 1)
    assert 0 < totals[0, 0] < 3 * 2.0 * _BATCH
    later, _ = train(_one(), steps=1, dropout=0.5, augment=still, first=2)
    assert later[0, 0] != totals[0, 0]


def test_dropout_masks_differ_between_replicas_and_steps():
    strategy = make_strategy("mirrored")
    with strategy.scope():
        inputs = keras.Input((4, 4, 3))
        pooled = keras.layers.Flatten()(inputs)
        dropped = keras.layers.Dropout(0.5, name="dropout")(pooled)
        logits = keras.layers.Dense(2, name="logits")(dropped)
        network = keras.Model(inputs, keras.layers.Softmax()(logits))
        optimizer = keras.optimizers.SGD(0.0)
        optimizer.build(network.trainable_variables)
    augmentation = Augmentation(AugmentConfig(augment=False), seed=2)
    step = TrainStep(
        network,
        optimizer,
        strategy=strategy,
        augmentation=augmentation,
        global_batch=2,
        label_smoothing=0.0,
        compiled=COMPILE_NOTHING,
    )
    masks = keras.Model(inputs, dropped)

    @tf.function
    def draw(number):
        def replica():
            step._assign_seeds(number)
            return masks(tf.ones((1, 4, 4, 3)), training=True)

        return strategy.run(replica)

    def drawn(number):
        return [part.numpy() for part in strategy.experimental_local_results(draw(tf.constant(number)))]

    (first, second), again, (other, _) = drawn(0), drawn(0), drawn(1)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(first, again[0])
    np.testing.assert_array_equal(second, again[1])


def _logits(features):
    return keras.layers.Dense(2, name="logits")(keras.layers.Dropout(0.5)(features))


def _still(network, **settings):
    """A step that changes neither images nor weights."""
    optimizer = keras.optimizers.SGD(0.0)
    optimizer.build(network.trainable_variables)
    nothing = Augmentation(AugmentConfig(augment=False), seed=2)
    parts = {"strategy": _one(), "augmentation": nothing, "label_smoothing": 0.0, "compiled": COMPILE_NOTHING}
    return TrainStep(network, optimizer, global_batch=2, **parts, **settings)


def test_micro_batches_draw_dropout_masks_of_their_own():
    """Not those of the whole batch, which have another shape; but each other ones, and the same again."""
    inputs = keras.Input((4, 4, 3))
    flat = keras.layers.Flatten()(inputs)
    step = _still(keras.Model(inputs, keras.layers.Softmax()(_logits(flat))), micro_batches=2)

    def loss(weight):
        batch = {
            "image": tf.ones((2, 4, 4, 3), tf.uint8),
            "slot": tf.range(2),
            "label": tf.zeros([2], tf.int32),
            "weight": tf.constant(weight),
        }
        return float(step(batch, step=3, learning_rate=0.0)[0])

    first, second = loss([1.0, 0.0]), loss([0.0, 1.0])
    assert first != second
    assert loss([1.0, 1.0]) == pytest.approx(first + second)


def test_every_dropout_layer_has_a_state_of_its_own_at_every_step():
    inputs = keras.Input((4,))
    network = keras.Model(inputs, keras.layers.Softmax(name="p")(_logits(keras.layers.Dropout(0.1)(inputs))))
    step = _still(network)
    states = []
    for number in range(100):
        step._assign_seeds(tf.constant(number))
        states += [tuple(state.numpy()) for state in step._seed_states]
    # a replica adds 65,537 to the second word and every draw 1: the first words keep them all apart
    assert len({first for first, _ in states}) == len(states) == 200


@pytest.mark.slow
def test_what_is_compiled_does_not_change_the_numbers(train):
    # without dropout, whose masks Keras draws from other bits when XLA compiles them
    plain, _ = train(_one(), steps=3, optimizer="sgd", compiled=COMPILE_NOTHING, augment=_EVERYTHING)
    for compiled in (COMPILE_AUGMENTATION, COMPILE_STEP):
        results, _ = train(_one(), steps=3, optimizer="sgd", compiled=compiled, augment=_EVERYTHING)
        np.testing.assert_allclose(results, plain, rtol=2e-4)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.slow
def test_mixed_precision_trains_with_float32_variables(train, policy):
    results, network = train(
        _one(), steps=2, policy=policy, backbone="vgg_nano"
    )  # a saved base keeps its own precision
    assert np.isfinite(results).all()
    assert {weight.dtype for weight in network.weights} == {"float32"}
    assert network.get_layer("logits").compute_dtype == "float32"
    assert base_of(network).get_layer("block1_conv1").compute_dtype == policy.removeprefix("mixed_")


def test_images_behind_two_gib_of_them_are_found_by_64_bit_arithmetic():
    many = tf.TensorSpec([20_000, 224, 224, 3], tf.uint8)  # 3.0e9 elements, of which a graph takes no memory
    graph = tf.function(images_at).get_concrete_function(many, tf.TensorSpec([8], tf.int32)).graph
    assert [op.get_attr("Tindices") for op in graph.get_operations() if op.type == "GatherV2"] == [tf.int64]
    np.testing.assert_array_equal(images_at(tf.constant(_IMAGES), tf.constant([29, 0])), _IMAGES[[29, 0]])


def test_cross_entropy_with_smoothing_is_the_formula():
    logits = tf.constant([[0.0, np.log(3.0)]])  # probabilities 1/4, 3/4
    losses = cross_entropy(logits, tf.constant([1]), 0.2)  # targets 0.1, 0.9
    assert losses.numpy()[0] == pytest.approx(-0.1 * np.log(0.25) - 0.9 * np.log(0.75), rel=1e-6)


def test_evaluation_scores_every_picture_once_on_any_number_of_devices(train):
    scores = {}
    for name, strategy in (("one", _one()), ("two", make_strategy("mirrored"))):
        _, network = train(strategy, steps=0)
        step = EvaluationStep(network, strategy=strategy, compiled=COMPILE_NOTHING)
        replicas = strategy.num_replicas_in_sync
        shard = pipeline.Shard(0, replicas, replicas)
        dataset = pipeline.for_evaluation(
            from_tensor(_IMAGES), _LABELS, global_batch=_BATCH, shard=shard
        )  # 30 = 3 * 8 + 6
        parts = [step(batch) for batch in distribute(strategy, dataset)]
        index = np.concatenate([part[0] for part in parts])
        assert sorted(index) == list(range(_COUNT))
        scores[name] = np.concatenate([part[1] for part in parts])[np.argsort(index)]
    np.testing.assert_allclose(scores["one"], scores["two"], rtol=1e-4, atol=1e-5)
