"""How fast does the server answer? `python -m benchmarks.serving`

1, 8 and 32 clients on the loopback ask `--phase=serve` for the predictions of JPEG files, one or eight in a request,
beside calls of the same SavedModel in a process without HTTP. One server takes together what waits, the other calls the
model with the images of one request after the other.
"""

import contextlib
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.harness import timing
from benchmarks.harness.images import gather
from benchmarks.harness.networks import NETWORK_FLAGS, Network, chosen
from benchmarks.harness.process import start_all
from benchmarks.harness.results import publish
from benchmarks.harness.timing import Row
from benchmarks.sides import served
from flags import benchmark
from ftdata.config import DataConfig
from trainers.export import formats
from trainers.models.classifier import build_classifier
from trainers.serving.address import check_installed

EXCLUDED = (
    "Decoding is included on all sides, JSON and base64 where there is HTTP. Clients and server share the processor. "
    "Latencies (milliseconds, of all rounds together) are from sending a request to having read its answer; requests "
    "that got none are errors."
)
_CLIENTS, _TOGETHER, _MOST = (1, 8, 32), 8, 32
_CLASSES = ("forky", "knifey", "spoony")


def main(argv: list[str]) -> None:
    """Measures every network and prints the table."""
    flags = benchmark.parse(argv, "image_dir", "saved_model", *NETWORK_FLAGS)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name, benchmark.one_line_errors():
        check_installed()
        folder = Path(name)
        gather(flags.image_dir, folder / "images", count=16 if flags.quick else 128)
        files = [path.read_bytes() for path in sorted((folder / "images").rglob("*.*"))]
        models = {"SavedModel": Path(flags.saved_model)} if flags.saved_model else {}
        for network in [] if models else chosen(flags):
            models[network.name] = _export(network, folder / str(len(models)))
        for label, model in models.items():
            rows += _measured(label, model, files, quick=flags.quick)
    publish(rows, question="Predictions over HTTP", excluded=EXCLUDED, json_file=flags.json)


def _export(network: Network, folder: Path) -> Path:
    """The SavedModel of an untrained network: the speed is the same."""
    side = network.image_size
    model = build_classifier(network.model, num_classes=len(_CLASSES), image_size=side, policy="float32")
    data = DataConfig(image_size=side)
    formats.write_saved_model(folder, formats.Served(formats.finished(model, temperature=1.0), _CLASSES, data))
    return folder


class Direct:
    """The SavedModel called as it is."""

    def __init__(self, folder: Path, files: list[bytes]):
        self.model, self.files = tf.saved_model.load(str(folder)), files
        self.call = self.model.signatures["serving_default"]

    def answer(self, size: int, count: int) -> None:
        """`count` calls with `size` images."""
        for number in range(count):
            files = [self.files[(number * size + place) % len(self.files)] for place in range(size)]
            self.call(image_bytes=tf.constant(files))["probabilities"].numpy()


def _measured(label: str, model: Path, files: list[bytes], *, quick: bool) -> list[Row]:
    """Rows of the model called directly and of each number of clients."""
    with contextlib.ExitStack() as stack:
        direct = stack.enter_context(start_all({"direct": (Direct, model, files)}))["direct"]
        asked = {
            "": stack.enter_context(served.server(model, batch_size=_MOST)),
            ", not taken together": stack.enter_context(served.server(model, batch_size=1)),
        }
        sizes, contenders, clients = dict[str, int](), dict[str, timing.Contender](), dict[str, served.Clients]()
        for size in (1, _TOGETHER):
            count = 4 if quick else max(1, 64 // size)
            name = f"{label}: called directly, {size} in a call"
            contenders[name] = timing.Contender(_call(direct, size, count), images=size * count)
            sizes[name] = size
        for size, number, way in [
            (size, number, way) for size in (1, _TOGETHER) for number in _CLIENTS for way in asked
        ]:
            if way and size > 1:
                continue  # images of one request are taken together anyway
            name = f"{label}: {number} client{'s' * (number > 1)}, {size} in a request{way}"
            bodies = [
                served.body([files[(k + j) % len(files)] for j in range(size)]) for k in range(0, len(files), size)
            ]
            each = 2 if quick else max(2, 128 // (number * size))
            clients[name] = served.Clients(asked[way], count=number, bodies=bodies, requests=each)
            contenders[name] = timing.Contender(clients[name], images=size * number * each)
            sizes[name] = size
        for contender in contenders.values():
            contender.call()  # warms up
        for each_client in clients.values():
            each_client.forget()
        measured = timing.rates(contenders, repeats=2 if quick else 7, warmup=0, least_seconds=0.0 if quick else 1.0)
    rows = timing.rows(measured, baseline=next(iter(contenders)), batch_size=1)
    for row in rows:
        row["batch_size"] = sizes[row["name"]]
        row |= _latencies(clients[row["name"]], row) if row["name"] in clients else {}
    return rows


def _call(direct: Any, size: int, count: int) -> Any:
    return lambda: direct.call("answer", size, count)


def _latencies(clients: served.Clients, row: Row) -> Row:
    p50, p99 = np.percentile(1000 * np.array(clients.seconds), (50, 99)) if clients.seconds else (np.nan, np.nan)
    return {
        "requests_per_second": row["images_per_second"]["median"] / row["batch_size"],
        "p50_ms": float(p50),
        "p99_ms": float(p99),
        "requests": len(clients.seconds),
        "errors": clients.errors,
    }


if __name__ == "__main__":
    main(sys.argv)
