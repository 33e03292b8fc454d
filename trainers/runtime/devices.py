"""Devices: a tf.distribute strategy by name, memory growth, seeds and determinism."""

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from ftdata import seeds
from ftdata.errors import UserError
from ftdata.log import log
from trainers.runtime.cluster import Cluster


def make_strategy(name: str, cluster: Cluster | None = None) -> tf.distribute.Strategy:
    """The strategy for `--distribution_strategy`.

    With a cluster it is `multi_worker_mirrored`, and has to be made before TensorFlow runs anything. Without one,
    `auto` is `mirrored` on several GPUs, else `one_device`: the GPU if there is one, otherwise the CPU.
    `mirrored` without a GPU runs over the logical CPU devices.

    Raises:
      UserError: `tpu` where there is none.
    """
    if name == "tpu":
        return _tpu()
    grow_gpu_memory()
    if cluster:
        return _multi_worker(cluster)
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    is_gpu = devices[0].device_type == "GPU"
    for device in devices if is_gpu else ():
        check_kernels(device.name)
    if not is_gpu and Path("/dev/nvidiactl").exists():
        log.warning(
            "warning: there is an NVIDIA GPU, but TensorFlow cannot use it and computes on the CPU. Install the extra "
            "'gpu'; TF_CPP_MIN_LOG_LEVEL=0 in the environment shows which library is missing"
        )
    if name == "mirrored" or (name == "auto" and is_gpu and len(devices) > 1):
        return _mirrored(tuple(device.name for device in devices))
    return tf.distribute.OneDeviceStrategy(devices[0].name)


@functools.cache
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.Strategy:
    """One strategy for the life of the process: a second one over the same devices would reuse the keys of the
    first one's collective operations, and TensorFlow 2.21 then mixes up their shapes."""
    return tf.distribute.MirroredStrategy(list(devices))


@functools.cache
def _multi_worker(cluster: Cluster) -> tf.distribute.Strategy:
    """One for the life of the process; TensorFlow joins the cluster here."""
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(cluster.workers)}),
        task_type="worker",
        task_id=cluster.index,
        rpc_layer="grpc",
    )
    communication = tf.distribute.experimental.CommunicationImplementation
    has_gpus = bool(tf.config.list_physical_devices("GPU"))
    options = tf.distribute.experimental.CommunicationOptions(
        implementation=communication.AUTO if has_gpus else communication.RING
    )
    return tf.distribute.MultiWorkerMirroredStrategy(resolver, communication_options=options)


def _tpu() -> tf.distribute.Strategy:
    """Best effort: this project has never run on a TPU."""
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect()
        log.warning("warning: distribution_strategy tpu is untested: no TPU was at hand to try it on")
        return tf.distribute.TPUStrategy(resolver)
    except (ValueError, RuntimeError, tf.errors.OpError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise UserError(f"distribution_strategy tpu found no TPU it can use: {reason}") from None


def check_kernels(device: str) -> None:
    """Runs a tiny convolution on a device and looks at the result.

    A GPU that is newer than TensorFlow opens, and fails at the first kernel, or computes nonsense.

    Args:
      device: name, such as /device:GPU:0.

    Raises:
      UserError: it fails or computes something else.
    """
    way_out = "Install a TensorFlow that is built for it, or hide it: CUDA_VISIBLE_DEVICES= in the environment"
    try:
        with tf.device(device):
            ones = tf.ones([1, 3, 3, 2])
            found = tf.reduce_sum(tf.nn.relu(tf.nn.conv2d(ones, tf.ones([3, 3, 2, 4]), 1, "VALID")))
        total = float(found.numpy())
    except tf.errors.OpError as error:
        reason = str(error).strip().partition("\n")[0]
        raise UserError(f"{device} opens but has no kernels for a convolution: {reason}. {way_out}") from None
    if not found.device.endswith(device):
        raise UserError(f"{device} opens but has no kernels for a convolution, which ran on {found.device}. {way_out}")
    if total != 72.0:  # 4 kernels over 3 x 3 x 2 ones
        raise UserError(f"{device} computes wrongly: a convolution of ones gave {total:g} instead of 72. {way_out}")


def grow_gpu_memory() -> None:
    """Takes GPU memory as needed instead of all at once; without effect once TensorFlow runs."""
    for gpu in tf.config.list_physical_devices("GPU"):
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError:  # TensorFlow has initialised its devices already: a notebook, a test
            return


def runs_on_gpu(strategy: tf.distribute.Strategy) -> bool:
    """Whether the replicas of `strategy` compute on GPUs."""
    return all("GPU" in device for device in strategy.extended.worker_devices)


def distribute(strategy: tf.distribute.Strategy, batches: tf.data.Dataset) -> Iterable[Any]:
    """A dataset of one batch a replica and step, dealt to the replicas of this process.

    One CPU takes it as it is: what TensorFlow puts around it is tuned while it runs (see `ftdata.parallelism`).
    """
    if strategy.num_replicas_in_sync == 1 and not runs_on_gpu(strategy):
        return batches
    return strategy.distribute_datasets_from_function(lambda _: batches)


def seed_everything(seed: int, *, deterministic: bool) -> None:
    """Seeds what Keras draws initial weights from; with `deterministic`, makes GPU kernels repeatable."""
    keras.utils.set_random_seed(seeds.number(seed, "weights"))
    # never 0: beside a global seed of 0, Dataset.shuffle takes no tensor as a seed (it asks whether both are 0)
    tf.random.set_seed(seeds.number(seed, "tensorflow"))
    if deterministic:
        tf.config.experimental.enable_op_determinism()
