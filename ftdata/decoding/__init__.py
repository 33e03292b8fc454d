"""The bytes of an image file -> an upright square, uint8 [side, side, 3], with the pixels of Pillow.

One decoder for training, prediction and serving, made of graph operations; beside it what the headers of a file claim,
read before anything is decoded. `headers` and `foreign` need the standard library only.

Every wing but `augment` and `datasets` may import this one; it imports nothing of ftdata but the settings.
"""

from ftdata import lazy

__all__, __getattr__, __dir__ = lazy.exports(
    __name__,
    {
        "Decoding": "decode",
        "MAX_PIXELS": "headers",
        "decode_error": "errors",
        "decode_full": "decode",
        "is_plain_jpeg": "jpeg",
    },
)
