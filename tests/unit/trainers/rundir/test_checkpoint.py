"""Checkpoints: atomic, verified, and the same values back."""

import os

import numpy as np
import pytest
import tensorflow as tf

from trainers.rundir import checkpoint


def _groups(value):
    return {"weights": [tf.Variable([value, 2.0]), tf.Variable(7, dtype=tf.int64)], "optimizer": [tf.Variable(value)]}


def _saved(folder, steps):
    for step in steps:
        arrays = checkpoint.copied(_groups(float(step)))
        checkpoint.save(folder, step=step, arrays=arrays, state={"step": step, "loss": 0.1 + 0.2})


def test_values_and_state_come_back_bit_for_bit(tmp_path):
    _saved(tmp_path, [3])
    groups = _groups(0.0)
    state = checkpoint.restore(checkpoint.latest(tmp_path), groups=groups)
    assert state == {"step": 3, "loss": 0.30000000000000004}
    assert groups["weights"][0].numpy().tolist() == [3.0, 2.0]


def test_the_newest_two_are_kept(tmp_path):
    _saved(tmp_path, [1, 2, 10])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000000002", "step-000000010"]


@pytest.mark.parametrize("name", ["variables.npz", "state.json", "manifest.json"])
def test_a_damaged_checkpoint_is_reported_and_the_one_before_is_used(tmp_path, capsys, name):
    _saved(tmp_path, [1, 2])
    damaged = tmp_path / "step-000000002" / name
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    assert checkpoint.latest(tmp_path).name == "step-000000001"
    assert "step-000000002 is damaged" in capsys.readouterr().out


def test_a_half_written_checkpoint_is_not_seen(tmp_path):
    _saved(tmp_path, [1])
    unfinished = tmp_path / ".tmp-77-step-000000002"
    unfinished.mkdir()
    (unfinished / "variables.npz").write_bytes(b"PK")
    assert checkpoint.latest(tmp_path).name == "step-000000001"


def test_half_a_checkpoint_under_its_own_name_is_reported(tmp_path, capsys):
    _saved(tmp_path, [1, 2])
    variables = tmp_path / "step-000000002" / "variables.npz"
    os.truncate(variables, variables.stat().st_size // 2)
    assert checkpoint.latest(tmp_path).name == "step-000000001"
    (tmp_path / "step-000000001" / "state.json").unlink()
    assert checkpoint.latest(tmp_path) is None
    assert "is whole: starting the phase over" in capsys.readouterr().out


def test_checkpoints_of_later_steps_go_when_an_earlier_one_was_gone_on_from(tmp_path):
    _saved(tmp_path, [1, 2, 10, 5])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000000002", "step-000000005"]


def test_the_best_model_is_part_of_each_checkpoint(tmp_path):
    best = tmp_path / ".tmp-best.keras"
    best.write_bytes(b"the best")
    for step in (1, 2, 2):  # the second time in place of itself
        path = checkpoint.save(tmp_path / "saved", step=step, arrays={}, state={}, best=best)
        best = checkpoint.best_model(path)
    assert best.read_bytes() == b"the best"
    best.write_bytes(b"the bets")
    assert checkpoint.latest(tmp_path / "saved") is None  # one file, linked: both are damaged


def test_no_checkpoint(tmp_path):
    assert checkpoint.latest(tmp_path / "nowhere") is None


def test_variables_of_another_model_are_refused(tmp_path):
    _saved(tmp_path, [1])
    with pytest.raises(ValueError, match="holds 3 variables, the model 1"):
        checkpoint.restore(checkpoint.latest(tmp_path), groups={"weights": [tf.Variable(1.0)]})


def test_weights_sha256_is_over_float32_bytes_in_order():
    # printf '\\0\\0\\200\\077\\0\\0\\0\\100' | sha256sum
    expected = "b9c80b5adeca450753a16950c3cc655d271f7bef7a485bc83f112b72fef21d37"
    assert checkpoint.weights_sha256([tf.Variable(1.0), tf.Variable(2.0)]) == expected


def test_a_kept_checkpoint_stays_whole_when_the_others_go(tmp_path):
    folder, kept = tmp_path / "checkpoints", tmp_path / "kept"
    _saved(folder, [1])
    checkpoint.keep(checkpoint.path_of(folder, 1), kept)
    _saved(folder, [2, 3, 4])
    assert not checkpoint.path_of(folder, 1).exists()
    arrays, state = checkpoint.read(checkpoint.path_of(kept, 1))
    assert state["step"] == 1
    assert checkpoint.group_digests(arrays) == checkpoint.group_digests(checkpoint.copied(_groups(1.0)))
    checkpoint.discard_beyond(kept, 0)
    assert list(kept.iterdir()) == []


def test_the_digest_of_a_group_tells_of_each_value_and_shape():
    one, other = checkpoint.copied(_groups(1.0)), checkpoint.copied(_groups(1.0))
    other["weights/00000"][0] = np.nextafter(np.float32(1), np.float32(2))
    digests = [checkpoint.group_digests(arrays) for arrays in (one, other)]
    assert digests[0]["weights"] != digests[1]["weights"]
    assert digests[0]["optimizer"] == digests[1]["optimizer"]
    reshaped = {**one, "weights/00000": one["weights/00000"][:, None]}
    assert checkpoint.group_digests(reshaped)["weights"] != digests[0]["weights"]
