"""Several real worker processes: the numbers of one, and an end for all when one of them ends."""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

from flags import train
from ftdata.config import PackConfig
from ftdata.records import packing
from tests.tools import in_float64, kills, replicas
from tests.tools.workers import Workers, free_ports
from trainers.commands import agreement
from trainers.runtime import rendezvous
from trainers.runtime.cluster import Cluster

pytestmark = pytest.mark.slow

_TIMEOUT_S = 5
_FLAGS = (
    *("--preset=demo", "--image_size=32", "--batch_size=6", "--transfer_epochs=2", "--finetune_epochs=3"),
    *("--checkpoint_every_steps=4", "--log_every_steps=2", "--ema_decay=0.9", "--dropout=0.4"),
    *("--mixed_precision=float32", f"--worker_timeout_s={_TIMEOUT_S}"),
)


@pytest.fixture(scope="module")
def flags(photo_folder):
    return [f"--image_dir={photo_folder}", *_FLAGS]


@pytest.fixture(scope="module")
def undisturbed(flags, tmp_path_factory):
    """Two workers that nobody disturbs."""
    workers = Workers(tmp_path_factory.mktemp("undisturbed"), flags, count=2)
    workers.finish()
    return workers


def _same(workers, undisturbed):
    assert "resuming from step" in workers.said(0)
    assert kills.differences(undisturbed.model_dir, workers.model_dir) == []
    assert not list(workers.root.glob("must-stay-absent-*"))  # only rank 0 writes


@pytest.mark.parametrize("killed", [0, 1], ids=["chief", "worker"])
def test_a_killed_worker_ends_the_job_which_goes_on_to_the_same_bits(killed, flags, undisturbed, tmp_path):
    for phase in ("transfer", "finetune"):
        workers = Workers(tmp_path, flags, count=2)
        workers.wait_for(f"{phase} epoch +1/")
        time.sleep(0.2)
        os.killpg(workers.processes[killed].pid, signal.SIGKILL)
        statuses = workers.statuses(deadline_s=_TIMEOUT_S + 5)
        assert statuses[killed] == -signal.SIGKILL
        assert statuses[1 - killed] == 1
        last = workers.said(1 - killed).splitlines()[-1]
        assert last.startswith(f"stopped: {'rank 0' if killed == 0 else 'worker 1'} (127.0.0.1:")
        assert "Traceback" not in workers.said(1 - killed)
    workers = Workers(tmp_path, flags, count=2)
    workers.finish()
    _same(workers, undisturbed)


@pytest.mark.parametrize("asked", [0, 1], ids=["chief", "worker"])
def test_sigterm_to_one_worker_ends_all_with_a_checkpoint(asked, flags, undisturbed, tmp_path):
    workers = Workers(tmp_path, flags, count=2)
    workers.wait_for("finetune epoch +1/")
    workers.processes[asked].send_signal(signal.SIGTERM)
    assert workers.statuses(deadline_s=60) == [143, 143]
    assert "saved at step" in workers.said(0)
    assert all("Traceback" not in workers.said(index) for index in (0, 1))
    workers = Workers(tmp_path, flags, count=2)
    workers.finish()
    _same(workers, undisturbed)


def test_workers_with_other_settings_or_pictures_are_refused(flags, tmp_path, photo_folder):
    fewer = tmp_path / "fewer"
    shutil.copytree(photo_folder, fewer)
    next(fewer.glob("train/*/*.jpg")).unlink()
    for name, flag, message in (
        ("settings", "--seed=7", "worker 1 was started with other settings than rank 0: seed is 7 there and 0 here"),
        (
            "pictures",
            f"--image_dir={fewer}",
            "worker 1 has other images than rank 0:\n  training images: were 51, are 50",
        ),
    ):
        workers = Workers(tmp_path / name, flags, count=2, own_flags=[(), (flag,)])
        assert workers.statuses(deadline_s=60) == [1, 1]
        assert message in workers.said(0)
        assert message.partition("\n")[0] in workers.said(1)
        assert not list(workers.model_dir.glob("transfer"))


def _shards(photos, root, kind):
    packing.pack(PackConfig(image_dir=str(photos), output=str(root), format=kind, shards=2))
    return root


@pytest.mark.parametrize(
    ("kind", "disk", "tier"),
    [
        ("tfrecord", "shared", "memory"),
        ("tfrecord", "own", "none"),
        ("webdataset", "shared", "memory"),
        ("webdataset", "shared", "none"),
        ("parquet", "own", "memory"),
        ("parquet", "shared", "none"),
    ],
)
def test_workers_on_shards_have_the_bits_of_workers_on_the_folder(
    kind, disk, tier, undisturbed, photo_folder, tmp_path
):
    """On a shared disk one of them makes the index, else each its own; the shards may lie elsewhere, too."""
    shards = [_shards(photo_folder, tmp_path / "shards", kind)] * 2
    if disk == "own":
        shards[1] = shutil.copytree(shards[0], tmp_path / "other/shards")
    folders = [tmp_path / (disk if disk == "shared" else f"disk-{index}") for index in (0, 1)]
    own = [(f"--records={place}", f"--data_dir={folder}") for place, folder in zip(shards, folders, strict=True)]
    flags = (*_FLAGS, f"--cache={tier}")
    if tier == "none":
        workers = Workers(tmp_path / "run", flags, count=2, own_flags=own)
        workers.wait_for("transfer epoch +1/")
        os.killpg(workers.processes[1].pid, signal.SIGKILL)
        assert 0 not in workers.statuses(deadline_s=_TIMEOUT_S + 30)
    workers = Workers(tmp_path / "run", flags, count=2, own_flags=own)
    workers.finish()
    assert [len(list(folder.glob("records/*/index.npz"))) for folder in folders] == [1, 1]
    if (disk, tier) == ("own", "memory"):  # only rank 0 logs: of a shared disk the other may be faster
        assert "indexing" in workers.said(0)
    assert kills.differences(undisturbed.model_dir, workers.model_dir) == []


def test_a_worker_with_another_shard_is_refused(photo_folder, tmp_path):
    shards = _shards(photo_folder, tmp_path / "shards", "tfrecord")
    altered = shutil.copytree(photo_folder, tmp_path / "photos")
    one, other = sorted(altered.glob("train/red/*.jpg"))[:2]
    one.write_bytes(other.read_bytes() + bytes(3))
    packed, copy = _shards(altered, tmp_path / "packed", "tfrecord"), shutil.copytree(shards, tmp_path / "copy")
    shutil.copy(sorted(packed.glob("*-train.*"))[1], sorted(copy.glob("*-train.*"))[1])
    own = [(f"--records={place}", f"--data_dir={tmp_path / place.name}-data") for place in (shards, copy)]
    workers = Workers(tmp_path / "run", _FLAGS, count=2, own_flags=own)
    assert workers.statuses(deadline_s=120) == [1, 1]
    for index in (0, 1):
        assert "worker 1 has other images than rank 0:" in workers.said(index)
        assert "Traceback" not in workers.said(index)
    assert "training images: the same file names, but other contents" in workers.said(0)


def test_strangers_at_the_port_of_the_chief_disturb_nothing(flags, undisturbed, tmp_path):
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    over, held = threading.Event(), []

    def knock():
        draw = random.Random(0)
        nested = struct.pack("!I", 50_000) + b"[" * 50_000
        while not over.wait(0.05):
            try:
                connection = socket.create_connection(("127.0.0.1", int(addresses[0].split(":")[1])), timeout=1)
                connection.sendall(draw.choice((b"", nested, b"GET / HTTP/1.1\r\n\r\n", draw.randbytes(100))))
                held.append(connection)
            except OSError:
                continue
            if len(held) > 200:
                held.pop(0).close()

    thread = threading.Thread(target=knock, daemon=True)
    thread.start()
    workers = Workers(tmp_path, flags, count=2, addresses=addresses)
    try:
        workers.finish()
    finally:
        over.set()
        thread.join()
        for connection in held:
            connection.close()
    assert held
    assert kills.differences(undisturbed.model_dir, workers.model_dir) == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (struct.pack("!cQ", b"m", 1 << 39), "sends what cannot be understood (a message of 524,288 MiB, and "),
        (
            struct.pack("!cQQ", b"m", 100_008, 100_000) + b"[" * 100_000,
            "sends what cannot be understood (maximum recurs",
        ),
        (struct.pack("!cQ", b"b", 8) + b'["bye",0]'[:8], "sends what cannot be understood ("),
        (struct.pack("!cQ", b"b", 7) + b'["", 0]', "another worker has left before the end"),
    ],
)
def test_a_worker_that_sends_nonsense_and_signs_of_life_ends_the_job(content, says, flags, tmp_path):
    """This process takes the place of worker 1 and never joins TensorFlow, in which rank 0 waits for it."""
    addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(2))
    config, _ = train.parse(["main", f"--model_dir={tmp_path / 'rogue'}", *flags])
    chief = Workers(tmp_path, flags, count=1, addresses=addresses)
    try:
        connection = rendezvous.meet(Cluster(addresses, 1), agreement.shared(config), wait_s=120)[0]
        with connection:
            connection.sendall(content)
            end = time.monotonic() + 5
            while chief.processes[0].poll() is None and time.monotonic() < end:
                with contextlib.suppress(OSError):
                    connection.sendall(struct.pack("!cQ", b".", 0))
                time.sleep(0.5)
        # what it sent is read unless TensorFlow has kept Python's lock by then; that it has left is noticed anyway
        assert chief.statuses(deadline_s=10)[0] in (1, -signal.SIGKILL)
    finally:
        chief.kill()
    last = chief.said(0).splitlines()[-1]
    assert last.startswith("stopped: ")
    assert says in last or "worker 1 (127.0.0.1:" in last
    assert "Traceback" not in chief.said(0)


def test_an_overflow_on_one_worker_skips_the_step_on_both(tmp_path):
    workers = Workers(tmp_path, [], count=2, module="tests.tools.overflowing")
    workers.finish()
    for index in (0, 1):
        last = json.loads(workers.said(index).splitlines()[-1])
        # two steps skipped, each halving the scale of 2**15; then a gradient of 2**15 at a scale of 2**13: 4
        assert last["variable"] == pytest.approx([3 - 0.5 * 4 * 1.9, 4.0], rel=1e-6)
        assert (last["scale"], last["steps"]) == (2.0**13, 1)


@pytest.fixture
def two_hosts():
    """Two network namespaces joined by a cable: command prefixes, addresses, and a way to pull the cable."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and the command ip")
    names = [f"fft-{os.getpid()}-{k}" for k in (0, 1)]

    def ip(*words):
        subprocess.run(["ip", *words], check=True, capture_output=True)

    try:
        for name in names:
            ip("netns", "add", name)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespaces here: {error.stderr.decode().strip()}")
    try:
        ip("link", "add", "v0", "netns", names[0], "type", "veth", "peer", "name", "v1", "netns", names[1])
        for k, name in enumerate(names):
            ip("-n", name, "address", "add", f"10.77.0.{k + 1}/24", "dev", f"v{k}")
            ip("-n", name, "link", "set", f"v{k}", "up")
            ip("-n", name, "link", "set", "lo", "up")
        prefixes = [("ip", "netns", "exec", name) for name in names]
        yield (
            prefixes,
            ["10.77.0.1:2222", "10.77.0.2:2222"],
            lambda state: ip("-n", names[1], "link", "set", "v1", state),
        )
    finally:
        for name in names:
            ip("netns", "delete", name)


def test_two_hosts_whose_cable_is_pulled_end_and_go_on_to_the_same_bits(two_hosts, flags, undisturbed, tmp_path):
    prefixes, addresses, set_cable = two_hosts
    workers = Workers(tmp_path, flags, count=2, addresses=addresses, prefixes=prefixes)
    workers.wait_for("finetune epoch +1/")
    time.sleep(0.2)
    set_cable("down")
    pulled = time.monotonic()
    assert workers.statuses(deadline_s=_TIMEOUT_S + 5) == [1, 1]
    assert time.monotonic() - pulled < _TIMEOUT_S + 3
    assert "stopped: worker 1 (10.77.0.2:2222) has been silent for 5 s" in workers.said(0)
    assert "stopped: rank 0 (10.77.0.1:2222) has been silent for 5 s" in workers.said(1)
    set_cable("up")
    workers = Workers(tmp_path, flags, count=2, addresses=addresses, prefixes=prefixes)
    workers.finish()
    _same(workers, undisturbed)


@pytest.mark.parametrize(
    ("optimizer", "rate", "limit"),
    [("sgd", 1e-3, 1e-5), ("adam", 1e-5, 1e-5), ("adam", 1e-4, 1e-2)],  # the last drifts by the order of sums
)
def test_devices_and_workers_give_the_numbers_of_one_process(optimizer, rate, limit, photo_folder, tmp_path):
    rows = replicas.table(photo_folder, tmp_path, optimizer=optimizer, rate=rate)
    assert len(rows) == 4
    for layout, row in rows.items():
        assert max(row["loss"], row["weights"], row["scores"]) < limit, layout


def test_in_float64_what_drifts_in_float32_does_not(photo_folder, tmp_path):
    rows = in_float64.table(photo_folder, tmp_path, optimizer="adam", rate=1e-3)
    assert len(rows) == 4
    for layout, row in rows.items():
        assert max(row.values()) < 1e-12, layout


def test_batch_normalization_that_trains_is_that_of_the_whole_batch(photo_folder, tmp_path):
    """Over 100 steps in float64: in float32 such a network amplifies the last bit."""
    rows = in_float64.table(photo_folder, tmp_path, optimizer="sgd", rate=1e-3, backbone="MobileNetV3Small")
    for layout, row in rows.items():
        assert max(row.values()) < 1e-9, layout


def test_three_workers_continue_what_two_began(photo_folder, tmp_path):
    """At the same global batch: the same order, the same augmentation, the same losses and weights."""
    flags = [*replicas.flags_for(photo_folder, optimizer="sgd", rate=1e-3), "--checkpoint_every_steps=7"]
    alone = replicas.train("1 process", tmp_path / "alone", flags)
    two = Workers(tmp_path / "grown", flags, count=2)
    two.wait_for("finetune epoch +1/")
    two.kill()
    three = Workers(tmp_path / "grown", flags, count=3)
    three.finish()
    assert "resuming from step" in three.said(0)
    row = replicas.differences(replicas.read(three.model_dir), alone)
    assert max(row["loss"], row["weights"], row["scores"]) < 1e-5, row


def test_gradient_accumulation_over_two_workers_gives_the_numbers_of_one_process(photo_folder, tmp_path):
    flags = replicas.flags_for(photo_folder, optimizer="sgd", rate=1e-3)
    alone = replicas.train("1 process", tmp_path / "alone", flags)
    both = replicas.train("2 workers", tmp_path / "both", [*flags, "--gradient_accumulation_steps=2"])
    row = replicas.differences(both, alone)
    assert max(row["loss"], row["weights"]) < 1e-5, row


@pytest.mark.parametrize("disk", ["shared", "own"])
def test_workers_fill_features_together_and_go_on_to_the_same_bits(disk, flags, photo_folder, tmp_path):
    asked = [*flags, "--feature_views=2", "--transfer_epochs=4"]
    folders = [tmp_path / (disk if disk == "shared" else f"disk-{index}") for index in (0, 1)]
    own = [(f"--data_dir={folder}",) for folder in folders]
    whole = Workers(tmp_path / "whole", asked, count=2, own_flags=own)
    whole.finish()
    assert re.search(r"features: 51 images x 2 views of .*, computed in", whole.said(0))
    assert "images/s from features" in whole.said(0)
    again = Workers(tmp_path / "again", asked, count=2, own_flags=own)
    again.wait_for("transfer epoch +2/")
    os.killpg(again.processes[1].pid, signal.SIGKILL)
    again.statuses(deadline_s=_TIMEOUT_S + 5)
    again = Workers(tmp_path / "again", asked, count=2, own_flags=own)
    again.finish()
    assert re.search(r"features: 51 images x 2 views of .*, read in", again.said(0))
    _same(again, whole)


def test_where_one_worker_has_no_room_for_features_all_train_without(flags, tmp_path):
    own = [(f"--data_dir={tmp_path / f'disk-{index}'}",) for index in (0, 1)]
    own[1] += ("--disk_cache_gib=1e-9",)
    workers = Workers(tmp_path, [*flags, "--feature_views=2", "--phase=transfer"], count=2, own_flags=own)
    workers.finish()
    assert re.search(r"features: no room on disk for 51 images .*\(worker 1: ", workers.said(0))
    assert "from features" not in workers.said(0)


def test_workers_solve_for_the_head_that_rank_0_finds(flags, tmp_path):
    asked = [*flags, "--feature_views=2", "--head_solver=lbfgs", f"--data_dir={tmp_path / 'disk'}", "--phase=transfer"]
    runs = [Workers(tmp_path / name, asked, count=2) for name in ("one", "two")]
    for workers in runs:
        workers.finish()
        assert "head: logistic regression" in workers.said(0)
        assert "head: logistic regression" not in workers.said(1)
    assert kills.differences(runs[0].model_dir, runs[1].model_dir) == []


def test_530_pictures_are_evaluated_once_each_by_any_number_of_replicas(photo_folder, tmp_path):
    folder = tmp_path / "photos"
    shutil.copytree(photo_folder, folder)
    sources = sorted(folder.glob("test/*/*.jpg"))
    for number in range(530 - len(sources)):
        source = sources[number % len(sources)]
        shutil.copy(source, source.with_name(f"{number}-{source.name}"))
    flags = [
        "--preset=demo",
        f"--image_dir={folder}",
        "--image_size=32",
        "--batch_size=12",
        "--mixed_precision=float32",
    ]
    flags += [
        "--mixed_precision=float32",
        "--steps_per_epoch=2",
        "--transfer_epochs=1",
        "--finetune_epochs=1",
        "--log_every_steps=1",
        "--dropout=0",
    ]
    matrices = {}
    for layout in ("1 process", "2 devices", "3 devices", "2 workers", "3 workers"):
        root = tmp_path / layout
        matrices[layout] = replicas.train(layout, root, flags).confusion_matrix
        rows = (root / "model/evaluation/predictions.csv").read_text().splitlines()[1:]
        assert len({row.split(",")[0] for row in rows}) == len(rows) == 530
    assert sum(map(sum, matrices["1 process"])) == 530
    assert all(matrix == matrices["1 process"] for matrix in matrices.values()), matrices
