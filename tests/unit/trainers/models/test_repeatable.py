"""What a GPU cannot train with the same bits every time."""

import keras
import pytest

from ftdata.errors import UserError
from trainers.models.repeatable import check_repeatable, without_repeatable_gradient


def _network(dtype: str) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input([8, 8, 3]),
            keras.layers.Conv2D(4, 3, name="dense", dtype=dtype),
            keras.layers.DepthwiseConv2D(3, name="depthwise", dtype=dtype),
            keras.layers.SeparableConv2D(4, 3, name="separable", dtype=dtype),
        ]
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_depthwise_kernels_that_train_are_named(dtype):
    network = _network(dtype)
    assert without_repeatable_gradient(network) == ["depthwise", "separable"]
    with pytest.raises(UserError, match=r"cannot be had in finetune: .*\(depthwise, separable\).*mixed_bfloat16"):
        check_repeatable(network, "finetune")


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_has_deterministic_kernels(dtype):
    check_repeatable(_network(dtype), "finetune")


def test_frozen_layers_need_no_gradient_of_their_kernels():
    network = _network("float32")
    network.get_layer("depthwise").trainable = False
    assert without_repeatable_gradient(network) == ["separable"]
    network.trainable = False
    check_repeatable(network, "transfer")
