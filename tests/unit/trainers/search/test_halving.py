"""What a search does next, trials aside: real state and clock, results made up."""

import pytest

from ftdata.errors import UserError
from trainers.config import TrainConfig
from trainers.runtime.signals import StopRequest
from trainers.search import halving, trial_process
from trainers.search.clock import Clock
from trainers.search.state import State
from trainers.search.trials import Trials

_NETWORKS = [{"backbone": "vgg_nano", "backbone_args": None, "weights": "objects"}]
_RECIPES = {name: {"finetune_learning_rate": rate} for name, rate in (("A", 1e-4), ("B", 2e-4), ("C", 3e-4))}
_SPEED = {"images": 400, "folds": 4, "test_images": 10, "forward_s": 0.001, "step_s": 0.002, "setup_s": 1.0}
_GROUPS = ("w", "x", "y", "z")
# of each recipe the scores after two folds, and those after four, where another epoch is the best
_SCORES = {
    "A": ((0.9, 0.9), (0.6, 0.6, 0.9, 0.9)),
    "B": ((0.8, 0.8), (0.8, 0.8, 0.8, 0.8)),
    "C": ((0.7, 0.7), (0.7,) * 4),
}


def _data(contents):
    split = {"images": 5, "names": "n", "labels": "l", "contents": contents}
    return {"data_set": None, "class_names": ["a"], "train": split, "validation": split, "test": split}


class _Killed(BaseException):
    pass


class _Runner:
    """Stands for the processes: answers at once, and keeps what was asked."""

    def __init__(self, kill_at=None, fail=()):
        self.asked, self._kill_at, self._fail, self.data = [], kill_at, set(fail), _data("c")

    def __call__(self, folder, request, *, stop):
        name = folder.name.removeprefix("vgg_nano-")
        if (name, request["folds"]) == self._kill_at:
            raise _Killed
        if name in self._fail:
            raise trial_process.TrialFailed("killed by SIGKILL, as when memory runs out")
        self.asked.append((name, request["folds"]))
        if request["job"] == "speed":
            return {"speed": _SPEED, "settled": {"image_size": 96}, "data": self.data}
        scores = (0.5,) * 4 if request["job"] == "estimate" else _SCORES[name][request["folds"] // 2 - 1]
        found = {"scores": dict(zip(_GROUPS, scores, strict=False)), "folds": len(scores), "data": self.data}
        return {**found, "metrics": {"validation_accuracy": sum(scores) / len(scores)}, "candidates": {}}


def _search(folder, runner, monkeypatch):
    monkeypatch.setattr(trial_process, "run", runner)
    folder.mkdir(exist_ok=True)
    from trainers.rundir.run_dir import RunDir

    state, clock = State(folder / "search.json", {"seed": 0}), Clock(folder / "search_seconds.json")
    trials = Trials(TrainConfig(), 600.0, RunDir(folder), state, clock, StopRequest())
    return halving.run(trials, _NETWORKS, [_RECIPES]), trials


def test_the_better_half_trains_more_folds(tmp_path, monkeypatch):
    runner = _Runner()
    found, trials = _search(tmp_path / "run", runner, monkeypatch)
    assert runner.asked == [("speed", 0), ("head-alone", 0), ("A", 2), ("B", 2), ("C", 2), ("A", 4), ("B", 4)]
    assert [result.name for result in found] == ["vgg_nano, head alone", "vgg_nano, A", "vgg_nano, B"]
    assert trials.config(halving.planned(trials.state.get("schedule"))[0]).data.image_size == 96  # as settled


def test_killed_in_a_later_level_the_same_ones_are_in_it(tmp_path, monkeypatch):
    """A has other scores on the first folds after its second level: C would be better now."""
    with pytest.raises(_Killed):
        _search(tmp_path / "run", _Runner(kill_at=("B", 4)), monkeypatch)
    runner = _Runner()
    found, _ = _search(tmp_path / "run", runner, monkeypatch)
    assert runner.asked == [("B", 4)]
    assert [result.name for result in found] == ["vgg_nano, head alone", "vgg_nano, A", "vgg_nano, B"]


def test_what_fails_is_left_out_tried_once_more_and_then_out(tmp_path, monkeypatch):
    runner = _Runner(fail=["B"])
    found, trials = _search(tmp_path / "run", runner, monkeypatch)
    assert ("C", 4) in runner.asked
    assert [result.name for result in found] == ["vgg_nano, head alone", "vgg_nano, A", "vgg_nano, C"] or len(
        found
    ) == 3
    assert trials.state.failure("vgg_nano, B").startswith("killed by SIGKILL")


def test_images_that_change_while_a_search_is_stopped_are_named(tmp_path, monkeypatch):
    with pytest.raises(_Killed):
        _search(tmp_path / "run", _Runner(kill_at=("B", 2)), monkeypatch)
    runner = _Runner()
    runner.data = _data("other")
    with pytest.raises(UserError, match="training images: the same file names, but other contents"):
        _search(tmp_path / "run", runner, monkeypatch)


def test_where_nothing_comes_to_an_end_the_reason_is_said(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="no trial came to an end, the last one because killed by .*--overwrite"):
        _search(tmp_path / "run", _Runner(fail=["speed"]), monkeypatch)
    found, _ = _search(tmp_path / "run", _Runner(), monkeypatch)  # once more
    assert len(found) == 3
