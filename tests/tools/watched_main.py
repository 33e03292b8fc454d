"""trainers.main for the sweep of kills: on several logical devices, and with a file that is there while it validates.

python -m tests.tools.watched_main LOGICAL_DEVICES VALIDATING_FILE [flags of trainers.main]
"""

import sys
from pathlib import Path

import tensorflow as tf

from trainers import main
from trainers.training.held_out import HeldOut


def _show_when_validating(marker: Path) -> None:
    evaluate = HeldOut.evaluate

    def shown(held_out, name):
        marker.touch()
        try:
            return evaluate(held_out, name)
        finally:
            marker.unlink()

    HeldOut.evaluate = shown


if __name__ == "__main__":
    devices = [tf.config.LogicalDeviceConfiguration()] * int(sys.argv[1])
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)
    _show_when_validating(Path(sys.argv[2]))
    sys.exit(main.main([sys.argv[0], *sys.argv[3:]]))
