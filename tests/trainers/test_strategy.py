"""What --deterministic turns on."""

import subprocess
import sys

_PROBE = """
import tensorflow as tf
from trainers import strategy
strategy.seed_everything(0, deterministic={})
tf.random.set_seed(None)
try:
    tf.random.uniform([1])
    print("free")
except RuntimeError as error:
    print(error)
"""


def test_deterministic_makes_tensorflow_refuse_what_cannot_be_repeated():
    # in processes of their own: TensorFlow cannot turn it off again
    said = {
        choice: subprocess.run([sys.executable, "-c", _PROBE.format(choice)], capture_output=True, text=True).stdout
        for choice in (True, False)
    }
    assert "Random ops require a seed to be set when determinism is enabled" in said[True]
    assert said[False] == "free\n"
