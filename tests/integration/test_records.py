"""Runs on shards end with the bits of the run on the files they were packed from, killed or not."""

import dataclasses
import json
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from ftdata.config import DataConfig, PackConfig
from ftdata.records import packing
from ftdata.sources.source import open_source
from tests import ROOT
from tests.configs import make_config, with_checkpoints
from tests.tools.kills import differences
from trainers import experiment
from trainers.commands.verify import SAME, NotVerified
from trainers.config import TrainConfig


@pytest.mark.slow  # the same batches: tests/unit/ftdata/records
@pytest.mark.parametrize(
    ("kind", "tier", "killed_on"),
    [
        ("tfrecord", "memory", None),
        ("tfrecord", "none", "shards"),
        ("webdataset", "memory", None),
        ("webdataset", "none", "shards"),
        ("parquet", "memory", "files"),
        ("parquet", "none", "shards"),
    ],
)
def test_a_run_on_shards_has_the_bits_of_one_on_files(run_alone, photo_folder, tmp_path, kind, tier, killed_on):
    shards, model_dir = tmp_path / "shards", tmp_path / "run"
    packing.pack(PackConfig(image_dir=str(photo_folder), output=str(shards), format=kind, shards=2))
    files = {"image_dir": str(photo_folder)}
    data = {"image_dir": None, "records": str(shards), "data_dir": str(tmp_path / "data"), "cache": tier}
    if killed_on:
        first = data if killed_on == "shards" else {"data_dir": data["data_dir"]}
        command = [sys.executable, "-m", "tests.tools.killed_run", str(photo_folder), str(model_dir), "transfer"]
        command += ["{}", json.dumps(first)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=900)
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert not (model_dir / "transfer/metrics.json").exists()
    config = with_checkpoints(make_config(photo_folder, model_dir, tensorboard=True))
    experiment.run(dataclasses.replace(config, data=dataclasses.replace(config.data, **data)))
    assert differences(run_alone.model_dir, model_dir) == []  # weights_sha256, losses, confusion matrix and all
    # verified on the shards, and on the files; a run on files on shards
    if (kind, tier) in {("tfrecord", "memory"), ("parquet", "memory")}:
        for run, place in ((model_dir, {}), (model_dir, files), (run_alone.model_dir, {"records": str(shards)})):
            assert _verified(run, place) == {SAME}


def _verified(model_dir, place):
    config = TrainConfig(phase="verify", model_dir=str(model_dir), data=DataConfig(**place))
    return set(experiment.run(config)["verify"]["replayed"].values())


@pytest.mark.slow
def test_verify_names_the_image_that_is_another_in_the_shards(run_alone, photo_folder, tmp_path):
    altered = shutil.copytree(photo_folder, tmp_path / "photos")
    one, other = sorted(altered.glob("train/red/*.jpg"))[:2]
    one.write_bytes(other.read_bytes() + bytes(3))
    packing.pack(PackConfig(image_dir=str(altered), output=str(tmp_path / "shards"), shards=2))
    with pytest.raises(NotVerified, match=f"data: 1 file with other contents: train/red/{one.name}"):
        _verified(run_alone.model_dir, {"records": str(tmp_path / "shards")})


@pytest.mark.slow  # a small data set: tests/unit/ftdata/records
def test_what_the_builder_of_cutlery_has_prepared_is_read(tmp_path):
    named = open_source(DataConfig(dataset="cutlery", data_dir=str(tmp_path)))
    pattern = str(tmp_path / "cutlery/**/*tfrecord*")
    records = open_source(DataConfig(records=pattern, data_dir=str(tmp_path)))
    assert records.class_names == named.class_names
    one, other = ([*source.splits.values()] for source in (named, records))  # names hold out others than contents do
    assert (
        sum(np.bincount(split.labels) for split in other).tolist()
        == sum(np.bincount(split.labels) for split in one).tolist()
    )
    of_one, of_other = ([c for split in s for c in split.encoded().as_numpy_iterator()] for s in (one, other))
    assert sorted(of_other) == sorted(of_one)
