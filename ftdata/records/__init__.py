"""Images packed many to a file (TFRecord, WebDataset tar, Parquet): an index of them, read by position, and written.

For `sources` and `ftdata.pack`; imports `decoding`, `folders` and `inspection`.
"""

from ftdata import lazy

__all__, __getattr__, __dir__ = lazy.exports(
    __name__,
    {
        "RecordReader": "reading",
        "open_records": "listed_records",
    },
)
