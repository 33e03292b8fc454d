"""Settings that are longer than the phase they are meant for."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from ftdata.sources.source import open_source
from tests.configs import make_config
from trainers.commands import resolution
from trainers.config import PHASES
from trainers.rundir.run_dir import RunDir
from trainers.training.context import RunContext
from trainers.training.misfits import misfits
from trainers.training.plan import make_plan


def _told(photo_folder, *, runtime=None, data=None, phase="transfer", **settings):
    config = make_config(photo_folder, "unused", **{"transfer_epochs": 2, "finetune_epochs": 4, **settings})
    config = dataclasses.replace(
        config,
        runtime=dataclasses.replace(config.runtime, **(runtime or {})),
        data=dataclasses.replace(config.data, **(data or {})),
    )
    source = open_source(config.data)  # 48 training images in batches of 16
    devices = tf.distribute.OneDeviceStrategy("/cpu:0")
    context = RunContext(
        resolution.resolve(config, on_gpu=False),
        source,
        np.ones(3, np.float32),
        devices,
        RunDir(photo_folder / "unused"),
        resolution.record_of(config),
    )
    plan = make_plan(PHASES[phase], context)
    return list(misfits(PHASES[phase], plan, context)), plan


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"warmup_steps": 1}, []),
        ({"ema_decay": (0.3, 0.99)}, []),
        (
            {"ema_decay": (0.3, 0.4, 0.99)},  # 6 / 15
            [
                "--ema_decay=0.4,0.99 are one average in the 6 steps of transfer, in which a decay rises to 0.4 at "
                "most: give one of them"
            ],
        ),
        (
            {"warmup_steps": 50},
            ["--warmup_steps=50 is more than a fifth of the 6 steps of transfer: it has no warm-up"],
        ),
        ({"early_stopping_patience": 2}, []),  # finetune has more epochs
        ({"early_stopping_patience": 4}, ["--early_stopping_patience=4 cannot end transfer early, which has 2 epochs"]),
        (
            {"early_stopping_patience": 2, "data": {"validation_fraction": 0.0}},
            ["--early_stopping_patience has no effect without a validation split"],
        ),
        ({"runtime": {"profile_steps": (2, 6)}}, []),
        (
            {"runtime": {"profile_steps": (4, 9)}},
            ["--profile_steps=4,9 reaches beyond the 6 steps of transfer: 2 steps of it are profiled"],
        ),
        (
            {"runtime": {"profile_steps": (10, 20)}},
            ["--profile_steps=10,20 reaches beyond the 6 steps of transfer: 0 steps of it are profiled"],
        ),
        ({"runtime": {"steps_per_execution": 2}}, []),
        (
            {"runtime": {"steps_per_execution": 5, "log_every_steps": 20}},
            [
                "--steps_per_execution=5 has no effect, since something is due every 3: the end of an epoch, "
                "--log_every_steps or --checkpoint_every_steps"
            ],
        ),
        ({"steps_per_epoch": 1}, []),
        (
            {"steps_per_epoch": 12},
            ["--steps_per_epoch=12 makes an epoch of 4.0 passes over the 48 training images"],
        ),
        ({"runtime": {"checkpoint_every_steps": 500, "log_every_steps": 500}}, []),
    ],
)
def test_what_does_not_fit_is_said_with_the_numbers(photo_folder, settings, expected):
    assert _told(photo_folder, **settings)[0] == expected


def test_a_short_phase_leaves_a_point_in_tensorboard(photo_folder):
    _, plan = _told(photo_folder, runtime={"log_every_steps": 500})
    assert plan.log_every_steps == plan.total_steps == 6
