"""Two runs in one model_dir."""

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from tests.configs import make_config
from trainers import experiment
from trainers.rundir import lock

_HOLD = "import sys, time; from pathlib import Path; from trainers.rundir import lock\nwith "
_HOLD += "lock.only_writer(Path(sys.argv[1])):\n"


def _holder(root):
    """A process that holds the lock until it is killed."""
    command = [sys.executable, "-c", _HOLD + "    print('held', flush=True); time.sleep(60)", str(root)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_writer_is_refused_and_told_who_the_first_is(tmp_path, photo_folder):
    (tmp_path / "config.json").write_text('{"phases": {}}')
    with _holder(tmp_path) as process:
        who = f"is in use by process {process.pid} on {socket.gethostname()}: .* choose another --model_dir"
        config = dataclasses.replace(make_config(photo_folder, tmp_path), overwrite=True)
        with pytest.raises(ValueError, match=who):
            experiment.run(config)
        process.kill()
    assert (tmp_path / "config.json").exists()  # refused before --overwrite cleared anything


def test_a_lock_whose_holder_was_killed_is_taken_over(tmp_path, capsys):
    with _holder(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
    assert (tmp_path / "lock").exists()
    with lock.only_writer(tmp_path):
        assert json.loads((tmp_path / "lock").read_text()) == {"host": socket.gethostname(), "process": os.getpid()}
    assert f"left by process {process.pid}" in capsys.readouterr().out


def test_nothing_is_left_behind(tmp_path):
    with lock.only_writer(tmp_path / "new"):
        pass
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine.txt").touch()
    with lock.only_writer(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_second_writer_in_one_process_is_refused_too(tmp_path):
    with lock.only_writer(tmp_path), pytest.raises(ValueError, match="is in use"), lock.only_writer(tmp_path):
        pass
