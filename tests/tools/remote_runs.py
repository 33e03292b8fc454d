"""Real runs of the command line on photos in a bucket, behind a proxy that does harm, and the same again after it."""

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

from tests import ROOT
from tests.tools import object_store
from tests.tools.faulty_proxy import FaultyProxy, Request, Rule

_TIMEOUT_S = 6
SMALL = (  # flags of a short run
    *("--phase=transfer", "--backbone=vgg_nano", "--weights=none", "--image_size=32", "--batch_size=10", "--seed=3"),
    *("--steps_per_epoch=5", "--transfer_epochs=3", "--checkpoint_every_steps=1", "--tensorboard=false"),
    f"--remote_timeout_s={_TIMEOUT_S}",
)
FRESH = ("--cache=none", "--remote_cache_gib=0")  # every image is fetched whenever it is read


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
        images = [] if any(flag.startswith("--records=") for flag in flags) else [f"--image_dir={url or self.url}"]
        places = (*images, f"--model_dir={folder}/model", f"--data_dir={folder}/data")
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
        """All photos and shards as they were."""
        object_store.put(self.photos, self.endpoint, "photos", "of/three")
        if (shards := self.work / "shards").exists():
            object_store.put(shards, self.endpoint, "photos", "shards")

    def shards(self) -> tuple[str, str]:
        """Flags for shards of the photos in the bucket, for most of which the cache has no room."""
        from ftdata.config import PackConfig
        from ftdata.records.packing import pack

        output = self.work / "shards"
        packed = pack(PackConfig(image_dir=str(self.photos), output=str(output), format="webdataset", shards=3))
        self.restore()
        largest = max(path.stat().st_size for path in packed)
        return "--records=s3://photos/shards", f"--remote_cache_gib={2.5 * largest / 2**30:.9f}"


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
    """Whether a request is for the content of a photo, or of a shard or a part of it."""
    return request.method == "GET" and request.path.partition("?")[0].endswith((".jpg", ".tar"))
