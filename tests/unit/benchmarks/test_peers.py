"""The peers compute RandomAffine's image, so that the comparison is one of speed alone."""

import numpy as np
import pytest

from benchmarks.sides import dali, opencv, stock_layers
from benchmarks.sides.image_data_generator import NOTEBOOK
from ftdata.augment.augmentation import RandomAffine


def _smooth_images(side):
    """A slow wave: a shift of half a pixel shows, the rounding of weights does not."""
    rows, columns = np.mgrid[:side, :side] / side
    waves = [np.sin(6 * rows + phase) * np.cos(5 * columns) for phase in (0, 1, 2)]
    return np.stack([np.stack([127.5 + 120 * wave for wave in waves], axis=-1)] * 6).astype(np.uint8)


def _ours(images, output_side):
    layer = RandomAffine(**NOTEBOOK, output_size=output_side)
    return layer.apply(images, layer.sample(len(images), *images.shape[1:3], [0, 0])).numpy()


@pytest.mark.extra_peers
@pytest.mark.parametrize("threads", [1, 2])
def test_opencv_warps_alike(threads):
    pytest.importorskip("cv2")
    images = _smooth_images(50)
    theirs = opencv.warp(images, output_side=56, threads=threads)()
    assert np.abs(theirs - _ours(images, 56)).max() < 2.0


@pytest.mark.extra_peers
def test_dali_warps_alike():
    pytest.importorskip("nvidia.dali")
    images = _smooth_images(50)
    theirs = np.stack([np.asarray(image) for image in dali.warp(images, output_side=56, threads=1)()])
    assert np.abs(theirs - _ours(images, 56)).max() < 2.0


def test_projective_transform_warps_alike():
    images = _smooth_images(56).astype(np.float32)
    theirs = stock_layers.projective_transform(images)()
    assert np.abs(theirs - _ours(images, 56)).max() < 0.05
