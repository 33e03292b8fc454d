"""Decoded images, kept between epochs on the device, in memory, on disk or not at all: the tiers.

`plan` chooses the tier, `open_all` and `open_split` fill it and give `Images`, which are read by position or as a
stream. For the pipeline and trainers; imports `sources` and `decoding`.
"""

from ftdata import lazy

__all__, __getattr__, __dir__ = lazy.exports(
    __name__,
    {
        "ImageStream": "images",
        "Images": "images",
        "IndexedImages": "images",
        "from_tensor": "images",
        "in_memory": "filling",
        "open_all": "tiers",
        "open_split": "tiers",
        "plan": "tiers",
    },
)
