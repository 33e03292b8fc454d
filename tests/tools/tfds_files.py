"""Writes a real TFDS data set from a folder of photos, for tests that open one by name."""

from pathlib import Path

import tensorflow as tf
import tensorflow_datasets as tfds


def write_tfds(photos: Path, data_dir: Path, *, name: str) -> None:
    """Stores `photos`, in the layout train/<class>/ and test/<class>/, as the TFDS data set `name`."""
    tfds.disable_progress_bar()
    class_names = sorted(folder.name for folder in (photos / "train").iterdir())
    features = tfds.features.FeaturesDict(
        {"image": tfds.features.Image(shape=(40, 40, 3)), "label": tfds.features.ClassLabel(names=class_names)}
    )

    def examples(split: str):
        for path in sorted((photos / split).rglob("*.jpg")):
            yield {"image": tf.io.decode_image(path.read_bytes()).numpy(), "label": class_names.index(path.parent.name)}

    signature = {"image": tf.TensorSpec((40, 40, 3), tf.uint8), "label": tf.TensorSpec((), tf.int64)}
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version="1.0.0",
        features=features,
        split_datasets={
            split: tf.data.Dataset.from_generator(lambda split=split: examples(split), output_signature=signature)
            for split in ("train", "test")
        },
        data_dir=data_dir,
        download_config=tfds.download.DownloadConfig(num_shards=3),
    )
