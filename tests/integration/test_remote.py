"""The command line on images in object stores: the table of `tests.tools.remote_faults`, and runs of every kind."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from ftdata.config import PackConfig
from ftdata.records import packing
from tests import ROOT
from tests.tools import (
    channel_files,
    faulty_proxy,
    google_store,
    kills,
    object_store,
    remote_faults,
    remote_runs,
    scene_files,
)
from tests.tools.remote_runs import Bench
from tests.tools.workers import Workers

pytestmark = [pytest.mark.extra_remote, pytest.mark.slow]


@pytest.fixture(scope="module")
def bench(server, photo_folder, tmp_path_factory):
    with faulty_proxy.between(server) as proxy:
        yield Bench(photo_folder, tmp_path_factory.mktemp("remote"), server, proxy)


@pytest.mark.parametrize("part", remote_faults.PARTS)
def test_every_fault_ends_with_the_weights_of_the_local_folder_or_in_one_line(bench, part):
    rows = list(remote_faults.rows(bench, part))
    expected = rows[0].weights
    assert expected
    assert len(rows) > 1
    for row in rows:
        assert row.weights == (None if part == "refused" and row is not rows[0] else expected), row
        if row.weights is None:  # what only the user can mend
            assert row.status == 1, row
            assert any(word in row.said for word in ("credentials", "there is no bucket", "there is nothing at")), row
        if part in ("lasting", "changing") and row is not rows[0]:
            assert (row.status, "s3://photos/of/three/" in row.said) == (1, True), row
        if part == "shards":
            assert row.status == ("changed" in row.fault), row
            assert not row.status or "s3://photos/shards/" in row.said, row


def _run(folder, *flags, **environment):
    """The digest of the weights that a small run ends with, and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "trainers.main", *remote_runs.SMALL, f"--model_dir={folder}/model", *flags],
        cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return json.loads((folder / "model/transfer/metrics.json").read_text())["weights_sha256"], done.stdout


def test_a_run_on_gcs_with_faults_has_the_weights_of_the_folder(photo_folder, tmp_path):
    for name in ("gcsfs", "gcp_storage_emulator"):
        pytest.importorskip(name)
    expected, _ = _run(tmp_path / "local", f"--image_dir={photo_folder}", f"--data_dir={tmp_path}/data")
    with google_store.serving() as emulator, faulty_proxy.between(emulator) as proxy:
        words, url = google_store.environment(proxy.address), google_store.put(photo_folder, emulator, "of/three")

        def rule(request, times):
            return {0: "500", 1: "cut"}.get(times) if "alt=media" in request.path and "0.jpg" in request.path else None

        proxy.rule = rule
        weights, said = _run(tmp_path / "gcs", f"--image_dir={url}", f"--data_dir={tmp_path}/gcs/data", **words)
        assert weights == expected
        assert proxy.faults["500"] == proxy.faults["cut"] > 0
        assert "it is tried again" in said
        shards = tmp_path / "shards"
        packing.pack(PackConfig(image_dir=str(photo_folder), output=str(shards), format="webdataset", shards=2))
        url = google_store.put(shards, emulator, "shards")
        flags = (f"--records={url}", f"--data_dir={tmp_path}/shards/data", "--remote_cache_gib=0.0003")
        weights, said = _run(tmp_path / "gcs-shards", *flags, **words)
        assert weights == expected
        assert "are fetched one by one whenever they are read" in said


def test_several_channels_and_several_labels(server, tmp_path):
    words = object_store.environment(server)
    five = channel_files.write(tmp_path / "five", train=20, test=8)
    scenes = scene_files.write(tmp_path / "scenes", train=60, test=16, size=32).parent
    urls = {name: object_store.put(tmp_path / name, server, "kinds", name) for name in ("five", "scenes")}
    for kind, local, stored in (
        ("five", ("--channels=5", f"--image_dir={five}"), ("--channels=5", f"--image_dir={urls['five']}")),
        (
            "scenes",
            ("--task=multi", f"--labels_csv={scenes}/labels.csv"),
            ("--task=multi", f"--labels_csv={urls['scenes']}/labels.csv"),
        ),
    ):
        found = [
            _run(tmp_path / f"{kind}-{place}", *flags, f"--data_dir={tmp_path}/data-{place}", **words)[0]
            for place, flags in (("local", local), ("stored", stored))
        ]
        assert found[0] == found[1], kind


_WORKERS = (
    *("--preset=demo", "--image_size=32", "--batch_size=6", "--transfer_epochs=2", "--finetune_epochs=2"),
    *("--checkpoint_every_steps=4", "--log_every_steps=2", "--mixed_precision=float32", "--worker_timeout_s=5"),
    "--remote_timeout_s=20",
)


@pytest.mark.parametrize("disk", ["shared", "own"])
def test_two_workers_have_the_bits_of_workers_on_the_folder(disk, server, photo_folder, tmp_path, monkeypatch):
    """On one disk they share the cache, and one is killed while both fetch; else each has its own."""
    local = Workers(tmp_path / "local", (f"--image_dir={photo_folder}", *_WORKERS), count=2)
    local.finish()
    url = object_store.put(photo_folder, server, "workers", "of/three")
    with faulty_proxy.between(server, faulty_proxy.slowly(0.02)) as proxy:
        for name, value in object_store.environment(proxy.address).items():
            monkeypatch.setenv(name, value)
        folders = [tmp_path / (disk if disk == "shared" else f"own-{index}") for index in (0, 1)]
        own = [(f"--image_dir={url}", f"--data_dir={folder}") for folder in folders]
        if disk == "shared":
            workers = Workers(tmp_path / "run", _WORKERS, count=2, own_flags=own)
            workers.wait_for(r"fetching \d+ files")
            os.killpg(workers.processes[1].pid, signal.SIGKILL)
            assert workers.statuses(deadline_s=120) == [1, -signal.SIGKILL]
            assert "Traceback" not in workers.said(0)
            shutil.rmtree(workers.model_dir, ignore_errors=True)
        workers = Workers(tmp_path / "run", _WORKERS, count=2, own_flags=own)
        workers.finish()
        asked = [count for request, count in proxy.times.items() if remote_runs.is_object(request)]
    assert len(asked) == 75
    assert kills.differences(local.model_dir, workers.model_dir) == []
    for folder in set(folders):
        assert len(list(folder.glob("remote/*/??/[0-9a-f]*"))) == 75
