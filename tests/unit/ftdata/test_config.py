"""What the settings accept, what they say when they do not, and what reading them costs."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ftdata.config import AugmentConfig, DataConfig
from ftdata.settings import as_text, check_settings, item_type, setting, value_type
from tests import ROOT
from trainers.config import ModelConfig, RuntimeConfig, TrainConfig, TrainingConfig

NAN, INFINITY = float("nan"), float("inf")

REFUSED = [
    # bounds, each just outside, and both ends of one
    (DataConfig, {"validation_fraction": -0.001}, "from 0 to 0.9"),
    (DataConfig, {"validation_fraction": 0.901}, "from 0 to 0.9"),
    (DataConfig, {"image_size": 7}, "from 8 to 4096"),
    (DataConfig, {"image_size": 4097}, "from 8 to 4096"),
    (AugmentConfig, {"rotation_range": 360.5}, "from 0 to 360"),
    (AugmentConfig, {"width_shift_range": -0.1}, "from 0 to 1000000"),
    (AugmentConfig, {"random_erasing": 1.1}, "from 0 to 1"),
    (AugmentConfig, {"random_resized_crop": 0.0}, "from 0.01 to 1"),
    (AugmentConfig, {"mixup_alpha": -0.2}, "from 0 to 1000000"),
    (AugmentConfig, {"hue": 180.1}, "from 0 to 180"),
    (AugmentConfig, {"rand_augment": (2, 31)}, "from 0 to 30"),
    (TrainingConfig, {"batch_size": 0}, "from 1 to 65536"),
    (TrainingConfig, {"batch_size": 65537}, "from 1 to 65536"),
    (TrainingConfig, {"transfer_epochs": 100_001}, "from 1 to 100000"),
    (TrainConfig, {"seed": 2**31}, "from 0 to 2147483647"),
    # a bound holds for every number of a tuple
    (AugmentConfig, {"brightness_range": (-0.1, 1.0)}, "from 0 to 1000000"),
    (RuntimeConfig, {"profile_steps": (-1, 5)}, "from 0 to 1000000000"),
    # NaN compares false with every bound, and passes where there is none
    (DataConfig, {"validation_fraction": NAN}, "from 0 to 0.9"),
    (AugmentConfig, {"zoom_range": (0.9, NAN)}, "from 0 to 1000000"),
    (AugmentConfig, {"cval": NAN}, "from 0 to 255"),
    (AugmentConfig, {"width_shift_range": INFINITY}, "from 0 to 1000000"),
    (TrainingConfig, {"transfer_learning_rate": INFINITY}, "finite"),
    # types: Python counts True as 1, a setting does not
    (TrainingConfig, {"batch_size": True}, "of type int"),
    (DataConfig, {"validation_fraction": False}, "of type float"),
    (AugmentConfig, {"horizontal_flip": 1}, "of type bool"),
    (TrainingConfig, {"batch_size": 32.0}, "of type int"),
    (TrainingConfig, {"batch_size": "32"}, "of type int"),
    (DataConfig, {"image_dir": 3}, "of type str"),
    (DataConfig, {"validation_fraction": None}, "of type float"),
    # what ImageDataGenerator takes and a frozen tuple does not
    (AugmentConfig, {"zoom_range": 0.2}, "a tuple of float"),
    (AugmentConfig, {"zoom_range": [0.9, 1.2]}, "a tuple of float"),
    (AugmentConfig, {"brightness_range": ("dark", "light")}, "a tuple of float"),
    (TrainingConfig, {"unfreeze": "all"}, "a tuple of str"),  # a word is a sequence of letters too
    (RuntimeConfig, {"profile_steps": (1.5, 2.5)}, "a tuple of int"),
    # choices are named in full
    (DataConfig, {"resize": "squash"}, "one of stretch, crop, pad, got 'squash'"),
    (DataConfig, {"interpolation": "bicubic"}, "one of bilinear, nearest"),
    (DataConfig, {"cache": "ram"}, "one of auto, device, memory, disk, none"),
    (AugmentConfig, {"fill_mode": "mirror"}, "one of nearest, constant, reflect, wrap"),
    (TrainConfig, {"phase": "train"}, "one of pretrain, transfer, finetune"),
    # rules between settings
    (DataConfig, {"dataset": "cutlery", "image_dir": "photos"}, "not be given together with image_dir"),
    (DataConfig, {"dataset": "cutlery", "labels_csv": "a.csv"}, "not be given together"),
    (DataConfig, {"group_pattern": "(forky"}, "a regular expression, got '(forky'"),
    (AugmentConfig, {"zoom_range": (1.0,)}, "one number below 1"),
    (AugmentConfig, {"zoom_range": (0.9, 1.0, 1.1)}, "one number below 1, or low,high"),
    (AugmentConfig, {"zoom_range": ()}, "one number below 1, or low,high"),
    (AugmentConfig, {"zoom_range": (1.2, 0.9)}, "low <= high"),
    (AugmentConfig, {"zoom_range": (0.0, 1.0)}, "above 0"),
    (AugmentConfig, {"brightness_range": (1.0,)}, "low,high"),
    (AugmentConfig, {"rand_augment": (9,)}, "N,M with N from 1 on"),
    (AugmentConfig, {"rand_augment": (0, 9)}, "N,M with N from 1 on"),
    (AugmentConfig, {"brightness_range": (1.2, 0.8)}, "low <= high"),
    (ModelConfig, {"backbone_args": [1]}, "a JSON object"),
    (TrainingConfig, {"unfreeze": ()}, "layer-name prefixes or all"),
    (TrainingConfig, {"unfreeze": ("block4", "")}, "layer-name prefixes or all"),
    (RuntimeConfig, {"profile_steps": (5, 5)}, "START < STOP"),
    (RuntimeConfig, {"profile_steps": (5,)}, "START,STOP"),
]


@pytest.mark.parametrize(("kind", "settings", "rule"), REFUSED)
def test_bad_setting_is_refused_with_its_name_first(kind, settings, rule):
    with pytest.raises(ValueError, match=".") as caught:
        kind(**settings)
    message = str(caught.value)
    assert message.startswith(f"{next(iter(settings))} must ")
    assert rule in message
    assert "\n" not in message


def test_a_model_dir_that_is_the_folder_of_the_images_is_refused(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(ValueError, match="model_dir must not be image_dir itself, got .*: its figures would become"):
        TrainConfig(model_dir=f"{tmp_path}/", data=DataConfig(image_dir=str(tmp_path / "link")))


def test_pretraining_with_trained_weights_is_refused():
    with pytest.raises(ValueError, match="^weights must be none for the phase pretrain.*got 'imagenet'"):
        TrainConfig(phase="pretrain")
    assert TrainConfig(phase="pretrain", model=ModelConfig(weights="none")).phase == "pretrain"


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (DataConfig, {"validation_fraction": 0.0}),  # the bounds belong to what is allowed
        (DataConfig, {"validation_fraction": 0.9, "image_size": 8}),
        (DataConfig, {"image_size": 4096}),
        (DataConfig, {"image_size": None, "group_pattern": None}),
        (DataConfig, {"validation_fraction": 0}),  # a whole number is a number
        (DataConfig, {"labels_csv": "a.csv", "image_dir": "photos"}),  # the files of the CSV
        (AugmentConfig, {"zoom_range": (0.0,)}),
        (AugmentConfig, {"zoom_range": (1, 1)}),
        (AugmentConfig, {"brightness_range": (0.0, 0.0)}),
        (AugmentConfig, {"rotation_range": 360.0, "cval": 255.0}),
        (TrainConfig, {"seed": 2**31 - 1}),
        (RuntimeConfig, {"profile_steps": (0, 1)}),
        (ModelConfig, {"backbone_args": {"alpha": 0.35}}),
    ],
)
def test_setting_at_its_bounds_is_accepted(kind, settings):
    config = kind(**settings)
    assert {name: getattr(config, name) for name in settings} == settings


@pytest.mark.parametrize("kind", [DataConfig, AugmentConfig, ModelConfig, TrainingConfig, RuntimeConfig, TrainConfig])
def test_configs_are_frozen(kind):
    field = dataclasses.fields(kind)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(kind(), field, None)


def test_pairs_are_mixed_if_an_alpha_or_a_probability_is_above_zero_and_augmentation_is_on():
    assert not AugmentConfig().mixes_pairs
    assert AugmentConfig(mixup_alpha=0.2).mixes_pairs
    assert AugmentConfig(cutmix_alpha=1.0).mixes_pairs
    assert AugmentConfig(background_mixing=0.1).mixes_pairs
    assert not AugmentConfig(cutmix_alpha=1.0, augment=False).mixes_pairs


def test_replacing_a_setting_checks_it_again():
    with pytest.raises(ValueError, match="^image_size must be from 8 to 4096, got 2$"):
        dataclasses.replace(DataConfig(), image_size=2)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (0.0, "0"),
        (1e6, "1000000"),
        (1e-5, "1e-05"),
        (0.85, "0.85"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (32, "32"),
        ((0.9, 1.0), "0.9,1"),
        (["a", "b"], "a,b"),
        ({"alpha": 0.35}, '{"alpha": 0.35}'),
        ("photos", "photos"),
    ],
)
def test_a_value_as_a_command_line_has_it(value, text):
    assert as_text(value) == text


def test_types_behind_annotations():
    assert value_type(int) == (int, False)
    assert value_type(int | None) == (int, True)
    assert value_type(tuple[float, ...] | None) == (tuple, True)
    assert value_type(dict[str, int] | None) == (dict, True)
    assert item_type(tuple[int, ...]) is int
    assert item_type(tuple[float, ...] | None) is float


def test_fields_that_are_no_settings_are_left_alone():
    @dataclasses.dataclass
    class Mixed:
        checked: int = setting(1, "a setting", minimum=1)
        other: int = dataclasses.field(default=1)

    check_settings(Mixed(checked=1, other="anything"))
    with pytest.raises(ValueError, match="^checked must be >= 1, got 0$"):
        check_settings(Mixed(checked=0))


@pytest.mark.parametrize("module", ["ftdata.config", "trainers.config", "ftdata", "trainers", "flags.train"])
def test_importing_settings_loads_no_heavy_library(module):
    heavy = ("tensorflow", "keras", "numpy", "tensorflow_datasets")
    script = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    root = ROOT
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without a home")
def test_a_user_without_a_home_is_told_to_name_a_folder():
    code = (
        "import os, pwd; from ftdata.config import DataConfig; os.setuid(54321); "
        "print(DataConfig(data_dir='x').folder); DataConfig().folder"
    )
    environment = {name: value for name, value in os.environ.items() if name != "HOME"}
    command, root = [sys.executable, "-c", code], ROOT
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "x\n"
    assert "UserError: data_dir must be given, as this user has no home folder" in done.stderr.splitlines()[-1]


def test_a_path_may_be_an_object():
    assert DataConfig(image_dir=Path("photos")) == DataConfig(image_dir="photos")


@pytest.mark.parametrize("name", ["exclude_csv", "data_dir", "manual_dir"])
def test_an_address_is_no_path(name):
    message = rf"^{name} must be a path on this machine, got s3://bucket/a: copy or mount it"
    with pytest.raises(ValueError, match=message):
        DataConfig(**{name: "s3://bucket/a"})
