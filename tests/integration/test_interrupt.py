"""SIGTERM and SIGINT: at a safe point, at once when asked twice, and nothing lost."""

import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import keras
import pytest

from tests import ROOT
from tests.configs import make_config
from trainers import experiment
from trainers.rundir import checkpoint
from trainers.runtime import signals

_BUSY = """
import sys, time
from trainers.runtime import signals
try:
    with signals.on_signals() as stop, stop.deferred():
        print("busy", flush=True)
        until = time.monotonic() + float(sys.argv[1])
        while time.monotonic() < until:
            pass
except signals.Interrupted as signal:
    print("heard", signal, flush=True)
    sys.exit(signal.exit_status)
"""


def _busy(seconds):
    """A process that has no safe point for so long."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", _BUSY, str(seconds)], text=True, cwd=ROOT, **pipes)
    assert process.stdout.readline() == "busy\n"
    return process


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_waits_for_a_safe_point(number, status):
    with _busy(0.5) as process:
        process.send_signal(number)
        said, complaint = process.communicate()
    assert (process.returncode, said) == (status, f"heard {number.name}\n")
    assert f"{number.name}: stopping at the next safe point" in complaint


def test_a_second_signal_ends_the_process_at_once():
    with _busy(60) as process:
        process.send_signal(signal.SIGINT)
        assert "stopping" in process.stderr.readline() + process.stderr.readline()  # heard, so that they do not merge
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 143


def test_handlers_are_put_back_and_an_ignored_signal_stays_ignored():
    mine = signal.signal(signal.SIGTERM, lambda *_: None)
    earlier = signal.getsignal(signal.SIGTERM)
    python = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with signals.on_signals():
            os.kill(os.getpid(), signal.SIGINT)
            with pytest.raises(signals.Interrupted, match="SIGTERM"):
                os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is earlier
        assert signal.set_wakeup_fd(-1) == -1
    finally:
        signal.signal(signal.SIGTERM, mine)
        signal.signal(signal.SIGINT, python)


def _stopped_after(step, config):
    """Trains until a signal comes in this step."""
    stop = signals.StopRequest()
    counted = []

    def ask(batch, logs):
        counted.append(batch)
        if len(counted) == step:
            stop.receive(signal.SIGTERM)

    with pytest.raises(signals.Interrupted):
        experiment.run(config, callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=ask)], stop=stop)


def _flip_a_byte_of_the_newest(checkpoints):
    path = sorted(checkpoints.iterdir())[-1] / "variables.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("stopped_after", "resumes_at"),
    [
        (6, 6),  # the last step of the last epoch, so in validation
        pytest.param(5, 4, marks=pytest.mark.slow),  # where the checkpoint of step 5 is damaged
    ],
)
def test_an_interrupted_run_goes_on_to_the_same_model(
    run_alone, photo_folder, tmp_path, capsys, stopped_after, resumes_at
):
    model_dir = tmp_path / "run"
    config = make_config(photo_folder, model_dir)
    config = dataclasses.replace(
        config,
        phase="transfer",
        data=dataclasses.replace(config.data, cache="disk", data_dir=str(tmp_path / "data")),  # the other had memory
        runtime=dataclasses.replace(config.runtime, checkpoint_every_steps=1),
    )
    _stopped_after(stopped_after, config)
    assert f"saved at step {stopped_after} of 6" in capsys.readouterr().out
    if resumes_at < stopped_after:
        _flip_a_byte_of_the_newest(model_dir / "transfer/checkpoints")
    metrics = experiment.run(config)["transfer"]
    said = capsys.readouterr().out
    assert f"resuming from step {resumes_at} of 6" in said
    assert ("step-000000005 is damaged (variables.npz)" in said) == (resumes_at < stopped_after)
    for name in ("weights_sha256", "loss", "accuracy", "validation_loss", "test_loss", "epoch", "step"):
        assert metrics[name] == run_alone.results["transfer"][name], name
    assert not list(model_dir.rglob(".tmp-*"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "has_come"),
    [
        (("--phase=evaluate", "--image_dir={photos}"), "best.keras on "),
        (("--phase=predict", "--images={photos}"), "best.keras on "),
        (("--phase=export", "--export_formats=keras,litert"), "model.keras (call)"),
    ],
    ids=["evaluate", "predict", "export"],
)
def test_a_signal_while_a_model_is_used(arguments, has_come, trained_run, photo_folder, tmp_path):
    model_dir, log = shutil.copytree(trained_run, tmp_path / "run"), tmp_path / "log.txt"
    before = {path: path.read_bytes() for path in model_dir.rglob("*") if path.is_file()}
    given = [argument.format(photos=photo_folder) for argument in arguments]
    command = [sys.executable, "-m", "trainers.main", f"--model_dir={model_dir}", *given]
    with (
        log.open("w") as stream,
        subprocess.Popen(command, cwd=ROOT, stdout=stream, stderr=stream) as process,
    ):
        while has_come not in log.read_text():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
    phase = arguments[0].removeprefix("--phase=")
    last = log.read_text().splitlines()[-1]
    assert last.startswith(f"stopped by SIGINT; --phase={phase} starts over when it is given again")
    assert "Traceback" not in log.read_text()
    assert not list(tmp_path.rglob(".tmp-*"))
    assert {path: path.read_bytes() for path in before} == before
    if phase == "export":
        keras.saving.load_model(model_dir / "export/model.keras")


@pytest.mark.parametrize(
    ("number", "status", "moment"),
    [
        (signal.SIGINT, 130, "loads"),
        (signal.SIGTERM, 143, "trains"),
    ],
)
@pytest.mark.slow  # the handler in a small process and the run in this one: above
def test_a_signal_to_the_command_line(number, status, moment, photo_folder, tmp_path):
    arguments = ("--preset=demo", "--image_size=32", "--batch_size=16", "--transfer_epochs=900", "--log_every_steps=1")
    arguments += ("--augment=false", "--tensorboard=false")  # cheaper
    model_dir, log = tmp_path / "run", tmp_path / "log.txt"
    command = [sys.executable, "-m", "trainers.main", f"--image_dir={photo_folder}", f"--model_dir={model_dir}"]
    has_come = {
        "loads": lambda: (model_dir / "lock").exists(),
        "trains": lambda: "transfer epoch   1/900" in log.read_text(),
    }[moment]
    with (
        log.open("w") as stream,
        subprocess.Popen([*command, *arguments], cwd=ROOT, stdout=stream, stderr=stream) as process,
    ):
        while not has_come():
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)
        assert process.wait(timeout=60) == status
    said = log.read_text()
    becomes = {
        "loads": "it had not come to its first checkpoint, so the same command starts from the beginning",
        "trains": "the same command resumes from the last checkpoint",
    }[moment]
    assert said.endswith(f"stopped by {number.name}; {becomes}\n")
    assert "Traceback" not in said
    if moment == "trains":
        saved = re.search(r"saved at step (\d+) of", said)
        assert checkpoint.latest(model_dir / "transfer/checkpoints").name == f"step-{int(saved.group(1)):09d}"
        page = (model_dir / "report.html").read_text(encoding="utf-8")
        assert re.search(
            r"Not finished: transfer has done [1-9]\d* of 900 epochs; it is still running, or it was stopped", page
        )
        assert "Not finished: finetune has not begun" in page
