"""Messages as a command line says them: settings are flags there, and nothing else becomes one."""

import subprocess
import sys

import pytest

from ftdata.errors import in_words, with_dashes
from tests import ROOT
from trainers.config import TrainConfig, settings

_NAMES = [field.name for field, _ in settings(TrainConfig())]


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        ("group_pattern must match", "--group_pattern must match"),
        ("folds=groups needs group_pattern, which", "--folds=groups needs --group_pattern, which"),
        ("with mixup_alpha, cutmix_alpha or hue", "with --mixup_alpha, --cutmix_alpha or hue"),
        ("times gradient_accumulation_steps=4, got", "times --gradient_accumulation_steps=4, got"),
        ("model=imagenet needs --weights=FILE", "--model=imagenet needs --weights=FILE"),
        ("monitor=map is for task=multi", "--monitor=map is for --task=multi"),
        ("dataset voc: no such", "--dataset voc: no such"),
        ("other data:\n  batch_size: was 3\n", "other data:\n  --batch_size: was 3\n"),
    ],
)
def test_settings_are_flags(raised, said):
    assert with_dashes(raised, _NAMES) == said


@pytest.mark.parametrize(
    "text",
    [
        "images of cats are too few",
        "got 'data_dir/*.tar' and /x/image_dir/y.jpg and runs/model_dir",
        "--deterministic cannot be had, see --batch_size=3",
        "a seed of the model, in batches",
        "file image_size.txt, labels_csv.bak",
    ],
)
def test_what_is_no_setting_stays(text):
    assert with_dashes(text, _NAMES) == text


def test_every_command_says_flags(tmp_path):
    """Those that end before TensorFlow is loaded, as real processes: one refuses values, one the command line."""
    for module, arguments, said in (
        ("trainers.main", ("--monitor=map", "--image_dir=x"), "--monitor=map is for --task=multi"),
        ("trainers.main", ("--folds=groups", "--image_dir=x"), "--folds=groups needs --group_pattern"),
        ("ftdata.pack", ("--format=tar",), "--format must be one of"),
    ):
        command = [sys.executable, "-m", module, *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert done.stderr.startswith(said)
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "Permission denied", "runs/mine"), "Permission denied: runs/mine"),
        (ConnectionResetError(104, "Connection reset by peer"), "Connection reset by peer"),
        (OSError("the connection ended"), "the connection ended"),
    ],
)
def test_an_error_of_the_system_is_said_without_its_number(error, said):
    assert in_words(error) == said
