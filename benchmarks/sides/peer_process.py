"""A script that runs in another Python, which has what this one lacks, and answers one request at a time.

A request is a line of JSON on its standard input, the answer one on its standard output; the first line is what it says
of itself, without being asked.
"""

import contextlib
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# What leads to another Python's packages, and to TensorFlow's CUDA libraries.
_OTHERS = ("PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH")


class PeerProcess:
    """The running script.

    Args:
      python: path of the interpreter.
      script: needs nothing of this project.
      needs: packages, whose versions it says of itself by their names.

    Attributes:
      about: what it says of itself.

    Raises:
      ValueError: no such Python, or one without these packages.
    """

    def __init__(self, python: str, script: Path, *, needs: Sequence[str]):
        self._python, self._rule = python, f"peer_python must be a Python with {' and '.join(needs)}, got {python}"
        command = [python, "-W", "ignore", str(script)]
        try:
            self._process = subprocess.Popen(
                command, env=environment(os.environ), stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
            )
        except OSError as error:
            raise ValueError(f"{self._rule}: {error}") from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout
        self.about = self._answer()
        if "error" in self.about or not set(needs) <= set(self.about):
            self.close()
            raise ValueError(f"{self._rule}: {self.about.get('error', 'no Python')}")

    def ask(self, **request: Any) -> dict[str, Any]:
        """The answer to a request.

        Raises:
          ValueError: the script says that it cannot, or has ended.
        """
        with contextlib.suppress(OSError):
            self._requests.write(json.dumps(request) + "\n")
            self._requests.flush()
        answer = self._answer()
        if "error" in answer:
            raise ValueError(f"{self._python} cannot: {answer['error']}")
        return answer

    def close(self) -> None:
        """Ends the process."""
        with contextlib.suppress(OSError):  # it may have ended before
            self._requests.close()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answers.close()

    def _answer(self) -> dict[str, Any]:
        line = self._answers.readline()
        if not line:
            return {"error": f"{self._python} ended with status {self._process.wait()}"}
        try:
            return dict(json.loads(line))
        except ValueError:
            return {"error": f"it says {line.strip()!r}"}


def environment(ours: Mapping[str, str]) -> dict[str, str]:
    """The script's environment: ours without what leads to our packages; the script's folder is no package either.

    PyTorch's threads wait for each other without spinning, unless OMP_WAIT_POLICY says otherwise: where another process
    has a share of the cores, spinning made it four times slower.
    """
    kept = {name: value for name, value in ours.items() if name not in _OTHERS}
    return {"OMP_WAIT_POLICY": "PASSIVE", **kept, "PYTHONSAFEPATH": "1"}
