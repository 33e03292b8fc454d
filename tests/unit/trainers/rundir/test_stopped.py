"""What is said of a run that was stopped is what its folder holds."""

import os

import pytest

from trainers.config import TrainConfig
from trainers.rundir import stopped

BEGAN = 1_000_000.0


def _begin(root, at):
    (root / "transfer/checkpoints/step-000000001").mkdir(parents=True)
    (root / "config.json").write_text("{}")
    os.utime(root / "config.json", (at, at))


@pytest.mark.parametrize("overwrite", [False, True])
def test_without_a_checkpoint_none_is_promised(tmp_path, overwrite):
    config = TrainConfig(model_dir=str(tmp_path), overwrite=overwrite)
    assert stopped.in_words(config, since=BEGAN) == (
        "it had not come to its first checkpoint, so the same command starts from the beginning"
    )


@pytest.mark.parametrize(
    ("overwrite", "written_at", "expected"),
    [
        (False, BEGAN - 9, "the same command resumes from the last checkpoint"),
        (True, BEGAN + 9, "the same command without --overwrite resumes from the last checkpoint"),
        (True, BEGAN - 9, "nothing was deleted yet: {root} still holds the run from before"),
    ],
)
def test_a_checkpoint_is_named_where_it_is_that_of_this_run(tmp_path, overwrite, written_at, expected):
    _begin(tmp_path, written_at)
    config = TrainConfig(model_dir=str(tmp_path), overwrite=overwrite)
    assert stopped.in_words(config, since=BEGAN) == expected.format(root=tmp_path)


def test_a_search_names_its_trials(tmp_path):
    (tmp_path / "search.json").write_text("{}")
    assert stopped.in_words(TrainConfig(model_dir=str(tmp_path)), since=BEGAN) == (
        "the same command resumes the search: its finished trials are kept"
    )


@pytest.mark.parametrize("phase", ["evaluate", "export", "report", "verify", "find_learning_rate", "check"])
def test_what_does_not_train_has_no_checkpoint(tmp_path, phase):
    said = stopped.in_words(TrainConfig(phase=phase, model_dir=str(tmp_path)), since=BEGAN)
    assert said.startswith(f"--phase={phase} starts over when it is given again")
