"""TensorBoard's files at a restart, and where they cannot be written."""

import os

from tests.tools.kills import tensorboard_points
from trainers.training.tensorboard import TensorBoardWriter, cut_back_event_files


def _log(board, step):
    logs = dict.fromkeys(("loss", "accuracy", "learning_rate", "images_per_second", "input_wait_fraction"), 0.5)
    board.on_train_batch_end(0, {**logs, "step": step})


def _steps(folder):
    return sorted(step for tag, step, _ in tensorboard_points(folder / "train") if tag == "steps/loss")


def test_points_after_the_checkpoint_go_and_come_again_once(tmp_path):
    board = TensorBoardWriter(tmp_path, recorded={})
    assert board.is_new
    _log(board, 2)
    recorded = board.flushed_sizes()
    for step in (4, 6):
        _log(board, step)
    board.close()
    assert _steps(tmp_path) == [2, 4, 6]
    again = TensorBoardWriter(tmp_path, recorded=recorded)
    assert not again.is_new
    for step in (4, 6, 8):
        _log(again, step)
    again.close()
    assert _steps(tmp_path) == [2, 4, 6, 8]


def test_without_a_checkpoint_every_point_goes(tmp_path):
    board = TensorBoardWriter(tmp_path, recorded={})
    _log(board, 2)
    board.close()
    (tmp_path / "train/events.out.tfevents.1.profile-empty").touch()  # the profiler's sign, no points
    assert not cut_back_event_files(tmp_path, {})
    assert [path.name for path in (tmp_path / "train").iterdir()] == ["events.out.tfevents.1.profile-empty"]


def test_a_file_shorter_than_recorded_is_left_as_it_is(tmp_path):
    path = tmp_path / "train/events.out.tfevents.1"
    path.parent.mkdir()
    path.write_bytes(b"short")
    assert cut_back_event_files(tmp_path, {"train/events.out.tfevents.1": 100})
    assert os.path.getsize(path) == 5


def test_a_folder_that_cannot_be_written_ends_tensorboard_with_one_warning(tmp_path, capfd):
    (tmp_path / "train").write_text("a file in the place of the folder")
    board = TensorBoardWriter(tmp_path, recorded={})
    for step in (2, 4):
        _log(board, step)
        assert board.flushed_sizes() is None
    board.close()
    assert capfd.readouterr().out.count("warning: TensorBoard gets no further points") == 1
