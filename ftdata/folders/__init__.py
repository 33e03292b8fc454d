"""What a folder or a CSV means: which files are images, of which class and split, and what is passed over.

For `sources`; imports `inspection`, for the kinds of files. No TensorFlow.
"""

from ftdata import lazy

__all__, __getattr__, __dir__ = lazy.exports(
    __name__,
    {
        "Files": "folder",
        "Listing": "folder",
        "scan": "folder",
    },
)
