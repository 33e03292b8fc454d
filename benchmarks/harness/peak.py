"""What the device can do at best: a large matrix product in the precision of a policy."""

import tensorflow as tf

from benchmarks.harness import timing


def product(policy: str, *, side: int) -> timing.Contender:
    """Multiplies two matrices of side x side; `images` are GFLOP, so a rate is in GFLOP/s.

    On NVIDIA GPUs from Ampere on, float32 means TensorFloat-32 here, as it does in training.
    """
    dtype = {"float32": tf.float32, "mixed_float16": tf.float16, "mixed_bfloat16": tf.bfloat16}[policy]
    left, right = (tf.cast(tf.random.stateless_normal([side, side], seed=[0, seed]), dtype) for seed in (1, 2))
    multiply = tf.function(tf.matmul)
    return timing.Contender(lambda: multiply(left, right)[0, 0].numpy(), images=round(2 * side**3 / 1e9))
