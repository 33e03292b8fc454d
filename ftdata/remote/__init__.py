"""Files in an object store or behind HTTP: listed once, fetched with patience, kept on this machine within a bound.

For `folders`, `records` and `sources`. fsspec reads the stores; what installs its part for each is an extra.
"""

from ftdata import lazy

__all__, __getattr__, __dir__ = lazy.exports(
    __name__,
    {
        "RemoteFile": "remote_file",
        "RemoteFiles": "files",
        "Store": "store",
    },
)
