"""Who gets to an accuracy first, on a clock that the test winds."""

import pathlib

from benchmarks import time_to_accuracy
from benchmarks.harness.networks import Network, Task
from trainers.config import ModelConfig


class _Runner:
    """Takes `seconds` an epoch and scores the next of `accuracies`."""

    def __init__(self, name, log, seconds, accuracies):
        self.name, self.log, self.seconds, self.accuracies = name, log, seconds, iter(accuracies)

    def call(self, method, *arguments):
        self.log.append(f"{self.name} {' '.join([method, *arguments])}")
        if method == "epoch":
            self.log.now += self.seconds
            return next(self.accuracies)
        return None


class _Log(list):
    now = 0.0


def _race(slow, fast, *, epochs):
    log = _Log()
    workers = {"slow": _Runner("slow", log, 10.0, slow), "fast": _Runner("fast", log, 2.0, fast)}
    return log, time_to_accuracy.race(workers, epochs=epochs, wanted=0.8, clock=lambda: log.now)


def test_runners_take_turns_and_stop_once_they_are_there():
    log, runs = _race([0.5, 0.7, 0.9], [0.6, 0.85], epochs=2)
    assert log == [
        "slow prepare transfer",
        "fast prepare transfer",
        "slow epoch",
        "fast epoch",
        "slow epoch",
        "fast epoch",
        "slow prepare finetune",
        "slow epoch",
    ]
    assert runs["slow"] == time_to_accuracy.Run(seconds=30.0, accuracy=0.9, epochs=3)
    assert runs["fast"] == time_to_accuracy.Run(seconds=4.0, accuracy=0.85, epochs=2)


def test_the_accuracy_of_the_first_is_what_it_ends_with_and_counts_from_when_it_had_it():
    log = _Log()
    workers = {
        "slow": _Runner("slow", log, 10.0, [0.5, 0.8, 0.9, 0.8]),
        "fast": _Runner("fast", log, 2.0, [0.7, 0.6, 0.75, 0.7, 0.8]),
    }
    runs, wanted = time_to_accuracy.chase(workers, epochs=4, clock=lambda: log.now)
    assert wanted == 0.8
    assert runs["slow"] == time_to_accuracy.Run(seconds=20.0, accuracy=0.8, epochs=2)
    assert runs["fast"] == time_to_accuracy.Run(seconds=10.0, accuracy=0.8, epochs=5)
    assert not any("finetune" in line for line in log)


def test_times_are_compared_only_between_those_who_got_there():
    network = Network("net", ModelConfig("MobileNetV2", weights="none"), 32, ("all",), batch_size=10)
    task = Task(network, pathlib.Path("nowhere"), {})
    _, runs = _race([0.5, 0.9], [0.6, 0.8], epochs=1)
    slow, fast = time_to_accuracy.rows(runs, task, images=105, wanted=0.8)
    assert (slow["times_sooner"], fast["times_sooner"]) == (1.0, 5.0)
    assert fast["images_per_second"]["median"] == 2 * 100 / 4.0
    _, runs = _race([0.5, 0.6], [0.6, 0.8], epochs=1)
    slow, fast = time_to_accuracy.rows(runs, task, images=105, wanted=0.8)
    assert "times_sooner" not in slow | fast
