"""What --channels refuses, each in a line that names the flag."""

import pytest

import flags
from flags.errors import FlagError
from ftdata.errors import UserError
from trainers.config import UseConfig, from_dict, other_channels

_REFUSED = {
    "hue": {"hue": 30.0},
    "color_jitter": {"color_jitter": 0.4},
    "grayscale": {"grayscale": 0.1},
    "rand_augment": {"rand_augment": (2, 9)},
    "random_convolution": {"random_convolution": 0.5},
    "backbone=hub:": {"backbone": "hub:resnet_18_imagenet"},
    "time_budget": {"time_budget": "5m"},
    "phase=serve": {"phase": "serve"},
    "model=imagenet": {"phase": "predict", "images": "photos", "model": "imagenet"},
    "none_of_these": {"phase": "evaluate", "none_of_these": 0.95},
    "export_formats=web": {"export_formats": ("web",)},
}


@pytest.mark.parametrize("name", list(_REFUSED))
def test_what_is_defined_on_three_colours_is_refused(name):
    settings = {"image_dir": "images", **_REFUSED[name]}
    flags.config(**settings)
    with pytest.raises(FlagError, match=rf"^--{name} cannot go with (a model of )?--channels=5: "):
        flags.config(**settings, channels=5)


def test_what_suits_any_channels_is_taken_and_so_are_colours_that_are_switched_off():
    config = flags.config(
        image_dir="images",
        channels=5,
        brightness_range=(0.8, 1.2),
        channel_shift_range=20.0,
        random_erasing=0.2,
        mixup_alpha=0.2,
    )
    assert config.data.channels == 5
    flags.config(image_dir="images", channels=5, augment=False, hue=30.0)


def test_a_run_recorded_before_there_were_channels_has_three():
    assert from_dict({"image_dir": "images"}).data.channels == 3


def test_a_model_is_asked_by_its_channels():
    use = UseConfig(export_formats=("web",))
    other_channels.check_use(use, channels=3)
    with pytest.raises(UserError, match="export_formats=web cannot go with a model of channels=4"):
        other_channels.check_use(use, channels=4)


@pytest.mark.parametrize(
    ("weights", "init_from", "channels", "said"),
    [
        ("imagenet", None, 5, "instead of 3: each has those of red, green and blue in turn"),
        ("imagenet", None, 2, "instead of 3: each has the mean of those of red, green and blue"),
        ("none", None, 5, "with random weights"),
        ("imagenet", "best.keras", 5, "with the weights of the model of --init_from"),
    ],
)
def test_where_the_first_convolution_has_its_weights_from_is_said(weights, init_from, channels, said):
    assert said in other_channels.first_convolution(weights, init_from, channels)
