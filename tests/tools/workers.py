"""Several worker processes of trainers.main on this machine, each with its TF_CONFIG and its log."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests import ROOT

_DEADLINE_S = 300.0


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def tf_config(addresses: Sequence[str], index: int) -> str:
    """The value of TF_CONFIG for one of the workers at these addresses."""
    return json.dumps({"cluster": {"worker": list(addresses)}, "task": {"type": "worker", "index": index}})


class Workers:
    """A job of `count` workers; only the first, rank 0, is given `root`/model.

    Args:
      root: where logs lie, and model_dirs.
      flags: of trainers.main.
      count: of workers.
      addresses: of the workers; free ports of this machine by default.
      prefixes: words put before each worker's command, such as `ip netns exec NAME`.
      module: what to run.
      own_flags: further flags of each worker.
    """

    def __init__(
        self,
        root: Path,
        flags: Sequence[str],
        *,
        count: int,
        addresses: Sequence[str] | None = None,
        prefixes: Sequence[Sequence[str]] = (),
        module: str = "trainers.main",
        own_flags: Sequence[Sequence[str]] = (),
    ):
        self.root, self.model_dir = root, root / "model"
        addresses = addresses or [f"127.0.0.1:{port}" for port in free_ports(count)]
        root.mkdir(parents=True, exist_ok=True)
        self.logs = [root / f"worker-{index}.txt" for index in range(count)]
        self.processes = []
        for index, log in enumerate(self.logs):
            folder = self.model_dir if index == 0 else root / f"must-stay-absent-{index}"
            prefix = prefixes[index] if prefixes else ()
            own = own_flags[index] if own_flags else ()
            with log.open("w") as stream:
                process = subprocess.Popen(
                    [*prefix, sys.executable, "-m", module, f"--model_dir={folder}", *flags, *own],
                    cwd=ROOT,
                    stdout=stream,
                    stderr=subprocess.STDOUT,
                    env={
                        **os.environ,
                        "TF_CONFIG": tf_config(addresses, index),
                        "CUDA_VISIBLE_DEVICES": "-1",
                        "TF_CPP_MIN_LOG_LEVEL": "3",
                        "TF_NUM_INTRAOP_THREADS": "1",
                    },
                    start_new_session=True,
                )
            self.processes.append(process)

    def said(self, index: int) -> str:
        """What a worker has printed."""
        return self.logs[index].read_text()

    def wait_for(self, pattern: str, *, index: int = 0, times: int = 1) -> None:
        """Returns when a worker has printed the pattern so many times."""
        end = time.monotonic() + _DEADLINE_S
        while len(re.findall(pattern, self.said(index))) < times:
            if time.monotonic() > end or self.processes[index].poll() is not None:
                self.kill()
                raise AssertionError(f"{pattern!r} did not come from worker {index}:\n{self.said(index)}")
            time.sleep(0.01)

    def statuses(self, *, deadline_s: float = _DEADLINE_S) -> list[int]:
        """The exit statuses of all; one that has not ended by then is killed, which shows."""
        end = time.monotonic() + deadline_s
        for process in self.processes:
            try:
                process.wait(timeout=max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return [process.returncode for process in self.processes]

    def finish(self) -> None:
        """Waits for all, which have to succeed."""
        if any(self.statuses()):
            raise AssertionError("\n".join(f"worker {k}:\n{self.said(k)}" for k in range(len(self.logs))))

    def kill(self) -> None:
        """Ends what still runs."""
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
