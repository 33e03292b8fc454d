"""What reads images of a store by their places: one, or a batch side by side, as operations too."""

import abc
import os

import numpy as np
import tensorflow as tf

from ftdata.inspection.reports import FileReport, Stamp
from ftdata.remote.store import AT_ONCE, Store


class RemoteReader(abc.ABC):
    """Reads images by places; `at_once` are best read at one time.

    Args:
      store: that has them.
    """

    at_once: int | None = AT_ONCE

    def __init__(self, store: Store):
        self._store = store

    @abc.abstractmethod
    def notes(self) -> tuple[str, ...]:
        """What the user should know of how they are read."""

    @abc.abstractmethod
    def stamp(self, place: str) -> Stamp | FileReport:
        """What tells whether an image has changed, as `inspection` keeps it."""

    @abc.abstractmethod
    def read(self, place: str) -> bytes:
        """The bytes of an image, from any thread.

        Raises:
          UserError: it has changed or is gone since it was listed; the store gives no answer, or none to these
            credentials.
        """

    def __call__(self, place: tf.Tensor) -> tf.Tensor:
        """The same as an operation: scalar string -> scalar string; its errors are InvalidArgumentError."""
        return tf.ensure_shape(self.many(place[None])[0], [])

    def many(self, places: tf.Tensor) -> tf.Tensor:
        """As an operation of many places, which are read side by side: string [b] -> string [b]."""
        return tf.ensure_shape(tf.numpy_function(self._read_all, [places], tf.string), places.shape)

    def _read_all(self, places: np.ndarray) -> np.ndarray:
        named = [os.fsdecode(place) for place in places.tolist()]
        return np.array([*self._store.many(self.read, named), None], object)[:-1]  # None: numpy asks no lengths
