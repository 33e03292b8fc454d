"""A tf.data service of real processes: python -m tests.tools.data_servers dispatcher PORT | worker DISPATCHER_PORT."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

from tests import ROOT
from tests.tools.workers import free_ports


def start(*words: str) -> subprocess.Popen:
    """A server; it has printed a line when it is there."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.tools.data_servers", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "ready\n"
    return process


@contextlib.contextmanager
def serving(*, workers: int) -> Iterator[tuple[str, list[subprocess.Popen]]]:
    """The address of a dispatcher, and its workers."""
    port = str(free_ports(1)[0])
    processes = []
    try:
        processes.append(start("dispatcher", port))
        processes += [start("worker", port) for _ in range(workers)]
        yield f"grpc://127.0.0.1:{port}", processes[1:]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def main(kind: str, port: str) -> None:
    """Serves until it is killed."""
    import tensorflow as tf

    service = tf.data.experimental.service
    if kind == "dispatcher":
        server = service.DispatchServer(service.DispatcherConfig(port=int(port)))
    else:
        server = service.WorkerServer(service.WorkerConfig(dispatcher_address=f"localhost:{port}"))
    print("ready", flush=True)
    server.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
