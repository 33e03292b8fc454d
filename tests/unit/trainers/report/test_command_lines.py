"""The commands that a page shows: each can be copied into a shell."""

import shlex

import pytest

from tests.tools import finished_run
from trainers.report import command_lines
from trainers.report.run_files import RunFiles
from trainers.rundir.run_dir import RunDir


def run_of(root, command_line, **settings):
    finished_run.make_run(root, phases=("transfer",), **settings)
    run = RunFiles.read(RunDir(root))
    return RunFiles(**{**vars(run), "record": {**run.record, "command_line": command_line}})


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["--image_dir=photos", "--phase=all", "--model_dir=x", "--overwrite"], ["--image_dir=/data/my photos"]),
        (["--image_dir", "photos", "--model_dir", "x"], ["--image_dir=/data/my photos"]),
        (["-group_pattern=-(\\d+)-", "--nooverwrite", "--noaugment"], ["--group_pattern=-(\\d+)-", "--noaugment"]),
        (["--augment", "--folds=groups"], ["--augment", "--folds=groups"]),
    ],
)
def test_the_flags_of_the_run_are_given_again(given, kept, tmp_path):
    run = run_of(tmp_path / "run", ["main.py", *given], image_dir="/data/my photos")
    words = shlex.split(command_lines.again(run, "check"))
    assert words[:3] == ["python", "-m", "trainers.main"]
    assert words[3:] == [*kept, f"--model_dir={tmp_path / 'run'}", "--phase=check"]


def test_a_run_from_python_names_its_images(tmp_path):
    run = run_of(tmp_path / "run", [], image_dir="/data")
    assert command_lines.started(run) is None
    assert "--image_dir=/data --backbone=" in command_lines.again(run, "check")


def test_values_are_quoted_and_names_are_not(tmp_path):
    run = run_of(tmp_path / "run", [])
    assert command_lines.line(run, "predict", "--images=photos/*.jpg").endswith(" --images='photos/*.jpg'")
