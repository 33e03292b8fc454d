"""Command lines in this process, one after the other, and whether TensorFlow was imported for them: for tests.

`python -m tests.tools.refused_at_once` reads a JSON list of command lines from standard input, and prints for each its
exit status, what it said on both streams, and whether TensorFlow is imported by now.
"""

import contextlib
import io
import json
import os
import sys

from trainers import main


def _said(argv: list[str]) -> dict[str, object]:
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        status = main.main(["main", *argv])
    return {"status": status, "out": out.getvalue(), "err": err.getvalue(), "tensorflow": "tensorflow" in sys.modules}


if __name__ == "__main__":
    found = []
    for line in json.load(sys.stdin):
        os.environ.pop("TF_CONFIG", None)
        found.append(_said(line))
        if found[-1]["tensorflow"]:
            break  # what follows would say so too
    print(json.dumps(found))
