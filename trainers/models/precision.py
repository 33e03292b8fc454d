"""The dtype policy, as a value handed to model building."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import keras
import tensorflow as tf


def resolve_precision(name: str, *, on_gpu: bool, suits_bfloat16: bool) -> str:
    """The policy that `auto` stands for on this hardware; any other name as it is.

    bfloat16 where the hardware computes in it (NVIDIA compute capability 8.0 on, CPUs with AVX512-BF16 or
    AMX), float16 on GPUs from 7.0 on, float32 otherwise. No loss scaling is needed in bfloat16.

    Args:
      name: a policy, or `auto`.
      on_gpu: whether GPUs compute.
      suits_bfloat16: whether the network does on a CPU (`bfloat16.suits`).
    """
    if name != "auto":
        return name
    if on_gpu:
        details = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
        capability = min(detail.get("compute_capability", (0, 0)) for detail in details)
        if capability >= (8, 0):
            return "mixed_bfloat16"
        return "mixed_float16" if capability >= (7, 0) else "float32"
    return "mixed_bfloat16" if cpu_has_bfloat16() and suits_bfloat16 else "float32"


def cpu_has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 natively, and oneDNN makes use of it.

    Emulation is slower than float32, and without oneDNN TensorFlow adds up the gradient of a bias in bfloat16, where
    the sum stops growing: of 100,000 numbers around 1 it was wrong by 97 %. With oneDNN that holds for what is no plain
    convolution still: grouped and depthwise ones with a bias, and a Dense layer at each place.
    """
    if os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1").lower() in ("0", "false"):
        return False
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


@contextlib.contextmanager
def precision_scope(policy: str) -> Iterator[None]:
    """Builds layers under `policy` without leaving a global behind. Keras Applications take no dtype."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
