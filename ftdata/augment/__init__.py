"""ImageDataGenerator's augmentation, and what came after it, as Keras layers that compile with XLA.

The layers stand alone: they may be used in any Keras model. `Augmentation` chains those that the settings ask for. For
trainers; imports nothing of ftdata but the settings and the seeds.
"""

from ftdata import lazy

__all__, __getattr__, __dir__ = lazy.exports(
    __name__,
    {
        "Augmentation": "augmentation",
        "BackgroundMixing": "background",
        "PairMixing": "mixing",
        "RandAugment": "rand_augment",
        "RandomAffine": "random_affine",
        "RandomBrightnessFactor": "color",
        "RandomChannelShift": "color",
        "RandomColorJitter": "color",
        "RandomConvolution": "convolution",
        "RandomErasing": "erasing",
        "RandomGrayscale": "grayscale",
        "RandomHue": "hue",
        "RandomResizedCrop": "resized_crop",
    },
)
