"""argv -> config -> command_line. `python -m trainers.main --phase=finetune`"""

import contextlib
import os
import sys
import time
from collections.abc import Collection

from flags import train
from ftdata import stderr
from ftdata.errors import UserError, with_dashes
from ftdata.log import log, on_stderr
from trainers.config import TrainConfig, settings
from trainers.rundir import adopted, stopped
from trainers.runtime import signals, streams


def main(argv: list[str]) -> int:
    """Runs the command line; returns the exit status."""
    return streams.run(lambda output: _main(argv, output))


def _main(argv: list[str], output: streams.Output) -> int:
    try:
        config, given = train.parse(argv)
    except train.HelpRequested as text:
        print(text)
        return 0
    except train.FlagError as error:
        print(error, file=sys.stderr)
        return 2
    output.continues, began = config.writes_files, time.time()
    os.environ["KERAS_BACKEND"] = "tensorflow"
    try:
        with signals.on_signals() as stop:
            begun = _begun(config, given)
            if begun is None:
                return 1
            with stderr.quiet_import():  # only now: it takes seconds
                from trainers import command_line
            return command_line.run(begun, given=given, command_line=argv, stop=stop)
    except signals.Interrupted as signal:
        print(f"stopped by {signal}; {stopped.in_words(config, since=began)}", file=sys.stderr)
        return signal.exit_status


def _begun(config: TrainConfig, given: Collection[str]) -> TrainConfig | None:
    """The configuration of a run that may begin; None once it is said why it may not."""
    from trainers import refusals  # numpy, which --help does without

    try:
        with on_stderr() if config.phase == "predict" else contextlib.nullcontext():
            config, note = adopted.settings_of_run(config, given)
            if note:
                log.info(f"note: {note}")
            refusals.refuse(config)
    except UserError as error:
        print(f"error: {with_dashes(str(error), [field.name for field, _ in settings(config)])}", file=sys.stderr)
        return None
    return config


if __name__ == "__main__":
    sys.exit(main(sys.argv))
