"""ImageDataGenerator's augmentation, and what came after it, as Keras layers that compile with XLA.

The layers stand alone: they may be used in any Keras model. `Augmentation` chains those that the settings ask for. For
trainers; imports nothing of ftdata but the settings and the seeds.
"""

from ftdata import lazy

__all__, __getattr__, __dir__ = lazy.exports(
    __name__,
    {
        "Augmentation": "augmentation",
        "PairMixing": "mixing",
        "RandomAffine": "random_affine",
        "RandomBrightnessFactor": "color",
        "RandomChannelShift": "color",
        "RandomColorJitter": "color",
        "RandomErasing": "erasing",
        "RandomResizedCrop": "resized_crop",
    },
)
