"""TFDS's own checks of the builder, on the photos in dummy_data/."""

import tensorflow_datasets as tfds

from ftdata.datasets.knifey_spoony import knifey_spoony_dataset_builder


class KnifeySpoonyTest(tfds.testing.DatasetBuilderTestCase):
    """Builds the data set from dummy_data/ as its manual folder, reads it back and checks its metadata."""

    DATASET_CLASS = knifey_spoony_dataset_builder.Builder
    SPLITS = {"train": 6, "test": 3}  # noqa: RUF012 (as TFDS has it)


if __name__ == "__main__":
    tfds.testing.test_main()
