"""How fast can pictures be augmented as the notebook does? `python -m benchmarks.augmentation`

From 200x200 to 224x224. ImageDataGenerator and the stock layers resize before they warp, so they start from
224x224 here; RandomAffine does both in one read.
"""

import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from benchmarks import results_file, timing
from flags import benchmark
from ftdata import affine
from ftdata.augment import RandomAffine
from ftdata.cutlery import photos

_NOTEBOOK: dict[str, Any] = {
    **{"rotation_range": 180, "width_shift_range": 0.1, "height_shift_range": 0.1, "shear_range": 0.1},
    **{"zoom_range": [0.9, 1.5], "horizontal_flip": True, "vertical_flip": True},
}
_CACHED, _SIDE = 200, 224
BASELINE = "ImageDataGenerator, warp alone"


def main(argv: list[str]) -> None:
    """Measures every way in turn and prints the table."""
    flags = benchmark.parse(argv)
    batch_size, repeats = (16, 2) if flags.quick else (64, 7)
    with tempfile.TemporaryDirectory() as folder:
        pictures = _write_pictures(Path(folder), count=batch_size)
        measured = timing.rates(_contenders(Path(folder), pictures), repeats=repeats)
    results_file.publish(
        timing.rows(measured, baseline=BASELINE, batch_size=batch_size),
        left_out="Decoding is left out, except in the row of flow_from_directory; drawing the parameters is included.",
        json_file=flags.json,
    )


def _write_pictures(folder: Path, *, count: int) -> np.ndarray:
    """Rendered JPEGs of 200x200 in a class folder; returns them decoded, uint8 [count, 200, 200, 3]."""
    (folder / "forky").mkdir()
    decoded = []
    for number in range(count):
        photo = Image.open(io.BytesIO(photos.jpeg("forky", split="train", number=number))).resize((_CACHED, _CACHED))
        photo.save(folder / "forky" / f"{number}.jpg", quality=90)
        decoded.append(np.asarray(photo))
    return np.stack(decoded)


def _contenders(folder: Path, pictures: np.ndarray) -> dict[str, timing.Contender]:
    batch = len(pictures)
    small = tf.constant(pictures)
    large = tf.image.resize(small, (_SIDE, _SIDE))
    return {
        BASELINE: timing.Contender(_image_data_generator(large.numpy()), images=8),
        "ImageDataGenerator.flow_from_directory, decode and resize included": timing.Contender(
            _flow_from_directory(folder, batch), images=batch
        ),
        "stock Keras layers (rotation, translation, shear, zoom, flip)": timing.Contender(_stock_layers(large), batch),
        "ImageProjectiveTransformV3, one call": timing.Contender(_projective_transform(large), batch),
        "RandomAffine, eager": timing.Contender(_random_affine(small, wrap=lambda f: f), batch),
        "RandomAffine, tf.function": timing.Contender(_random_affine(small, wrap=tf.function), batch),
        "RandomAffine, XLA, float32 pixels": timing.Contender(
            _random_affine(tf.cast(small, tf.float32), wrap=_xla), batch
        ),
        "RandomAffine, XLA, uint8 pixels (what training uses)": timing.Contender(
            _random_affine(small, wrap=_xla), batch
        ),
    }


def _xla(function: Callable) -> Callable:
    return tf.function(function, jit_compile=True)


def _legacy_generator() -> Any:
    import scipy.ndimage
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    scipy.ndimage.interpolation = scipy.ndimage  # the name Keras uses warns, once a call
    return ImageDataGenerator(**_NOTEBOOK, rescale=1 / 255)


def _image_data_generator(images: np.ndarray) -> Callable[[], Any]:
    generator = _legacy_generator()
    return lambda: [generator.random_transform(image) for image in images[:8]]


def _flow_from_directory(folder: Path, batch: int) -> Callable[[], Any]:
    flow = _legacy_generator().flow_from_directory(str(folder), target_size=(_SIDE, _SIDE), batch_size=batch)
    return lambda: next(flow)


def _stock_layers(images: tf.Tensor) -> Callable[[], Any]:
    layers = keras.layers
    stack = keras.Sequential(
        [
            layers.RandomRotation(0.5, fill_mode="nearest"),
            layers.RandomTranslation(0.1, 0.1, fill_mode="nearest"),
            layers.RandomShear(0.002, 0.002, fill_mode="nearest"),
            layers.RandomZoom((-0.1, 0.5), (-0.1, 0.5), fill_mode="nearest"),
            layers.RandomFlip(),
        ]
    )
    augment = tf.function(lambda x: stack(x, training=True))
    return lambda: augment(images).numpy()


def _projective_transform(images: tf.Tensor) -> Callable[[], Any]:
    layer = RandomAffine(**_NOTEBOOK)
    counter = iter(range(10**9))

    @tf.function
    def augment(pixels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        drawn = layer.sample(pixels.shape[0], _SIDE, _SIDE, seed)
        (b1, b0, b2), (a1, a0, a2) = affine.matrices(drawn, height=_SIDE, width=_SIDE)
        sideways, upside = (tf.cast(drawn[f"flip_{name}"], tf.float32) for name in ("horizontal", "vertical"))
        last = _SIDE - 1.0
        a2, b2 = a2 + last * (a0 * sideways + a1 * upside), b2 + last * (b0 * sideways + b1 * upside)
        a0, b0 = a0 * (1 - 2 * sideways), b0 * (1 - 2 * sideways)
        a1, b1 = a1 * (1 - 2 * upside), b1 * (1 - 2 * upside)
        rows = tf.stack([a0, a1, a2, b0, b1, b2, tf.zeros_like(a0), tf.zeros_like(a0)], axis=-1)
        return tf.raw_ops.ImageProjectiveTransformV3(
            images=pixels,
            transforms=rows,
            output_shape=[_SIDE, _SIDE],
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="NEAREST",
        )

    return lambda: augment(images, tf.constant([0, next(counter)])).numpy()


def _random_affine(images: tf.Tensor, wrap: Callable) -> Callable[[], Any]:
    layer = RandomAffine(**_NOTEBOOK, output_size=_SIDE)
    counter = iter(range(10**9))

    def augment(pixels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return layer.apply(pixels, layer.sample(pixels.shape[0], _CACHED, _CACHED, seed))

    run = wrap(augment)
    return lambda: run(images, tf.constant([0, next(counter)])).numpy()


if __name__ == "__main__":
    main(sys.argv)
