"""Can a file be used? Every image of a folder is inspected before anything is trained on it, and the reports are kept.

For `folders`, `sources` and everything that stands on them; imports `decoding`.
"""

from ftdata import lazy

__all__, __getattr__, __dir__ = lazy.exports(
    __name__,
    {
        "FileReport": "reports",
        "inspect_files": "examine",
    },
)
