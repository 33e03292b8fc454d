"""What a run on images in an object store does when it fails: `python -m tests.tools.remote_faults --work=FOLDER`

Real runs of the command line on moto's server, behind a proxy that does the harm. Prints a table: what went wrong, what
the run said and how it ended, and whether the same command, started again, ends with the weights of an undisturbed run.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from tests import ROOT
from tests.tools import faulty_proxy, object_store
from tests.tools.faulty_proxy import FaultyProxy, Request, Rule

_TIMEOUT_S = 6
SMALL = (  # flags of a short run
    *("--phase=transfer", "--backbone=vgg_nano", "--weights=none", "--image_size=32", "--batch_size=10", "--seed=3"),
    *("--steps_per_epoch=5", "--transfer_epochs=3", "--checkpoint_every_steps=1", "--tensorboard=false"),
    f"--remote_timeout_s={_TIMEOUT_S}",
)
_FRESH = ("--cache=none", "--remote_cache_gib=0")  # every image is fetched whenever it is read


@dataclasses.dataclass(frozen=True)
class Row:
    """A fault, the exit status of the run that met it and the last line it said, and the weights in the end."""

    fault: str
    status: int
    said: str
    weights: str | None
    faults: dict[str, int]


class Bench:
    """Photos in a bucket behind a proxy, and runs on them in folders below `work`."""

    def __init__(self, photos: Path, work: Path, endpoint: str, proxy: FaultyProxy):
        self.photos, self.work, self.endpoint, self.proxy = photos, work, endpoint, proxy
        self.url = object_store.put(photos, endpoint, "photos", "of/three")
        self._number = 0

    def fresh(self) -> Path:
        """A new folder for a run."""
        self._number += 1
        return self.work / f"run-{self._number}"

    def start(self, folder: Path, *flags: str, url: str | None = None, **environment: str) -> subprocess.Popen:
        """A run in `folder`, the same one again where it has begun."""
        words = {**os.environ, **object_store.environment(self.proxy.address), "CUDA_VISIBLE_DEVICES": "-1"}
        words |= {"TF_CPP_MIN_LOG_LEVEL": "3", **environment}
        places = (f"--image_dir={url or self.url}", f"--model_dir={folder}/model", f"--data_dir={folder}/data")
        return subprocess.Popen(
            [sys.executable, "-m", "trainers.main", *SMALL, *places, *flags],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={name: value for name, value in words.items() if value},
        )

    def run(self, folder: Path, *flags: str, url: str | None = None, **environment: str) -> tuple[int, str]:
        """The exit status of such a run, and all that it said."""
        process = self.start(folder, *flags, url=url, **environment)
        said, _ = process.communicate(timeout=300)
        return process.returncode, said

    def disturbed(self, fault: str, rule: Rule, *flags: str, again: bool = True, **settings: str) -> Row:
        """A run under a rule and, where it has ended for that, the same again without it."""
        folder = self.fresh()
        self.proxy.times.clear()
        self.proxy.faults.clear()
        self.proxy.rule = rule
        status, said = self.run(folder, *flags, **settings)
        faults = dict(self.proxy.faults)
        self.proxy.rule = lambda request, times: None
        if status and again:
            self.restore()
            code, text = self.run(folder, *flags)
            assert code == 0, text
        return Row(fault, status, last_line(said), weights_of(folder), faults)

    def restore(self) -> None:
        """All photos as they were."""
        object_store.put(self.photos, self.endpoint, "photos", "of/three")


def last_line(said: str) -> str:
    """What the run said last; whole where it left a trace."""
    assert "Traceback" not in said, said
    return next(line for line in reversed(said.splitlines()) if line.strip())


def weights_of(folder: Path) -> str | None:
    """The digest of the weights that a run has ended with."""
    with contextlib.suppress(FileNotFoundError):
        return str(json.loads((folder / "model/transfer/metrics.json").read_text(encoding="utf-8"))["weights_sha256"])
    return None


def is_object(request: Request) -> bool:
    """Whether a request is for the content of a photo."""
    return request.method == "GET" and request.path.partition("?")[0].endswith(".jpg")


def at(number: int, act: Callable[[], None]) -> Rule:
    """Does something before the request for the `number`th photo is answered."""
    count, lock = [0], threading.Lock()

    def rule(request: Request, times: int) -> str | None:
        del times
        with lock:
            count[0] += is_object(request)
            if is_object(request) and count[0] == number:
                act()
        return None

    return rule


def rows(bench: Bench, *parts: str) -> Iterator[Row]:
    """A run on the local folder, then every fault, one after the other, or those of some of PARTS."""
    local = bench.fresh()
    status, said = bench.run(local, url=str(bench.photos))
    yield Row("none, the local folder", status, last_line(said), weights_of(local), {})
    for part in parts or PARTS:
        yield from PARTS[part](bench)


def _passing(bench: Bench) -> Iterator[Row]:
    yield bench.disturbed("none", lambda request, times: None)
    yield bench.disturbed("none, and nothing is kept: fetched at each step", lambda request, times: None, *_FRESH)
    for fault, name in (
        ("500", "500 to each third request, twice"),
        ("503", "503 slow down, the same"),
        ("silence", "no answer, the same"),
        ("cut", "connection cut in the middle of the body, the same"),
        ("reset", "connection closed without an answer, the same"),
    ):
        yield bench.disturbed(name, faulty_proxy.of_objects(fault, tries=2, every=3))


def _lasting(bench: Bench) -> Iterator[Row]:
    def dead(fault: str, after: int) -> Rule:
        count = [0]

        def rule(request: Request, times: int) -> str | None:
            del times
            count[0] += is_object(request)
            return fault if count[0] > after else None

        return rule

    yield bench.disturbed("500 to everything, from the 30th photo of the examination on", dead("500", 30))
    yield bench.disturbed("no answer to anything, from the middle of the training on", dead("silence", 200), *_FRESH)


def _objects_that_change(bench: Bench) -> Iterator[Row]:
    store, key = object_store.client(bench.endpoint), "of/three/train/red/red-03-0019.jpg"

    def delete() -> None:
        store.delete_object(Bucket="photos", Key=key)

    def change() -> None:
        store.put_object(Bucket="photos", Key=key, Body=(bench.photos / "train/red/red-00-0000.jpg").read_bytes())

    yield bench.disturbed("object deleted during the examination", at(5, delete))
    yield bench.disturbed("object deleted during the training", at(140, delete), *_FRESH)
    yield bench.disturbed("object changed during the examination", at(5, change))
    yield bench.disturbed("object changed during the training", at(140, change), *_FRESH)


def _settings(bench: Bench) -> Iterator[Row]:
    def undisturbed(request: Request, times: int) -> None:
        return None

    none = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "HOME": str(bench.work)}
    yield bench.disturbed("no credentials", undisturbed, again=False, **none)
    yield bench.disturbed(
        "403, access denied",
        lambda request, times: "403",
        again=False,
    )
    yield bench.disturbed("wrong bucket", undisturbed, again=False, url="s3://photoes/of/three")
    yield bench.disturbed("wrong folder in the bucket", undisturbed, again=False, url="s3://photos/off/three")


def _killed(bench: Bench) -> Iterator[Row]:
    """SIGKILL after 30 photos have come, then the same command again."""
    folder, reached = bench.fresh(), threading.Event()
    slow, trigger = faulty_proxy.slowly(0.1), at(30, reached.set)
    bench.proxy.times.clear()
    bench.proxy.rule = lambda request, times: trigger(request, times) or slow(request, times)
    process = bench.start(folder)
    assert reached.wait(120)
    process.kill()
    process.communicate()
    kept = len(list((folder / "data/remote").glob("*/??/[0-9a-f]*")))
    first = bench.proxy  # in which requests of the first run may still wait
    with faulty_proxy.between(bench.endpoint) as bench.proxy:
        status, said = bench.run(folder)
        fetched = [count for request, count in bench.proxy.times.items() if is_object(request)]
    bench.proxy = first
    assert status == 0, said
    assert max(fetched) == 1, "a photo was fetched twice"
    counts = f"{kept} photos were kept, the second run fetched {len(fetched)}"
    yield Row("SIGKILL during the fetching", process.returncode, counts, weights_of(folder), {})


PARTS = {
    "passing": _passing,
    "lasting": _lasting,
    "changing": _objects_that_change,
    "refused": _settings,
    "killed": _killed,
}


def main() -> None:
    """Prints the table."""
    from tests.conftest import write_photos

    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []])
    given = parser.parse_args()
    work = given.work
    shutil.rmtree(work, ignore_errors=True)
    write_photos(work / "photos")
    print("| fault | met | status, and what the run said last | the same weights in the end |\n|---|---|---|---|")
    with object_store.serving() as endpoint, faulty_proxy.between(endpoint) as proxy:
        expected = None
        for row in rows(Bench(work / "photos", work, endpoint, proxy), *given.parts):
            expected = expected or row.weights
            same = "-" if row.weights is None else "yes" if row.weights == expected else "NO"
            faults = ", ".join(f"{count} x {name}" for name, count in row.faults.items()) or "-"
            said = f"{row.status}: {row.said}" if row.status else "0"
            print(f"| {row.fault} | {faults} | {said} | {same} |", flush=True)


if __name__ == "__main__":
    main()
