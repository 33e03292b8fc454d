"""Which operations of TensorFlow a call spends its time in, as TensorFlow's own profiler sees them."""

import collections
import re
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import tensorflow as tf

# `name:Type`, as kernels on the host are traced, without the marks of kernels that oneDNN gives or that do several at
# once; what XLA has compiled is one
_OPERATION = re.compile(r"[^:]*:_?(?:Mkl)?(?:Native)?(?:Fused)?([A-Za-z]\w*)|(CpuExecutable)::Execute\w*")


def seconds_by_operation(call: Callable[[], Any]) -> dict[str, float]:
    """Seconds by type of operation, summed over threads, of what ran on the host while `call` did.

    An operation that calls others (a function, a loop) counts for what it does beside them. Operations that run at the
    same time both count, so that the sum may be more than the time that passed.
    """
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    with tempfile.TemporaryDirectory() as folder:
        options = tf.profiler.experimental.ProfilerOptions(host_tracer_level=2, python_tracer_level=0)
        tf.profiler.experimental.start(folder, options)
        try:
            call()
        finally:
            tf.profiler.experimental.stop()
        space = xplane_pb2.XSpace()
        for file in Path(folder).rglob("*.xplane.pb"):
            space.MergeFromString(file.read_bytes())
    found: collections.Counter[str] = collections.Counter()
    for plane in space.planes:
        names = {key: value.name for key, value in plane.event_metadata.items()}
        for line in plane.lines if plane.name.startswith("/host:CPU") else ():
            found.update(_of_thread((e.offset_ps, e.duration_ps, names[e.metadata_id]) for e in line.events))
    return {name: picoseconds / 1e12 for name, picoseconds in found.most_common()}


def _of_thread(events: Iterable[tuple[int, int, str]]) -> dict[str, int]:
    """Own time by type of operation: (start, duration, name) of nested events -> type -> time, in their unit."""
    own: dict[str, int] = collections.defaultdict(int)
    open_events: list[tuple[int, str]] = []  # (end, type), of operations alone
    for start, duration, name in sorted(events, key=lambda event: (event[0], -event[1])):
        match = _OPERATION.fullmatch(name)
        if not match:
            continue
        kind = match[1] or match[2]
        while open_events and open_events[-1][0] <= start:
            open_events.pop()
        if open_events:
            own[open_events[-1][1]] -= duration
        own[kind] += duration
        open_events.append((start + duration, kind))
    return own
