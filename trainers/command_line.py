"""A run from the command line: what the user can fix said in a paragraph, and an exit status."""

import contextlib
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

import tensorflow as tf

from ftdata.decoding.errors import input_error
from ftdata.errors import UserError, in_words, with_dashes
from ftdata.log import log, on_stderr
from trainers import experiment
from trainers.config import TRAINING_PHASES, TrainConfig, sequence, settings, without_effect
from trainers.rundir import bound
from trainers.rundir.run_dir import RunDir
from trainers.runtime.signals import StopRequest
from trainers.runtime.streams import OutputLost


def run(
    config: TrainConfig, *, given: Collection[str], command_line: Sequence[str], stop: StopRequest | None = None
) -> int:
    """`experiment.run`; returns the exit status."""
    answers = config.phase == "predict"  # which standard output is for
    try:
        with on_stderr() if answers else contextlib.nullcontext():
            for name, reason in without_effect(config, set(given)).items():
                log.info(f"note: --{name} has no effect: {reason}")
            experiment.run(config, command_line=command_line, given=given, stop=stop)
    except OutputLost:
        raise
    except UserError as error:
        print(f"error: {with_dashes(str(error), [field.name for field, _ in settings(config)])}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {in_words(error)}", file=sys.stderr)
        return 1
    except tf.errors.ResourceExhaustedError:
        print(f"error: {_out_of_memory(config)}", file=sys.stderr)
        return 1
    except tf.errors.OpError as error:
        message = input_error(error)
        if message is None:
            raise
        print(f"error: {message}", file=sys.stderr)
        return 1
    return 0


def _out_of_memory(config: TrainConfig) -> str:
    size = config.training.batch_size
    advice = f"out of memory at --batch_size={size}: try --batch_size={max(1, size // 2)}"
    if config.phase not in TRAINING_PHASES:
        return advice
    run_dir = RunDir(Path(config.model_dir).expanduser())
    last = "finetune" if config.phase == "all" else config.phase
    begun = [phase.name for phase in sequence(last) if run_dir.phase(phase.name).is_begun]
    if begun and not run_dir.phase(begun[-1]).metrics.is_file():
        advice += f", {bound.way_to_change(begun[-1], run_dir)}"
    return advice
