"""What a search keeps: its clock, its state, its recipes and its table."""

import json
import time

import pytest

from ftdata.errors import UserError
from tests.tools import finished_run
from trainers.config import SearchConfig, TrainConfig, as_dict, from_dict
from trainers.search import recipes, table
from trainers.search.clock import Clock
from trainers.search.state import State


@pytest.mark.parametrize(
    ("text", "seconds"), [("20m", 1200), ("90s", 90), ("1h30m", 5400), ("2h", 7200), ("1h1m1s", 3661)]
)
def test_a_time(text, seconds):
    assert SearchConfig(text).seconds == seconds


@pytest.mark.parametrize("text", ["20", "m", "20 m", "1.5h", "30m1h", "-20m", "", "20min"])
def test_no_time(text):
    with pytest.raises(UserError, match="time_budget must be a time such as 20m, 1h30m or 90s, got "):
        SearchConfig(text)


def test_too_little_time():
    with pytest.raises(UserError, match="time_budget must be at least 60s, got 59s"):
        SearchConfig("59s")


def test_settings_there_and_back():
    config = from_dict(json.loads(json.dumps(as_dict(TrainConfig(seed=3)))))
    assert config == TrainConfig(seed=3)
    values = as_dict(config) | {"ema_decay": [0.9, 0.99], "backbone_args": {"alpha": 0.35}, "time_budget": "20m"}
    changed = from_dict(json.loads(json.dumps(values)))
    assert changed.training.ema_decay == (0.9, 0.99)
    assert changed.model.backbone_args == {"alpha": 0.35}
    assert changed.search.time_budget == "20m"


def test_time_in_which_nothing_lives_does_not_count(tmp_path):
    with Clock(tmp_path / "seconds.json").running():
        time.sleep(0.2)
    time.sleep(0.5)
    clock = Clock(tmp_path / "seconds.json")
    assert 0.2 <= clock.used < 0.5
    with clock.running():
        time.sleep(0.2)
        assert clock.used >= 0.4
    assert Clock(tmp_path / "seconds.json").used < 0.9


def test_a_clock_that_is_killed(tmp_path):
    path = tmp_path / "seconds.json"
    path.write_text("12.5")
    assert Clock(path).used == 12.5
    for damaged in ("", "null", "[]", "-3"):
        path.write_text(damaged)
        assert Clock(path).used == 0.0


def test_recipes_differ_and_what_is_given_is_kept():
    asked = as_dict(TrainConfig())
    found, *_, longer = recipes.variants((), asked)
    assert list(found) == list(longer) == list(recipes.RECIPES)
    assert {values["finetune_epochs"] for values in longer.values()} == {12}
    asked["finetune_learning_rate"], asked["finetune_epochs"] = 5e-5, 7
    (fewer,) = recipes.variants(("finetune_learning_rate", "finetune_epochs"), asked)
    assert {values["finetune_learning_rate"] for values in fewer.values()} == {5e-5}
    assert {values["finetune_epochs"] for values in fewer.values()} == {7}
    assert list(fewer) == ["colors", "rate 3e-4", "colors, any way up, rate 3e-4", "any way up", *list(fewer)[4:]]
    assert list(fewer)[4:] == ["colors, rate 1e-3, layer decay 0.8"]  # the others are like one before them
    assert all(name in as_dict(TrainConfig()) for values in found.values() for name in values)
    for values in found.values():
        from_dict({**asked, **values})  # valid
    still, *_ = recipes.variants((), as_dict(TrainConfig()) | {"augment": False})
    assert list(still) == ["colors", "rate 3e-4", "rate 1e-3", "colors, rate 1e-3, layer decay 0.8"]


def test_a_state_is_taken_up_and_compared(tmp_path):
    state = State(tmp_path / "search.json", {"batch_size": 32})
    state.put("networks", [1])
    state.fail("a", "killed")
    assert state.begin("job", 3.21) == 3.2
    again = State(tmp_path / "search.json", {"batch_size": 32})
    assert again.get("networks") == [1]
    assert again.begin("job", 99.0) == 3.2
    assert again.results("heads") == []
    assert again.may_be_tried("a")  # once more
    again.fail("a", "killed again")
    assert not again.may_be_tried("a")
    assert again.failure("a") == "killed again"
    with pytest.raises(UserError, match=r"holds a search with other settings or data:\n  batch_size: was 32, is 64\n"):
        State(tmp_path / "search.json", {"batch_size": 64})


@pytest.mark.parametrize("content", ["[1]", '{"networks": []}', '{"asked": 3}', "half"])
def test_a_state_that_is_damaged_is_one_line(content, tmp_path):
    (tmp_path / "search.json").write_text(content)
    with pytest.raises(UserError, match=r"search.json is damaged.*--overwrite$"):
        State(tmp_path / "search.json", {"batch_size": 32})


def test_the_table(tmp_path):
    names, state = finished_run.add_search(tmp_path), State(tmp_path / "search.json")
    lines = [line.split("  ") for line in table.lines(state)]
    found = {cells[0]: [cell.strip() for cell in cells[1:] if cell.strip()] for cells in lines}
    assert found["MobileNetV2 0.35, head alone"] == ["3/3", "60.0%", "-", "30 s"]
    assert found["VGG16, head alone"] == ["-", "-", "-", "-", "it would take 40.0 min"]
    assert found[names[0]] == ["3/3", "75.0%", "60.0% to 90.0%", "2.0 min", "chosen"]
    assert found[names[1]] == ["1/3", "40.0%", "-", "30 s", "stopped: others were better"]
    assert found[names[2]][-1] == "failed: killed by SIGKILL, as when memory runs out"
    assert "gives 73.8%, 1.2 points less" in table.lines(state)[-1]
