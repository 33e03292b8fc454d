"""What can be set about augmentation: frozen, validated, standard library only."""

import dataclasses

from ftdata.errors import UserError
from ftdata.settings import as_text, check_settings, setting


@dataclasses.dataclass(frozen=True)
class AugmentConfig:
    """Random changes of the training images; names, units and meanings are ImageDataGenerator's, where it has them."""

    augment: bool = setting(True, "whether training images are changed at random; false switches all of it off")
    rotation_range: float = setting(0.0, "largest random rotation, in degrees, either way", minimum=0.0, maximum=360.0)
    width_shift_range: float = setting(
        0.0,
        "largest random shift to the left or right, as a fraction of the width; in pixels if 1 or more",
        minimum=0.0,
        maximum=1e6,
    )
    height_shift_range: float = setting(
        0.0,
        "largest random shift up or down, as a fraction of the height; in pixels if 1 or more",
        minimum=0.0,
        maximum=1e6,
    )
    shear_range: float = setting(0.0, "largest random shear, in degrees, either way", minimum=0.0, maximum=89.0)
    zoom_range: tuple[float, ...] = setting(
        (0.0,),
        "LOW,HIGH of the random zoom factor, or one number z for 1-z,1+z; a factor above 1 shows more of the scene",
        minimum=0.0,
        maximum=1e6,
    )
    horizontal_flip: bool = setting(False, "mirror left and right, with probability 1/2")
    vertical_flip: bool = setting(False, "mirror top and bottom, with probability 1/2")
    fill_mode: str = setting(
        "nearest",
        "what fills the area outside the image after a rotation, shift, shear or zoom",
        choices=("nearest", "constant", "reflect", "wrap"),
    )
    cval: float = setting(
        0.0,
        "grey level, 0 to 255, that --fill_mode=constant puts outside the image",
        minimum=0.0,
        maximum=255.0,
    )
    brightness_range: tuple[float, ...] | None = setting(
        None,
        "LOW,HIGH of the random factor by which pixels are multiplied",
        unset="off",
        minimum=0.0,
        maximum=1e6,
    )
    channel_shift_range: float = setting(
        0.0,
        "largest random number added to all channels, in grey levels from 0 to 255, either way",
        minimum=0.0,
        maximum=255.0,
    )
    random_resized_crop: float | None = setting(
        None,
        "smallest fraction of the area that a random crop shows, enlarged to the full size; 0.08 is usual. The crop is "
        "cut from the image as cached, at --image_size, not from the file: small fractions lack detail",
        unset="off",
        minimum=0.01,
        maximum=1.0,
    )
    color_jitter: float = setting(
        0.0,
        "strength s of random brightness, contrast and saturation, each a factor from 1-s to 1+s; 0.4 is usual, 0 is "
        "off",
        minimum=0.0,
        maximum=1.0,
    )
    hue: float = setting(
        0.0,
        "largest random rotation of the colours about the grey axis, in degrees, either way: 120 turns red into green, "
        "0 is off",
        minimum=0.0,
        maximum=180.0,
    )
    grayscale: float = setting(
        0.0, "probability that a training image loses its colours, 0 is off", minimum=0.0, maximum=1.0
    )
    rand_augment: tuple[int, ...] | None = setting(
        None,
        "N,M of RandAugment: N is the number of operations in a row by which each training image is changed, M their "
        "magnitude from 0 to 30; each is drawn from none, autocontrast, brightness, saturation, contrast, sharpness, "
        "posterize and solarize; 2,9 is usual",
        unset="off",
        minimum=0,
        maximum=30,
    )
    random_convolution: float = setting(
        0.0,
        "probability that a training image is blended, by a uniform share, with its convolution by a random 3x3 "
        "kernel, which changes texture and colours and keeps shapes; 0.5 is usual, 0 is off",
        minimum=0.0,
        maximum=1.0,
    )
    background_mixing: float = setting(
        0.0,
        "probability that the border of a training image, beyond a soft ellipse about its centre, is that of another "
        "one; the label stays. 0 is off",
        minimum=0.0,
        maximum=1.0,
    )
    random_erasing: float = setting(
        0.0, "probability that a random rectangle of a training image is erased", minimum=0.0, maximum=1.0
    )
    mixup_alpha: float = setting(
        0.0,
        "MixUp: pairs of images and their labels are mixed by a share of Beta(alpha, alpha); 0.2 is usual, 0 is off",
        minimum=0.0,
        maximum=1e6,
    )
    cutmix_alpha: float = setting(
        0.0,
        "CutMix: pairs of images exchange a rectangle whose area is drawn from Beta(alpha, alpha); 1 is usual, 0 is "
        "off; with MixUp too, half of the pairs get either",
        minimum=0.0,
        maximum=1e6,
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if len(self.zoom_range) not in (1, 2) or (len(self.zoom_range) == 1 and self.zoom_range[0] >= 1):
            raise UserError(f"zoom_range must be one number below 1, or low,high, got {as_text(self.zoom_range)}")
        if self.brightness_range is not None and len(self.brightness_range) != 2:
            raise UserError(f"brightness_range must be low,high, got {as_text(self.brightness_range)}")
        for name in ("zoom_range", "brightness_range"):
            pair = getattr(self, name)
            if pair is not None and len(pair) == 2 and pair[0] > pair[1]:
                raise UserError(f"{name} must have low <= high, got {as_text(pair)}")
        if self.rand_augment is not None and (len(self.rand_augment) != 2 or self.rand_augment[0] == 0):
            raise UserError(f"rand_augment must be N,M with N from 1 on, got {as_text(self.rand_augment)}")
        if self.zoom_range == (0.0, 0.0) or (len(self.zoom_range) == 2 and self.zoom_range[0] <= 0):
            raise UserError(f"zoom_range must be above 0, got {as_text(self.zoom_range)}")

    @property
    def mixes_pairs(self) -> bool:
        """Whether images are mixed in pairs, so that a device's batch has to be even."""
        return self.augment and bool(self.mixup_alpha or self.cutmix_alpha or self.background_mixing)


def check_pairs(batch_size: int) -> None:
    """Raises UserError if the batch of a device does not consist of pairs."""
    if batch_size % 2:
        raise UserError(
            "batch_size must be even on each device with mixup_alpha, cutmix_alpha or background_mixing, which mix "
            f"pairs of images, got {batch_size} a device: change batch_size, or set all of them to 0"
        )
