"""The classifier: pixels 0..255 -> class probabilities, in stock Keras layers only.

Preprocessing is inside, so training, evaluation and every export agree.
"""

from pathlib import Path
from typing import Any

import keras

from ftdata.errors import UserError
from trainers.config import ModelConfig
from trainers.models import backbones, catalogue, inside, layer_names, loading, plain_layers, preprocessing, widened


def trains_batch_norm(config: ModelConfig) -> bool:
    """Whether batch normalization of the base trains: by default only where it starts from random weights."""
    if config.train_batch_norm is not None:
        return config.train_batch_norm
    return config.weights == "none" and not config.init_from and not catalogue.is_file(config.backbone)


def build_classifier(
    config: ModelConfig, *, num_classes: int, image_size: int, policy: str, task: str = "single", channels: int = 3
) -> keras.Model:
    """Builds the classifier.

    Args:
      config: backbone, weights and head.
      num_classes: number of classes.
      image_size: side of the square input, pixels.
      task: `single` for a softmax, `multi` for a sigmoid of each class.
      channels: of an image; with any other number than 3 the first convolution is made for it (see `widened`).
      policy: dtype policy of the base; preprocessing, head and output are of the type of its variables, float32.

    Returns:
      A model from float32 [batch, image_size, image_size, channels], pixels 0..255, to float32 probabilities
      [batch, num_classes]. Its layer `logits` gives the scores before the softmax.

    Raises:
      UserError: as `backbones.create` and `widened.to_channels`.
    """
    own_preprocessing = config.preprocessing == "backbone"
    base = backbones.create(
        config.backbone,
        image_size=image_size,
        weights=config.weights,
        policy=policy,
        arguments=config.backbone_args,
        own_preprocessing=own_preprocessing or channels != 3,
    )
    if base.input_shape[-1] != channels:
        is_bgr = preprocessing.is_bgr(config.backbone, mode=config.preprocessing)
        is_random = config.weights == "none" and not catalogue.is_file(config.backbone)
        base = widened.to_channels(base, channels, backbone=config.backbone, is_bgr=is_bgr, is_random=is_random)
    if channels != 3 and not own_preprocessing:
        base = inside.without(base)
    with layer_names.numbered_afresh():
        shape = image_size, image_size, channels
        model = _classifier(base, config, num_classes, shape=shape, policy=policy, task=task)
    if config.init_from:
        load_weights(model, Path(config.init_from).expanduser())
    return model


def _classifier(
    base: keras.Model, config: ModelConfig, num_classes: int, *, shape: tuple[int, int, int], policy: str, task: str
) -> keras.Model:
    pixels = keras.Input(shape, name="pixels", dtype="float32")
    x = preprocessing.apply(pixels, backbone=config.backbone, mode=config.preprocessing)
    x = base(x)
    dtype = keras.DTypePolicy(policy).variable_dtype
    return keras.Model(pixels, _head(x, config, num_classes, dtype=dtype, task=task), name="classifier")


def _head(features: Any, config: ModelConfig, num_classes: int, *, dtype: str, task: str) -> Any:
    layers, options = keras.layers, {"dtype": dtype}
    x = features
    if len(x.shape) == 4:
        pooling = {
            "flatten": layers.Flatten,
            "avg": layers.GlobalAveragePooling2D,
            "max": layers.GlobalMaxPooling2D,
        }
        x = pooling[config.pooling](name="pooling", **options)(x)
    if config.dense_units:
        x = layers.Dense(config.dense_units, activation="relu", name="dense", **options)(x)
    if config.dropout:
        x = layers.Dropout(config.dropout, name="dropout", **options)(x)
    x = layers.Dense(num_classes, name="logits", **options)(x)
    return probabilities_layer(task, dtype=dtype)(x)


def probabilities_layer(task: str, *, dtype: str) -> keras.layers.Layer:
    """What makes probabilities of the scores: the softmax, or with the task `multi` the sigmoid of each."""
    if task == "multi":
        return keras.layers.Activation("sigmoid", name="probabilities", dtype=dtype)
    return keras.layers.Softmax(name="probabilities", dtype=dtype)


def task_of(model: keras.Model) -> str:
    """`multi` of a classifier that ends with sigmoids, else `single`."""
    last = model.get_layer("probabilities")
    return "multi" if isinstance(last, keras.layers.Activation) else "single"


def base_of(model: keras.Model) -> keras.Model:
    """The backbone inside a classifier."""
    return next(layer for layer in model.layers if isinstance(layer, keras.Model))


def features_of(model: keras.Model) -> keras.Model:
    """The same network up to what the backbone says of an image as a whole: to [b, channels], its feature maps pooled
    as the head pools them, or averaged where it flattens them."""
    base = next(place for place, layer in enumerate(model.layers) if isinstance(layer, keras.Model))
    behind = model.layers[base + 1]
    features = behind.output if behind.name == "pooling" else behind.input
    if behind.name == "pooling" and len(features.shape) == 2 and isinstance(behind, keras.layers.Flatten):
        features = keras.layers.GlobalAveragePooling2D(name="features", dtype=behind.dtype_policy)(behind.input)
    return keras.Model(model.inputs[0], features, name="features_of_classifier")


def logits_of(model: keras.Model) -> keras.Model:
    """The same network (the same variables) up to the scores before the softmax; one that ends there as it is."""
    if model.layers[-1].name == "logits":
        return model
    return keras.Model(model.inputs[0], model.get_layer("logits").output, name="logits_of_classifier")


def save_classifier(model: keras.Model, path: Path) -> None:
    """Saves the network alone, without what it was compiled with: the optimizer may be a class of this project, which
    keras.saving.load_model would not find elsewhere, and its variables take twice the room of the weights."""
    plain_layers.settle_positions(model)
    with plain_layers.as_plain(model):
        keras.Model(model.inputs[0], model.outputs[0], name=model.name).save(path)


def load_classifier(path: Path) -> keras.Model:
    """A trained classifier: float32 [b, side, side, channels], pixels 0..255, to probabilities [b, num_classes].

    Raises:
      UserError: the file is no such model.
    """
    model = loading.load_model(str(path))
    if not any(layer.name == "logits" for layer in model.layers):
        raise UserError(f"{path} is no classifier of this project: it has no layer named logits")
    return model


def load_weights(model: keras.Model, path: Path) -> None:
    """Loads the weights of a trained model of the same architecture.

    Raises:
      UserError: no such file, or weights of another architecture, or of one that treats pixels or features otherwise.
    """
    loading.check_treatment(model, path)
    loading.fill(model, path, refusal=f"{path} does not fit this model (same backbone, head and classes?)")
