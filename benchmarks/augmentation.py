"""How fast can images be augmented as the notebook does? `python -m benchmarks.augmentation`

From 200x200 to 224x224. ImageDataGenerator and the stock layers resize before they warp, so they start from
224x224 here; RandomAffine, OpenCV and DALI do both in one read.
"""

import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks.harness import timing
from benchmarks.harness.images import decoded, gather
from benchmarks.harness.results import publish
from benchmarks.sides import dali, image_data_generator, opencv, stock_layers
from flags import benchmark
from ftdata.augment.augmentation import RandomAffine
from trainers.runtime import devices

_SIDE = 224
BASELINE = "ImageDataGenerator, warp alone"
EXCLUDED = (
    "Decoding is not included, except in the row of flow_from_directory; drawing the parameters is included. "
    "The result is float32, but uint8 in OpenCV and DALI, which so write a quarter of the memory; "
    "it is waited for, and stays where it is made."
)


def main(argv: list[str]) -> None:
    """Measures every way in turn and prints the table."""
    flags = benchmark.parse(argv, "image_dir")
    devices.grow_gpu_memory()
    batch_size, repeats = (16, 2) if flags.quick else (64, 7)
    with tempfile.TemporaryDirectory() as name, benchmark.one_line_errors():
        gather(flags.image_dir, Path(name), count=batch_size)
        measured = timing.rates(_contenders(Path(name), batch_size), repeats=repeats)
    publish(
        timing.rows(measured, baseline=BASELINE, batch_size=batch_size),
        question="Augmentation as the notebook does it, 200x200 to 224x224",
        excluded=EXCLUDED,
        json_file=flags.json,
    )


def _contenders(folder: Path, batch: int) -> dict[str, timing.Contender]:
    images = decoded(folder, count=batch)
    small = tf.constant(images)
    flow = image_data_generator.flow(folder, batch_size=batch, side=_SIDE)
    large = tf.image.resize(small, (_SIDE, _SIDE))
    floats = tf.cast(small, tf.float32)
    calls: dict[str, Callable[[], object]] = {
        "ImageDataGenerator.flow_from_directory, decode and resize included": lambda: next(flow),
        "stock Keras layers (rotation, translation, shear, zoom, flip)": _done(stock_layers.warp(large)),
        "ImageProjectiveTransformV3, one call": _done(stock_layers.projective_transform(large)),
        **_peers(images),
        "RandomAffine, eager": _random_affine(small, wrap=lambda function: function),
        "RandomAffine, tf.function": _random_affine(small, wrap=tf.function),
        "RandomAffine, XLA, float32 pixels": _random_affine(floats, wrap=_xla),
        "RandomAffine, XLA, uint8 pixels (what training uses)": _random_affine(small, wrap=_xla),
    }
    warp_alone = timing.Contender(image_data_generator.warp(large.numpy()[:8]), images=8)
    return {BASELINE: warp_alone} | {name: timing.Contender(call, images=batch) for name, call in calls.items()}


def _peers(images: np.ndarray) -> dict[str, Callable[[], object]]:
    """Libraries that are not required; a note is printed for each that is not installed."""
    cores = len(os.sched_getaffinity(0))
    found: dict[str, Callable[[], object]] = {}
    for title, module, peer in (("OpenCV warpAffine", "cv2", opencv), ("DALI warp_affine (CPU)", "nvidia.dali", dali)):
        if not _is_installed(module):
            print(f"note: {title} is skipped: {module} is not installed (the extra 'peers' brings it)")
            continue
        for threads in dict.fromkeys((1, cores)):
            plural = "s" if threads > 1 else ""
            call = peer.warp(images, output_side=_SIDE, threads=threads)
            found[f"{title}, {threads} thread{plural}, uint8 out"] = call
    return found


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of the package around it
        return False


def _xla(function: Callable) -> Callable:
    return tf.function(function, jit_compile=True)


def _random_affine(images: tf.Tensor, wrap: Callable) -> Callable[[], object]:
    layer = RandomAffine(**image_data_generator.NOTEBOOK, output_size=_SIDE)
    counter = iter(range(10**9))

    def augment(pixels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return layer.apply(pixels, layer.sample(pixels.shape[0], pixels.shape[1], pixels.shape[2], seed))

    run = wrap(augment)
    return _done(lambda: run(images, tf.constant([0, next(counter)])))


def _done(call: Callable[[], tf.Tensor]) -> Callable[[], object]:
    """Waits for the result without copying it, which would take as long as making it."""
    return lambda: call()[0, 0, 0, 0].numpy()


if __name__ == "__main__":
    main(sys.argv)
