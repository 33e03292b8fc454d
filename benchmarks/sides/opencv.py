"""OpenCV's warpAffine with the maps that RandomAffine draws. Needs the extra `peers`."""

from collections.abc import Callable
from concurrent import futures

import numpy as np
import tensorflow as tf

from benchmarks.sides.image_data_generator import NOTEBOOK
from benchmarks.sides.stock_layers import transforms
from ftdata.augment.augmentation import RandomAffine


def warp(images: np.ndarray, *, output_side: int, threads: int) -> Callable[[], object]:
    """Warps uint8 images to uint8 ones of another side, one call per image, bilinear, the border repeated.

    Each batch draws its own maps, as RandomAffine does, and the resize is part of them. OpenCV
    warps one small image in one thread, so a pool of Python threads (warpAffine releases the lock) spreads
    the images.

    Args:
      images: uint8 [n, side, side, 3].
      output_side: pixels.
      threads: of the pool.
    """
    import cv2

    cv2.setNumThreads(1)
    side, layer, counter = images.shape[1], RandomAffine(**NOTEBOOK), iter(range(10**9))
    draw = tf.function(lambda seed: transforms(layer, count=len(images), side=side, seed=seed), jit_compile=True)
    scale = side / output_side
    grid = np.array([[scale, 0, scale / 2 - 0.5], [0, scale, scale / 2 - 0.5], [0, 0, 1]], np.float32)
    results = np.empty((len(images), output_side, output_side, 3), np.uint8)
    pool = futures.ThreadPoolExecutor(threads)

    def some(share: slice, maps: np.ndarray) -> None:
        for number in range(*share.indices(len(images))):
            cv2.warpAffine(
                images[number],
                maps[number],
                (output_side, output_side),
                dst=results[number],
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            )

    def batch() -> np.ndarray:
        drawn = draw(tf.constant([0, next(counter)])).numpy()[:, :6].reshape(-1, 2, 3)
        maps = drawn @ grid
        list(pool.map(lambda first: some(slice(first, None, threads), maps), range(threads)))
        return results

    return batch
