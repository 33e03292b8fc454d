"""Training on pictures that a real tf.data service decodes."""

import dataclasses
import os
import subprocess
import sys

import pytest

from tests import ROOT
from tests.configs import make_config
from tests.tools import data_servers, kills
from tests.tools.workers import Workers, free_ports
from trainers import experiment

_FLAGS = (
    *("--preset=demo", "--image_size=32", "--batch_size=6", "--transfer_epochs=1", "--finetune_epochs=8"),
    *("--checkpoint_every_steps=4", "--log_every_steps=2", "--steps_per_epoch=40", "--dropout=0.4"),
    *("--mixed_precision=float32", "--worker_timeout_s=5"),
)


def _start(model_dir, photo_folder, *flags):
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "trainers.main",
            f"--model_dir={model_dir}",
            f"--image_dir={photo_folder}",
            *_FLAGS,
            *flags,
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"},
    )


def _finish(process, *, status=0):
    said, _ = process.communicate(timeout=300)
    assert process.returncode == status, said
    assert "Traceback" not in said
    return said


@pytest.fixture(scope="module")
def local(photo_folder, tmp_path_factory):
    """The same training without a service."""
    model_dir = tmp_path_factory.mktemp("local")
    _finish(_start(model_dir, photo_folder, "--cache=none"))
    return model_dir


@pytest.mark.slow
def test_two_workers_give_the_bits_of_no_service(local, photo_folder, tmp_path):
    with data_servers.serving(workers=2) as (address, _):
        said = _finish(_start(tmp_path, photo_folder, f"--data_service={address}"))
    assert f"decoded by the workers of {address}" in said
    assert kills.differences(local, tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("left", [0, 1])
def test_a_killed_worker_ends_the_run_in_one_line_and_it_goes_on_to_the_same_bits(left, local, photo_folder, tmp_path):
    with data_servers.serving(workers=1 + left) as (address, workers):
        process = _start(tmp_path, photo_folder, f"--data_service={address}")
        for line in process.stdout:
            if line.startswith("finetune epoch 1/"):  # a checkpoint is there, and most batches are not made yet
                break
        workers[0].kill()
        last = _finish(process, status=1).splitlines()[-1]
    assert "data_service: " in last
    assert "the same command resumes from what is saved" in last
    with data_servers.serving(workers=1) as (address, _):
        said = _finish(_start(tmp_path, photo_folder, f"--data_service={address}"))
    assert "resuming from step" in said
    assert kills.differences(local, tmp_path) == []


@pytest.mark.slow
def test_each_training_process_takes_its_own_part(photo_folder, tmp_path):
    flags = [f"--image_dir={photo_folder}", *_FLAGS]
    Workers(tmp_path / "local", flags, count=2).finish()
    with data_servers.serving(workers=2) as (address, _):
        Workers(tmp_path / "served", [*flags, f"--data_service={address}"], count=2).finish()
    assert kills.differences(tmp_path / "local/model", tmp_path / "served/model") == []


def test_a_service_that_is_not_there_is_said_before_anything_else(photo_folder, tmp_path):
    address = f"grpc://127.0.0.1:{free_ports(1)[0]}"
    config = make_config(photo_folder, tmp_path / "model")
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, data_service=address))
    with pytest.raises(ConnectionError, match=f"no tf.data dispatcher at {address}"):
        experiment.run(config)
    assert not (tmp_path / "model/transfer").exists()
