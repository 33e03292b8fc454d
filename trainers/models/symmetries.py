"""An image mirrored and turned, and the mean of what a classifier says of all of them (test-time augmentation)."""

import functools
from typing import Any

import keras

from ftdata.errors import UserError
from trainers.models.classifier import logits_of, probabilities_layer, task_of

KINDS = {"none": 1, "flip": 2, "dihedral": 8}  # how many images each makes of one


def images_of(pixels: Any, kind: str) -> list[Any]:
    """The images over which a classifier is averaged, the image itself first.

    Args:
      pixels: [b, height, width, channels], a tensor or an input of Keras.
      kind: of KINDS: `flip` is the image and its mirror image; `dihedral` its eight flips and quarter turns.

    Raises:
      UserError: `dihedral` of images that are not square.
    """
    if kind == "none":
        return [pixels]
    both = [pixels, keras.ops.flip(pixels, axis=2)]
    if kind == "flip":
        return both
    height, width = pixels.shape[1:3]
    if height != width:
        raise UserError(f"test_time_augmentation=dihedral turns square images, got {height} x {width} pixels: use flip")
    four = [*both, *(keras.ops.flip(image, axis=1) for image in both)]
    return [*four, *(keras.ops.transpose(image, (0, 2, 1, 3)) for image in four)]


def averaged(model: keras.Model, kind: str) -> keras.Model:
    """The mean of the probabilities that a classifier gives the `images_of` an image, as a classifier.

    Args:
      model: float32 [b, side, side, 3] to probabilities [b, num_classes], with a layer named logits.
      kind: of KINDS; with `none` the model itself is returned.

    Raises:
      UserError: as `images_of`.
    """
    if kind == "none":
        return model
    pixels = keras.Input(model.input_shape[1:], name="pixels", dtype="float32")
    scores = logits_of(model)
    # in logarithms throughout: a probability that all of them round to 0 still has its place
    task, found = task_of(model), [scores(image) for image in images_of(pixels, kind)]
    if task == "multi":  # the logit of the mean: of what speaks for a class to what speaks against it
        sides = [[keras.ops.log_sigmoid(sign * values) for values in found] for sign in (1, -1)]
        positive, negative = (functools.reduce(keras.ops.logaddexp, logs) for logs in sides)
        total = positive - negative
    else:
        logs = [keras.ops.log_softmax(values, axis=-1) for values in found]
        total = functools.reduce(keras.ops.logaddexp, logs)
    scores = keras.layers.Activation("linear", dtype="float32", name="logits")(total)
    return keras.Model(pixels, probabilities_layer(task, dtype="float32")(scores))
