"""TensorBoard's HParams table: a row for each finished phase of each run, its settings beside its final numbers."""

import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams import summary as sessions
from tensorboard.plugins.hparams import summary_v2 as hp

from ftdata.log import log

METRICS = (
    *("validation_accuracy", "validation_balanced_accuracy", "validation_f1_macro", "validation_loss"),
    *("test_accuracy", "test_balanced_accuracy", "test_f1_macro", "test_loss", "images_per_second", "seconds"),
)


def write(folder: Path, *, run: Path, settings: Mapping[str, Any], metrics: Mapping[str, Any]) -> None:
    """Writes the session of a finished phase, in place of an earlier one of it.

    The columns are the settings and METRICS. An event file that cannot be written is
    said in a warning: the phase is worth more.

    Args:
      folder: for its event file alone.
      run: the folder of the run, whose name the row gets.
      settings: those that decide the phase's numbers, JSON values by name.
      metrics: as in the phase's metrics.json.
    """
    ended, phase = time.time(), metrics["phase"]
    shutil.rmtree(folder, ignore_errors=True)
    try:
        writer = tf.summary.create_file_writer(str(folder))
        with writer.as_default(step=metrics["step"]):
            hp.hparams(
                _columns(settings, phase),
                # Its start alone is shown; the end keeps runs of the same name and settings from sharing a row.
                trial_id=f"{run.name} {phase} ({run.parent})",
                start_time_secs=ended - metrics["seconds"],
            )
            for name in METRICS:
                if metrics.get(name) is not None:  # without a validation split; a phase begun by an earlier version
                    tf.summary.scalar(name, metrics[name])
            end = sessions.session_end_pb(api_pb2.STATUS_SUCCESS, end_time_secs=ended)
            tf.summary.experimental.write_raw_pb(end.SerializeToString(), step=metrics["step"])
        writer.close()
    except tf.errors.OpError as error:
        log.warning(f"warning: TensorBoard's HParams table lacks {phase}: {error.message.splitlines()[0]}")


def _columns(settings: Mapping[str, Any], phase: str) -> dict[str, bool | float | str]:
    """The settings as values that the table knows, without those that are not set."""
    values = {name: value for name, value in settings.items() if value is not None}
    return {"phase": phase, **{name: _plain(value) for name, value in values.items()}}


def _plain(value: Any) -> bool | float | str:
    if isinstance(value, bool | int | float | str):
        return value
    return ",".join(map(str, value)) if isinstance(value, list) else json.dumps(value, sort_keys=True)
