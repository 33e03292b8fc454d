"""NVIDIA DALI's warp_affine on the CPU with the maps that RandomAffine draws. Needs the extra `peers`."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.sides.image_data_generator import NOTEBOOK
from benchmarks.sides.stock_layers import transforms
from ftdata.augment.augmentation import RandomAffine


def warp(images: np.ndarray, *, output_side: int, threads: int) -> Callable[[], object]:
    """Warps uint8 images in memory to uint8 ones of another side, bilinear, the border repeated.

    Args:
      images: uint8 [n, side, side, 3].
      output_side: pixels.
      threads: of DALI.
    """
    from nvidia.dali import fn, pipeline_def, types

    side, layer, counter = images.shape[1], RandomAffine(**NOTEBOOK), iter(range(10**9))
    draw = tf.function(lambda seed: transforms(layer, count=len(images), side=side, seed=seed), jit_compile=True)
    # DALI counts from pixel corners, the maps from pixel centres: (p + 1/2) -> (q + 1/2)
    to_centre = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]], np.float32)
    to_corner = np.array([[0, 0, 0.5], [0, 0, 0.5]], np.float32)
    scale = side / output_side
    grid = np.diag([scale, scale, 1]).astype(np.float32)

    def maps() -> np.ndarray:
        drawn = draw(tf.constant([0, next(counter)])).numpy()[:, :6].reshape(-1, 2, 3)
        return (drawn @ to_centre + to_corner) @ grid

    @pipeline_def(batch_size=len(images), num_threads=threads, device_id=None, prefetch_queue_depth=1)
    def pipeline() -> Any:
        batch = fn.external_source(source=lambda: images, layout="HWC", no_copy=True, batch=True)
        matrices = fn.external_source(source=maps, batch=True)
        sizes = {"size": (output_side, output_side), "interp_type": types.INTERP_LINEAR, "fill_value": None}
        return fn.warp_affine(batch, matrices, inverse_map=True, **sizes)

    running = pipeline()
    running.build()
    return lambda: running.run()[0]
