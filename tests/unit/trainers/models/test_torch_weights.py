"""PyTorch's old files, written here byte by byte: what is in them is read, and nothing of them is run."""

import pickle
import struct

import numpy as np
import pytest

from trainers.models import torch_weights


def _piece(value):
    """The opcodes that put a plain value on the stack."""
    return pickle.dumps(value, protocol=2)[2:-1]


def _named(module, name):
    return f"c{module}\n{name}\n".encode()


_ORDERED_DICT = _named("collections", "OrderedDict") + b")R"


def _tensor(*, kind="FloatStorage", key="0", count=6, offset=0, shape=(2, 3), strides=(3, 1), view=None):
    storage = [_piece("storage"), _named("torch", kind), *map(_piece, (key, "cpu", count, view))]
    arguments = [b"(", *storage, b"tQ", *map(_piece, (offset, shape, strides, False)), _ORDERED_DICT]
    return b"".join([_named("torch._utils", "_rebuild_tensor_v2"), b"(", *arguments, b"tR"])


def _file(tensors, storages, *, magic=0x1950A86A20F9469CFC6C):
    """The bytes of a file: tensors by name as opcodes, and each storage's elements by key as an array."""
    entries = b"".join(_piece(name) + opcodes for name, opcodes in tensors.items())
    heads = [pickle.dumps(value, protocol=2) for value in (magic, 1001, {"little_endian": True})]
    elements = [struct.pack("<q", values.size) + values.tobytes() for values in storages.values()]
    whole = [*heads, b"\x80\x02", _ORDERED_DICT, b"(", entries, b"u.", pickle.dumps(list(storages), protocol=2)]
    return b"".join([*whole, *elements])


_SIX = {"0": np.arange(6, dtype="<f4") / 2}


def test_tensors_are_read_by_name():
    tensors = {
        "conv.weight": _tensor(),
        "bn.bias": _tensor(offset=4, shape=(2,), strides=(1,)),  # a part of the same storage
        "transposed": _tensor(shape=(3, 2), strides=(1, 3)),
        "bn.num_batches_tracked": _tensor(kind="LongStorage", key="7", count=1, shape=(), strides=()),
    }
    read = torch_weights.read(_file(tensors, {**_SIX, "7": np.array([2**40], "<i8")}))
    assert list(read) == list(tensors)
    assert read["conv.weight"].dtype == np.float32
    assert read["conv.weight"].tolist() == [[0.0, 0.5, 1.0], [1.5, 2.0, 2.5]]
    assert read["transposed"].tolist() == [[0.0, 1.5], [0.5, 2.0], [1.0, 2.5]]
    assert read["bn.bias"].tolist() == [2.0, 2.5]
    assert read["bn.num_batches_tracked"].tolist() == 2**40


_RUNS = {  # each would make a file if it were run
    "GLOBAL": b"cos\nsystem\n(Vtouch ran\ntR.",
    "INST": b"(Vtouch ran\nios\nsystem\n.",
    "STACK_GLOBAL": b"\x80\x04Vos\nVsystem\n\x93(Vtouch ran\ntR.",
    "builtins": b"cbuiltins\neval\n(Vopen('ran', 'w')\ntR.",
    "another of torch": _named("torch._utils", "_rebuild_sparse_tensor") + b".",
    "another of collections": _named("collections", "deque") + b".",
    "a dotted name": _named("collections", "OrderedDict.fromkeys") + b".",
}


@pytest.mark.parametrize("opcodes", _RUNS.values(), ids=_RUNS)
def test_what_a_pickle_names_beside_tensors_is_refused_and_not_run(opcodes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(pickle.UnpicklingError, match="^it names .*, which weights have no need of$"):
        torch_weights.read(opcodes)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (_file({"a": _tensor()}, _SIX, magic=1), "no file of weights"),
        (_file({"a": _tensor(offset=1)}, _SIX), "a tensor beyond the 6 elements of its storage"),
        (_file({"a": _tensor(strides=(4, 1))}, _SIX), "a tensor beyond the 6 elements of its storage"),
        (_file({"a": _tensor(offset=3, strides=(-3, 1))}, _SIX), "a tensor beyond the 6 elements of its storage"),
        (_file({"a": _tensor()}, _SIX)[:-4], "storage 0 has 5 elements, not 6"),
        (_file({"a": _tensor(count=7)}, _SIX), "storage 0 has 6 elements, not 7"),
        (_file({"a": _tensor(view=("1", 0, 6))}, _SIX), "it holds a storage that is not read here"),
    ],
)
def test_what_is_read_otherwise_than_it_was_meant_is_refused(content, message):
    with pytest.raises(pickle.UnpicklingError, match=message):
        torch_weights.read(content)
