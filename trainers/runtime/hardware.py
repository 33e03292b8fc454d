"""What decides the last bits of a sum on this machine: processor, instruction set, threads, devices."""

import os
from pathlib import Path
from typing import Any

import tensorflow as tf

from trainers.runtime.devices import runs_on_gpu

# Sets of instructions that add up in another order or width, as Linux names them.
_INSTRUCTIONS = (
    *("avx", "avx2", "fma", "avx_vnni", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "avx512_fp16"),
    *("amx_tile", "amx_bf16", "amx_int8", "asimd", "sve", "bf16"),
)
# What tells a library to use fewer of them, or other code.
_LIMITS = ("ONEDNN_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE", "XLA_FLAGS")
_THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def description(strategy: tf.distribute.Strategy) -> dict[str, Any]:
    """JSON values by name: of machines where all of them are the same, the same program gives the same bits."""
    processor, instructions = _processor()
    on_gpu = runs_on_gpu(strategy)
    gpus = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
    return {
        "processor": processor,
        "instruction_set": " ".join(instructions),
        "limits": {name: os.environ[name] for name in _LIMITS if name in os.environ},
        "threads": {
            "cores": _cores(),
            "intra_op": tf.config.threading.get_intra_op_parallelism_threads(),
            "inter_op": tf.config.threading.get_inter_op_parallelism_threads(),
            **{name: os.environ[name] for name in _THREADS if name in os.environ},
        },
        "devices": f"{strategy.num_replicas_in_sync} {'GPU' if on_gpu else 'CPU'}",
        "gpu": sorted({str(gpu.get("device_name", "GPU")) for gpu in gpus}) if on_gpu else [],
    }


def _cores() -> int:
    """Those that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> tuple[str, list[str]]:
    """Its name and the sets of instructions that it has, of those that matter; nothing where Linux is not there."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown", []
    said = dict(reversed([line.split(":", 1) for line in lines if ":" in line]))  # of the first core
    values = {name.strip(): value.strip() for name, value in said.items()}
    there = set((values.get("flags") or values.get("Features") or "").split())
    return values.get("model name", "unknown"), [name for name in _INSTRUCTIONS if name in there]
