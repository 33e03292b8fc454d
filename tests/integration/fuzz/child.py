"""Runs damaged images or odd folders through the real code, in a process of its own with bounded memory.

`python -m tests.integration.fuzz.child images|folders SEED INPUTS SECONDS FOLDER [the same again]`; stops at whichever
comes first. The input in hand lies in FOLDER/current, so that a crash leaves it behind. Prints what happened as JSON.
"""

import faulthandler
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import hypothesis
import tensorflow as tf

from ftdata.config import DataConfig
from ftdata.decoding import decode, headers
from ftdata.folders import folder
from ftdata.inspection import examine
from ftdata.inspection.opened import Opened
from ftdata.sources.files import open_files
from tests.integration.fuzz import strategies

BOUND = 2**30  # bytes that any input may make the process grow by
_HANGS_AFTER_S = 60
_ROUND = 2_000  # Hypothesis remembers what it drew: a new start keeps that small


@tf.function(input_signature=[tf.TensorSpec((), tf.string)])
def _for_training(encoded: tf.Tensor) -> tf.Tensor:
    return decode.Decoding(image_size=32).any_format(encoded)


def judge(encoded: bytes, counts: dict[str, int]) -> None:
    """An image is refused with a reason, or the decoder of training takes it."""
    try:
        entry = Opened.of("image", encoded, foreign=False)
    except ValueError as error:
        (reason,) = str(error).splitlines()
        counts["refused by the header"] += bool(reason)
        return
    assert entry.header.pixels <= headers.MAX_PIXELS
    ((_, verdict),) = examine._decode_group([entry])
    if verdict.reason is None:
        assert _for_training(tf.constant(encoded)).shape == (32, 32, 3)
    counts["refused by the decoder" if verdict.reason else "accepted"] += 1


def open_folder(entries: list, counts: dict[str, int]) -> None:
    """A folder is opened, without its bad images, or refused with a message."""
    with tempfile.TemporaryDirectory() as root:
        strategies.build(Path(root), entries)
        try:
            files = open_files(
                DataConfig(image_dir=root, data_dir=f"{root}/.data", on_bad_image="skip", max_bad_fraction=1.0)
            )
        except ValueError as error:
            counts["refused"] += bool(str(error))
            return
        for split in files.splits.values():
            json.dumps(list(split.names)).encode()
            assert all("\n" not in folder.shown(name) for name in split.names)
        counts["accepted"] += 1


def _memory(kind: str) -> int:
    """`VmRSS`, the bytes this process holds now, or `VmHWM`, the most it held since the mark was reset."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * int(status.split(f"{kind}:")[1].split()[0])


def _limit_memory() -> None:
    size = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + 4 * BOUND,) * 2)  # address space: threads reserve much, use little


def main(kind: str, *, seed: int, inputs: int, seconds: float, into: Path) -> None:
    drawn, check = {"images": (strategies.images(), judge), "folders": (strategies.folders, open_folder)}[kind]
    counts = dict.fromkeys(("accepted", "refused", "refused by the header", "refused by the decoder"), 0)
    judge(strategies.SEEDS["jpeg"], dict(counts))  # what the first image alone takes
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # resets the high-water mark (proc(5))
    before, start, done, current = _memory("VmRSS"), time.monotonic(), 0, into / "current"
    while done < inputs and time.monotonic() - start < seconds:

        @hypothesis.seed(seed + done)
        @hypothesis.settings(
            max_examples=min(_ROUND, inputs - done),
            deadline=None,
            database=None,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(drawn)
        def round_of(value):
            if time.monotonic() - start > seconds:
                return
            nonlocal done
            done += 1
            current.write_bytes(value if isinstance(value, bytes) else repr(value).encode())
            faulthandler.dump_traceback_later(_HANGS_AFTER_S, exit=True)
            check(value, counts)
            faulthandler.cancel_dump_traceback_later()

        planned = done
        round_of()
        if done == planned:
            break
    grown = _memory("VmHWM") - before
    assert grown <= BOUND, f"grew by {grown / 2**20:.0f} MiB"
    counts = {name: count for name, count in counts.items() if count}
    print(
        json.dumps(
            {"kind": kind, "inputs": done, **counts, "grown_mib": grown // 2**20, "seconds": time.monotonic() - start}
        )
    )


if __name__ == "__main__":
    _limit_memory()
    for kind, seed, inputs, seconds, into in zip(*[iter(sys.argv[1:])] * 5, strict=True):
        main(kind, seed=int(seed), inputs=int(inputs), seconds=float(seconds), into=Path(into))
