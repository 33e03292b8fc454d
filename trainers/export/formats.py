"""A trained model as others run it: float32, its temperature inside, in files that need none of this project's code."""

import io
import os
import shutil
import warnings
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ftdata import stderr
from ftdata.atomic import temporary_name
from ftdata.config import DataConfig
from ftdata.decoding.decode import Decoding
from trainers.models import symmetries
from trainers.models.class_names import as_lines, in_a_line
from trainers.models.classifier import features_of, probabilities_layer, task_of
from trainers.models.novelty import Novelty
from trainers.rundir.run_dir import write_atomically

FILES = {
    "saved_model": "saved_model",
    "keras": "model.keras",
    "litert": "model.tflite",
    "litert_float16": "model_float16.tflite",
    "litert_int8": "model_int8.tflite",
    "onnx": "model.onnx",
    "openvino": "openvino",
    "web": "web",
}


def finished(
    network: keras.Model,
    *,
    temperature: float | np.ndarray,
    test_time_augmentation: str = "none",
    novelty: Novelty | None = None,
) -> keras.Model:
    """The same network in float32, averaged as `test_time_augmentation` says (`symmetries.KINDS`), with its scores
    divided by `temperature` before the softmax (or the sigmoids, each of which may have its own, float [num_classes]).

    With `novelty` it gives {"probabilities": [b, num_classes], "unlike": [b]}: how far an image lies from the classes,
    above 1 for none of these.

    Half precision is for training: few processors and no LiteRT interpreter compute a whole network in it.
    """
    plain = keras.Model.from_config(_in_float32(network.get_config()))
    plain.set_weights(network.get_weights())
    several = symmetries.averaged(plain, test_time_augmentation)
    scores = several.get_layer("logits").output
    scale = (1 / np.asarray(temperature, np.float64)).tolist()  # a number or a list
    scores = keras.layers.Rescaling(scale, dtype="float32", name="temperature")(scores)
    probabilities = probabilities_layer(task_of(network), dtype="float32")(scores)
    pixels = several.inputs[0]
    if novelty is None:
        return keras.Model(pixels, probabilities, name="classifier")
    features = features_of(plain)
    features = features.outputs[0] if several is plain else features(pixels)
    outputs = {"probabilities": probabilities, "unlike": _unlike(features, novelty)}
    return keras.Model(pixels, outputs, name="classifier")


def _unlike(features: Any, novelty: Novelty) -> Any:
    """`Novelty.distances` as layers."""
    count = len(novelty.prototypes)
    to_prototypes = keras.layers.Dense(count, use_bias=False, dtype="float32", name="to_prototypes")
    cosines = to_prototypes(keras.layers.UnitNormalization(dtype="float32", name="of_unit_length")(features))
    to_prototypes.set_weights([novelty.prototypes.T])
    nearest = keras.ops.max(cosines, axis=-1)
    return keras.layers.Rescaling(-1 / novelty.unit, offset=1 / novelty.unit, dtype="float32", name="unlike")(nearest)


def answers(network: keras.Model, images: tf.Tensor) -> dict[str, tf.Tensor]:
    """What a finished network gives for pixels of any type, [b, side, side, channels], by name."""
    found = network(tf.cast(images, tf.float32), training=False)
    return found if isinstance(found, dict) else {"probabilities": found}


def _in_float32(config: Any) -> Any:
    """A model's configuration with every dtype policy set to float32."""
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return {**config, "config": {"name": "float32"}}
        return {key: _in_float32(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return type(config)(_in_float32(value) for value in config)
    return config


class Served(tf.Module):
    """What the SavedModel holds: two signatures, from files' bytes and from pixels of any size. Of other channels than
    three the files are .npy files.

    Both return `probabilities`, float32 [b, num_classes], and `label`, string [b]; with a novelty `unlike` too,
    float32 [b]. With `least`, float32 [num_classes], of a model of several labels an image, they return `shows`, bool
    [b, num_classes], in place of `label`: whose probabilities reach that.
    """

    def __init__(
        self, network: keras.Model, class_names: Sequence[str], data: DataConfig, *, least: np.ndarray | None = None
    ):
        super().__init__()
        decoding = Decoding.of(data)
        square_image = tf.TensorSpec((decoding.image_size, decoding.image_size, decoding.channels), tf.uint8)
        self.held = [variable.value for variable in network.variables]
        self.class_names = tf.constant([in_a_line(name) for name in class_names])

        def answer(images: tf.Tensor) -> dict[str, tf.Tensor]:
            found = answers(network, images)
            if least is not None:
                return {**found, "shows": found["probabilities"] >= tf.constant(least, tf.float32)}
            return {**found, "label": tf.gather(self.class_names, tf.argmax(found["probabilities"], 1))}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
        def from_bytes(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
            return answer(decoding.decode_batch(image_bytes))

        @tf.function(input_signature=[tf.TensorSpec([None, None, None, decoding.channels], tf.uint8, name="images")])
        def from_pixels(images: tf.Tensor) -> dict[str, tf.Tensor]:
            return answer(tf.map_fn(decoding.to_square, images, fn_output_signature=square_image))

        self.calls = {"serving_default": from_bytes, "pixels": from_pixels}


def write_saved_model(folder: Path, served: Served) -> None:
    """Writes a SavedModel; an earlier one is replaced once the new one is whole."""
    replace_folder(folder, lambda path: tf.saved_model.save(served, str(path), signatures=served.calls))


def replace_folder(folder: Path, write: Callable[[Path], Any]) -> None:
    """Lets `write` make a folder; an earlier one at `folder` is replaced once the new one is whole."""
    temporary, earlier = temporary_name(folder), temporary_name(folder.with_name(f"earlier-{folder.name}"))
    try:
        write(temporary)
        if folder.exists():
            os.rename(folder, earlier)
        os.rename(temporary, folder)
    finally:
        if earlier.exists() and not folder.exists():  # stopped between the two
            os.rename(earlier, folder)
        for path in (temporary, earlier):
            shutil.rmtree(path, ignore_errors=True)


def write_litert(
    path: Path,
    network: keras.Model,
    class_names: Sequence[str],
    *,
    kind: str,
    representative: Iterable[np.ndarray],
    batch_size: int | None = None,
) -> None:
    """Writes a LiteRT file: uint8 [b, side, side, channels] to float32 probabilities [b, num_classes], and `unlike` [b]
    where the network gives it.

    It ends with a ZIP archive of labels.txt, which is where LiteRT files keep what belongs to them.

    Args:
      path: of the file.
      network: from `finished`.
      class_names: in the order of the probabilities.
      kind: `litert` (float32), `litert_float16` (weights) or `litert_int8` (weights and what flows between layers).
      representative: training images, uint8 [side, side, channels], from which int8 takes its ranges.
      batch_size: b, where it is to be fixed; else any.
    """

    @tf.function(input_signature=[tf.TensorSpec((batch_size, *network.input_shape[1:]), tf.uint8, name="images")])
    def from_pixels(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return answers(network, images)

    holder = tf.Module()  # Keras 3 hides its variables from the converter, which would write a file without weights
    holder.held = [variable.value for variable in network.variables]
    converter = tf.lite.TFLiteConverter.from_concrete_functions([from_pixels.get_concrete_function()], holder)
    if kind != "litert":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "litert_float16":
        converter.target_spec.supported_types = [tf.float16]
    if kind == "litert_int8":
        converter.representative_dataset = lambda: ([image[None]] for image in representative)
    with warnings.catch_warnings(), stderr.captured():  # the converter tells of its passes
        warnings.simplefilter("ignore")  # tf.lite is to move into a package of its own
        content = io.BytesIO(converter.convert())
    with zipfile.ZipFile(content, "a") as archive:
        archive.writestr(zipfile.ZipInfo("labels.txt"), as_lines(class_names))
    write_atomically(path, lambda temporary: temporary.write_bytes(content.getvalue()))
