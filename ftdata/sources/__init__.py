"""A name, a folder or a CSV -> a `Source`: encoded images and labels in three splits.

Also images without labels (`ftdata.sources.unlabeled`). For `cache`, the pipeline and trainers; imports `folders`,
`inspection`, `decoding` and `datasets`.
"""

from ftdata import lazy

__all__, __getattr__, __dir__ = lazy.exports(
    __name__,
    {
        "BadImage": "bad_images",
        "Source": "source",
        "Split": "split",
        "class_weights": "weighting",
        "load_folder": "source",
        "open_source": "source",
    },
)
