"""Seeding a run, and what --deterministic turns on."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from ftdata import pipeline
from ftdata.cache.images import ImageStream
from ftdata.errors import UserError
from trainers.runtime.devices import check_kernels, seed_everything


@pytest.mark.parametrize("seed", [0, 1])
def test_pictures_that_come_as_a_stream_are_shuffled_under_any_seed(seed):
    seed_everything(seed, deterministic=False)
    numbers = tf.data.Dataset.range(6).map(lambda number: (number, tf.fill([1, 1, 3], number)))
    batches = pipeline.for_training(
        ImageStream("none", lambda: numbers),
        np.zeros(6, np.int32),
        class_weights=np.ones(1, np.float32),
        global_batch=6,
        seed=seed,
        steps=(0, 2),
    )
    for batch in batches:
        assert sorted(batch["index"].numpy()) == [0, 1, 2, 3, 4, 5]


def test_a_device_that_computes_a_convolution_is_accepted():
    check_kernels("/device:CPU:0")


def test_a_device_that_cannot_run_a_kernel_is_named():
    with pytest.raises(UserError, match=r"/device:GPU:99 opens but has no kernels .* CUDA_VISIBLE_DEVICES="):
        check_kernels("/device:GPU:99")


_PROBE = """
import tensorflow as tf
from trainers.runtime import devices
devices.seed_everything(0, deterministic={})
tf.random.set_seed(None)
try:
    tf.random.uniform([1])
    print("free")
except RuntimeError as error:
    print(error)
"""


@pytest.mark.slow
def test_deterministic_makes_tensorflow_refuse_what_cannot_be_repeated():
    # in processes of their own: TensorFlow cannot turn it off again
    said = {
        choice: subprocess.run([sys.executable, "-c", _PROBE.format(choice)], capture_output=True, text=True).stdout
        for choice in (True, False)
    }
    assert "Random ops require a seed to be set when determinism is enabled" in said[True]
    assert said[False] == "free\n"
