"""The bodies of TensorFlow Serving's REST contract: JSON to arrays, and arrays to JSON.

As its documentation has it (tensorflow.org/tfx/serving/api_rest): a request names what it asks row by row (`instances`)
or input by input (`inputs`), bytes are `{"b64": "..."}`, an output whose name ends in `_bytes` is too.
"""

import base64
import binascii
import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
import tensorflow as tf

from ftdata.names import shown
from trainers.serving.errors import Refused
from trainers.serving.saved_model import DEFAULT_SIGNATURE, ServedModel, Signature

_KEYS = ("signature_name", "instances", "inputs")


@dataclasses.dataclass(frozen=True)
class Request:
    """A request that was understood.

    Attributes:
      signature: it asks for.
      rows: of each image its inputs by name: bytes, or an array of the input's dtype.
      by_row: whether the answer is `predictions`, row by row, and not `outputs`.
    """

    signature: Signature
    rows: Sequence[Mapping[str, Any]]
    by_row: bool


def parse(body: bytes, model: ServedModel, *, most: int) -> Request:
    """Reads the body of a request for predictions.

    Args:
      body: of it, JSON in UTF-8.
      model: that is asked.
      most: rows it may have.

    Raises:
      Refused: what is wrong with it.
    """
    values = _json(body)
    if not isinstance(values, dict):
        _refuse("the request must be a JSON object with instances or inputs")
    if unknown := [key for key in values if key not in _KEYS]:
        _refuse(f"unknown key {_text(unknown[0])}: known are {', '.join(_KEYS)}")
    signature = _signature(values.get("signature_name", DEFAULT_SIGNATURE), model)
    if ("instances" in values) == ("inputs" in values):
        _refuse("the request must have either instances or inputs")
    by_row = "instances" in values
    columns = _columns(values["instances"], signature) if by_row else _named(values["inputs"], signature)
    counts = {len(column) for column in columns.values()}
    if len(counts) > 1:
        _refuse("all inputs must have as many values as each other")
    count = counts.pop()
    if count > most:
        raise Refused(413, f"too many images: {count:,} in a request, the limit is {most:,}")
    arrays = {name: _array(name, column, signature) for name, column in columns.items()}
    return Request(signature, [{name: of[row] for name, of in arrays.items()} for row in range(count)], by_row)


def answer(request: Request, rows: Sequence[Mapping[str, np.ndarray]]) -> bytes:
    """The body of the answer: of each row the outputs by name."""
    outputs = request.signature.outputs
    if request.by_row:
        found = [{name: _value(name, row[name]) for name in outputs} for row in rows]
        values: Any = {"predictions": [row[outputs[0]] for row in found] if len(outputs) == 1 else found}
    else:
        columns = {name: [_value(name, row[name]) for row in rows] for name in outputs}
        values = {"outputs": columns[outputs[0]] if len(outputs) == 1 else columns}
    return json.dumps(values, ensure_ascii=False).encode()


def _json(body: bytes) -> Any:
    def constant(name: str) -> NoReturn:
        _refuse(f"{name} is no number of JSON")

    try:
        return json.loads(body.decode("utf-8"), parse_constant=constant)
    except UnicodeDecodeError as error:
        _refuse(f"the request must be JSON in UTF-8, byte {error.start} is not")
    except RecursionError:
        _refuse("the request is nested too deeply")
    except ValueError as error:  # what is cut off, or a number of thousands of digits
        _refuse(f"the request must be JSON: {str(error).partition(';')[0]}")


def _signature(name: Any, model: ServedModel) -> Signature:
    if isinstance(name, str) and name in model.signatures:
        return model.signatures[name]
    _refuse(f"signature_name must be one of {', '.join(sorted(model.signatures))}, got {_text(name)}")


def _columns(instances: Any, signature: Signature) -> dict[str, list[Any]]:
    """The values of each input, out of rows that hold one of each."""
    if not isinstance(instances, list) or not instances:
        _refuse("instances must be a list of at least one value")
    if len(signature.inputs) == 1 and not _is_named(instances[0]):
        return {next(iter(signature.inputs)): instances}
    for row, instance in enumerate(instances):
        if not isinstance(instance, dict):
            _refuse(f"instances[{row}] must be an object with {', '.join(signature.inputs)}")
        _check_names(instance, signature, where=f"instances[{row}]")
    return {name: [instance[name] for instance in instances] for name in signature.inputs}


def _named(inputs: Any, signature: Signature) -> dict[str, list[Any]]:
    """The values of each input."""
    if len(signature.inputs) == 1 and not _is_named(inputs):
        inputs = {next(iter(signature.inputs)): inputs}
    if not isinstance(inputs, dict):
        _refuse(f"inputs must be an object with {', '.join(signature.inputs)}")
    _check_names(inputs, signature, where="inputs")
    for name, values in inputs.items():
        if not isinstance(values, list) or not values:
            _refuse(f"inputs: {name} must be a list of at least one value, the first dimension is the batch")
    return inputs


def _check_names(given: Mapping[str, Any], signature: Signature, *, where: str) -> None:
    for name in signature.inputs:
        if name not in given:
            _refuse(f"{where} lacks {name}")
    for name in given:
        if name not in signature.inputs:
            _refuse(f"{where}: {_text(name)} is no input of {signature.name}, which has {', '.join(signature.inputs)}")


def _is_named(value: Any) -> bool:
    """Whether it is an object of inputs; `{"b64": ...}` is a value."""
    return isinstance(value, dict) and set(value) != {"b64"}


def _array(name: str, column: Sequence[Any], signature: Signature) -> Any:
    """The values of an input: a list of bytes, or an array [n, ...]."""
    spec = signature.inputs[name]
    if spec.dtype == tf.string:
        if spec.shape.rank != 1:
            _refuse(f"{name} holds text in more than one dimension, which is not served here")
        return [_bytes(value, where=f"{name}[{row}]") for row, value in enumerate(column)]
    return _numbers(name, column, spec)


def _bytes(value: Any, *, where: str) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if not isinstance(value, dict) or set(value) != {"b64"} or not isinstance(value["b64"], str):
        _refuse(f'{where} must be {{"b64": "..."}}, the base64 of a file')
    try:
        return base64.b64decode(value["b64"].encode(), validate=True)
    except (binascii.Error, ValueError) as error:
        _refuse(f"{where} is no base64: {error}")


def _numbers(name: str, column: Sequence[Any], spec: tf.TensorSpec) -> np.ndarray:
    # Through float64, whatever is wanted: without a dtype one long text among numbers would make all of them as long.
    try:
        with np.errstate(all="ignore"):
            values = np.asarray(column, np.float64)
    except (ValueError, TypeError, OverflowError):
        _refuse(f"{name} must be nested lists of numbers, as long as each other")
    if not spec.shape.is_compatible_with(values.shape) or 0 in values.shape:
        wanted = ", ".join("any" if size is None else str(size) for size in spec.shape[1:])
        _refuse(f"{name} must be [{wanted}] for each image, got {list(values.shape[1:])}")
    dtype = spec.dtype.as_numpy_dtype
    if not np.isfinite(values).all():
        _refuse(f"{name} must be finite numbers")
    if spec.dtype.is_integer:
        low, high = max(np.iinfo(dtype).min, -(2**53)), min(np.iinfo(dtype).max, 2**53)
        if values.min() < low or values.max() > high or (values != np.trunc(values)).any():
            _refuse(f"{name} must be whole numbers from {low} to {high}")
    return values.astype(dtype)


def _value(name: str, value: np.ndarray) -> Any:
    """As JSON values."""
    found = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    return _texts(found, as_bytes=name.endswith("_bytes"))


def _texts(value: Any, *, as_bytes: bool) -> Any:
    if isinstance(value, list):
        return [_texts(part, as_bytes=as_bytes) for part in value]
    if not isinstance(value, bytes):
        return value
    return {"b64": base64.b64encode(value).decode()} if as_bytes else value.decode("utf-8", "replace")


def _text(value: Any) -> str:
    """What was given, for a message: short, and in one line."""
    text = shown(value if isinstance(value, str) else json.dumps(value)[:100])
    return repr(text if len(text) <= 60 else f"{text[:60]}...")


def _refuse(message: str) -> NoReturn:
    raise Refused(400, message)
