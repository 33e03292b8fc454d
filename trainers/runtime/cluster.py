"""Which processes train together, and which of them this one is: TF_CONFIG, or the step of a SLURM job."""

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import Any

from ftdata.errors import UserError
from ftdata.settings import said

_EXAMPLE = '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'
_REFUSED = {
    "ps": "parameter servers (ps) cannot be used: they apply each worker's gradients on their own and in no fixed "
    "order, so that several machines would not give the numbers of one, and Keras 3 has no coordinator for them. List "
    "the machines under worker",
    "evaluator": "there is no evaluator: the workers share the evaluation. List the machines under worker",
}


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The addresses, host:port, of all workers, that of rank 0 first, and this process's place among them."""

    workers: tuple[str, ...]
    index: int

    def host_and_port(self, index: int) -> tuple[str, int]:
        """Where a worker is reached."""
        host, _, port = self.workers[index].rpartition(":")
        return host.strip("[]"), int(port)


def find(strategy: str, environment: Mapping[str, str] = os.environ) -> Cluster | None:
    """The cluster that `--distribution_strategy` asks for; None where this process trains alone.

    Args:
      strategy: `auto` takes the cluster that the environment describes, `multi_worker_mirrored` insists on one, and
        any other trains alone.
      environment: TF_CONFIG counts first, then the variables of `srun`.

    Raises:
      UserError: the environment describes no cluster, or one that cannot be used.
    """
    if strategy not in ("auto", "multi_worker_mirrored"):
        return None
    if environment.get("TF_CONFIG"):
        cluster = _from_tf_config(environment["TF_CONFIG"])
    elif is_of_slurm(environment):
        cluster = _from_slurm()
    else:
        cluster = None
    if cluster is None and strategy == "multi_worker_mirrored":
        raise UserError(
            "distribution_strategy multi_worker_mirrored needs a cluster: set TF_CONFIG in the environment of every "
            f"worker, each with its own index, as in {_EXAMPLE}, or start the workers with srun"
        )
    return cluster if cluster and len(cluster.workers) > 1 else None


def is_of_slurm(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether `srun` has started several tasks; `find` asks TensorFlow for their addresses then."""
    return not environment.get("TF_CONFIG") and _number(environment.get("SLURM_STEP_NUM_TASKS", "1")) > 1


def _from_tf_config(text: str) -> Cluster | None:
    try:
        values = json.loads(text)
        jobs = {str(job): [str(address) for address in members] for job, members in values.get("cluster", {}).items()}
        task = values.get("task", {})
        kind, index = str(task.get("type", "worker")), int(task.get("index", 0))
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"TF_CONFIG must be JSON like {_EXAMPLE}, got {said(text[:200])}: {error}") from None
    if not jobs:
        return None
    for job in jobs:
        if job not in ("chief", "worker"):
            reason = _REFUSED.get(job, "workers are listed under worker, and one of them may stand under chief instead")
            raise UserError(f"TF_CONFIG has the job {said(job)}: {reason}")
    chief, workers = jobs.get("chief", []), jobs.get("worker", [])
    if len(chief) > 1:
        raise UserError(f"TF_CONFIG must have one chief, got {len(chief)}")
    if kind not in jobs or not 0 <= index < len(jobs[kind]):
        raise UserError(f"TF_CONFIG must have a task of its cluster, got {kind} {index} and {_sizes(jobs)}")
    addresses = (*chief, *workers)
    _check(addresses)
    return Cluster(addresses, index + (len(chief) if kind == "worker" else 0))


def _check(addresses: tuple[str, ...]) -> None:
    for address in addresses:
        host, _, port = address.rpartition(":")
        if not host or not 0 < _number(port) < 65_536:
            raise UserError(f"TF_CONFIG must name every worker as host:port, got {said(address)}")
    if len(set(addresses)) < len(addresses):
        raise UserError(f"TF_CONFIG must name every worker once, got {', '.join(addresses)}")


def _from_slurm() -> Cluster:
    import tensorflow as tf

    try:
        # which GPUs a task sees is SLURM's own affair (--gpus-per-task, or one task a node)
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            gpus_per_node=0, gpus_per_task=0, auto_set_gpu=False
        )
        addresses = resolver.cluster_spec().as_dict()["worker"]
        return Cluster(tuple(addresses), int(resolver.task_id))
    except (RuntimeError, ValueError) as error:
        raise UserError(f"the tasks of this SLURM step cannot be told from its variables: {error}") from None


def _sizes(jobs: Mapping[str, Any]) -> str:
    return ", ".join(f"{len(members)} of {job}" for job, members in jobs.items())


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
