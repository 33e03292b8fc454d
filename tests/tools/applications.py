"""Weights as Keras publishes them, made up: for tests of what a network does with those it fetches."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import h5py
import keras
import numpy as np
from keras.src.legacy.saving import legacy_h5_format


def publish(path: Path, network: keras.Model, *, seed: int = 0) -> None:
    """Writes weights for `network` as the files of Keras Applications are, with the statistics of EfficientNet's."""
    generator = np.random.default_rng(seed)
    for variable in network.weights:
        value = variable.numpy()
        if variable.path.startswith("normalization"):  # as the published files have them
            value = {"mean": np.float32([0.485, 0.456, 0.406]), "variance": np.float32([0.229, 0.224, 0.225])}.get(
                variable.name, value
            )
        elif "variance" in variable.name:
            value = generator.uniform(0.5, 2.0, value.shape)
        elif value.ndim < 2:
            value = value + generator.normal(0, 0.1, value.shape)
        variable.assign(value)
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, network)


@contextlib.contextmanager
def published(path: Path) -> Iterator[None]:
    """Lets Keras Applications fetch this file while the block runs; all else is theirs, as with a network.

    Their files are fetched by digest, so that others cannot be laid in their place.
    """
    with mock.patch("keras.src.utils.file_utils.get_file", return_value=str(path)):
        yield
