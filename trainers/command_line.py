"""A run from the command line: what the user can mend said in a paragraph, and an exit status."""

import os
import sys
import traceback
from collections.abc import Collection, Sequence
from pathlib import Path

import tensorflow as tf

from ftdata import bad_images
from trainers import experiment
from trainers.config import TrainConfig, without_effect
from trainers.interrupt import StopRequest
from trainers.streams import OutputLost


def run(
    config: TrainConfig, *, given: Collection[str], command_line: Sequence[str], stop: StopRequest | None = None
) -> int:
    """`experiment.run`; returns the exit status."""
    for name, reason in without_effect(config, set(given)).items():
        print(f"note: --{name} has no effect: {reason}", flush=True)
    try:
        experiment.run(config, command_line=command_line, stop=stop)
    except OutputLost:
        raise
    except (ValueError, OSError) as error:
        if not isinstance(error, OSError) and not _is_ours(error):
            raise
        print(f"error: {_in_words(error)}", file=sys.stderr)
        return 1
    except tf.errors.ResourceExhaustedError:
        half = max(1, config.training.batch_size // 2)
        print(
            f"error: out of memory at --batch_size={config.training.batch_size}: try --batch_size={half}",
            file=sys.stderr,
        )
        return 1
    except tf.errors.OpError as error:
        message = bad_images.in_the_input(error)
        if message is None:
            raise
        print(f"error: {message}", file=sys.stderr)
        return 1
    return 0


def _in_words(error: Exception) -> str:
    """`Permission denied: runs/mine` instead of `[Errno 13] Permission denied: 'runs/mine'`."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    return f"{error.strerror}: {os.fsdecode(error.filename)}" if error.filename else error.strerror


def _is_ours(error: BaseException) -> bool:
    """Whether the project itself raised the error, so that its message is meant for the user."""
    raised_in = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
    root = Path(__file__).parent.parent
    return any(raised_in.is_relative_to(root / package) for package in ("ftdata", "trainers"))
