"""What a run on images in an object store does when it fails: `python -m tests.tools.remote_faults --work=FOLDER`

Real runs of the command line on moto's server, behind a proxy that does the harm. Prints a table: what went wrong, what
the run said and how it ended, and whether the same command, started again, ends with the weights of an undisturbed run.
"""

import argparse
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.tools import faulty_proxy, object_store
from tests.tools.faulty_proxy import Request, Rule
from tests.tools.remote_runs import FRESH, Bench, Row, is_object, last_line, weights_of


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
    yield bench.disturbed("none, and nothing is kept: fetched at each step", lambda request, times: None, *FRESH)
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
    yield bench.disturbed("no answer to anything, from the middle of the training on", dead("silence", 200), *FRESH)


def _objects_that_change(bench: Bench) -> Iterator[Row]:
    store, key = object_store.client(bench.endpoint), "of/three/train/red/red-03-0019.jpg"

    def delete() -> None:
        store.delete_object(Bucket="photos", Key=key)

    def change() -> None:
        store.put_object(Bucket="photos", Key=key, Body=(bench.photos / "train/red/red-00-0000.jpg").read_bytes())

    yield bench.disturbed("object deleted during the examination", at(5, delete))
    yield bench.disturbed("object deleted during the training", at(140, delete), *FRESH)
    yield bench.disturbed("object changed during the examination", at(5, change))
    yield bench.disturbed("object changed during the training", at(140, change), *FRESH)


def _of_shards(bench: Bench) -> Iterator[Row]:
    flags = (*bench.shards(), "--cache=none")
    name = "shards that have no room in the cache: "

    def each(number: int, fault: str) -> Rule:
        count = [0]

        def rule(request: Request, times: int) -> str | None:
            del times
            count[0] += is_object(request)
            return fault if is_object(request) and count[0] % number == 0 and count[0] < 150 else None

        return rule

    def change() -> None:
        store = object_store.client(bench.endpoint)
        key = next(path for path in sorted((bench.work / "shards").glob("*.tar"), reverse=True) if "train" in path.name)
        content = (bench.work / "shards" / key.name).read_bytes()
        store.put_object(Bucket="photos", Key=f"shards/{key.name}", Body=content[:-1] + b"x")

    yield bench.disturbed(f"{name}nothing", lambda request, times: None, *flags)
    for fault, number in (("503", 3), ("silence", 20), ("cut", 3)):  # of silence there must not be three in a row
        yield bench.disturbed(f"{name}{fault} to one in {number} of 150 requests", each(number, fault), *flags)
    yield bench.disturbed(f"{name}one changed during the training", at(120, change), *flags)


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
    "shards": _of_shards,
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
