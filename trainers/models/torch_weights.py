"""Weights in PyTorch's file format of before 2020, read without PyTorch.

The format is that of `torch.serialization._legacy_save`: five pickles (a magic number, the version of the protocol, the
machine, the tensors by name, the keys of their storages), and behind them for each storage, in the order of those keys,
an int64 count of elements and the elements, little-endian. Pickles can run anything that they name, so that these may
name an ordered dictionary and what tensors are made of, and nothing else; whoever reads a file checks its digest first.
"""

import collections
import io
import pickle
from typing import Any, NamedTuple

import numpy as np

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001


class _Storage(NamedTuple):
    """A row of elements that tensors are parts of."""

    key: str
    dtype: np.dtype
    length: int


class _Tensor(NamedTuple):
    """The arguments of `torch._utils._rebuild_tensor_v2`; offset and strides in elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    requires_grad: bool
    hooks: Any


_ALLOWED = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch", "FloatStorage"): np.dtype("<f4"),
    ("torch", "LongStorage"): np.dtype("<i8"),
    ("torch._utils", "_rebuild_tensor_v2"): _Tensor,
}


class _Unpickler(pickle.Unpickler):
    """Makes the objects of `_ALLOWED` and of pickle's own types, such as lists and numbers."""

    def find_class(self, module: str, name: str) -> Any:
        """What a pickle names, out of `_ALLOWED`.

        Raises:
          UnpicklingError: anything else than tensors are made of.
        """
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which weights have no need of") from None

    def persistent_load(self, pid: Any) -> _Storage:
        """A storage, whose elements follow behind the pickles."""
        kind, dtype, key, _, length, view = pid
        if kind != "storage" or view is not None:
            raise pickle.UnpicklingError(f"it holds a {kind} that is not read here")
        return _Storage(key, dtype, length)


def read(content: bytes) -> dict[str, np.ndarray]:
    """The tensors in a file, by name, each as an array of its own.

    Args:
      content: of the file, whose digest was checked.

    Raises:
      UnpicklingError: it is no such file, or names anything else than tensors are made of.
    """
    stream = io.BytesIO(content)
    magic, protocol, _ = (_Unpickler(stream).load() for _ in range(3))
    if (magic, protocol) != (_MAGIC, _PROTOCOL):
        raise pickle.UnpicklingError("it is no file of weights in PyTorch's old format")
    tensors, keys = _Unpickler(stream).load(), _Unpickler(stream).load()
    storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    elements = {key: _elements(storages[key], stream) for key in keys}
    return {name: _array(tensor, elements[tensor.storage.key]) for name, tensor in tensors.items()}


def _elements(storage: _Storage, stream: io.BytesIO) -> np.ndarray:
    count = int.from_bytes(stream.read(8), "little")
    size = storage.dtype.itemsize
    content = stream.read(min(count, storage.length) * size)
    values = np.frombuffer(content[: len(content) // size * size], storage.dtype)
    if not len(values) == count == storage.length:
        raise pickle.UnpicklingError(f"storage {storage.key} has {len(values)} elements, not {storage.length}")
    return values


def _array(tensor: _Tensor, elements: np.ndarray) -> np.ndarray:
    last = tensor.offset + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides, strict=True))
    if min((tensor.offset, *tensor.strides, *tensor.shape)) < 0 or last >= len(elements):
        raise pickle.UnpicklingError(f"it holds a tensor beyond the {len(elements)} elements of its storage")
    strides = [stride * elements.itemsize for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(elements[tensor.offset :], tensor.shape, strides).copy(order="C")
