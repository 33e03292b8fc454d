"""argv -> config -> command_line. `python -m trainers.main --phase=finetune`"""

import os
import sys

from flags import train
from ftdata import stderr
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
    output.continues = config.writes_files
    os.environ["KERAS_BACKEND"] = "tensorflow"
    try:
        with signals.on_signals() as stop:
            with stderr.quiet_import():  # only now: it takes seconds
                from trainers import command_line
            return command_line.run(config, given=given, command_line=argv, stop=stop)
    except signals.Interrupted as signal:
        print(f"stopped by {signal}; {config.after_a_stop}", file=sys.stderr)
        return signal.exit_status


if __name__ == "__main__":
    sys.exit(main(sys.argv))
