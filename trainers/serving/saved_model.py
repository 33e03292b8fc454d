"""A SavedModel on disk: its signatures, what TensorFlow Serving says of them, and calling them."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf import saved_model_pb2

from ftdata.errors import UserError
from trainers.serving import address

DEFAULT_SIGNATURE = "serving_default"
IMAGE_BYTES = "image_bytes"  # the input that holds files of images, which are examined


@dataclasses.dataclass(frozen=True)
class Signature:
    """A way to call the model.

    Attributes:
      name: of it.
      inputs: dtype and shape of each input by its name; the first dimension is the batch.
      outputs: names of what it gives.
      call: tensors by name to tensors by name.
    """

    name: str
    inputs: Mapping[str, tf.TensorSpec]
    outputs: tuple[str, ...]
    call: Any

    def __call__(self, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Arrays [b, ...] by the name of the output, for arrays [b, ...] by the name of the input.

        Raises:
          tf.errors.OpError: as the model does.
        """
        tensors = {name: tf.constant(value, self.inputs[name].dtype) for name, value in inputs.items()}
        return {name: value.numpy() for name, value in self.call(**tensors).items()}


@dataclasses.dataclass(frozen=True)
class ServedModel:
    """A loaded SavedModel.

    Attributes:
      signatures: by name.
      signature_def: what the file says of them, as JSON values with TensorFlow Serving's names.
    """

    signatures: Mapping[str, Signature]
    signature_def: Mapping[str, Any]

    @classmethod
    def load(cls, folder: Path) -> "ServedModel":
        """Loads the SavedModel in `folder`.

        Raises:
          UserError: there is none, or it cannot be served.
        """
        path = folder / "saved_model.pb"
        address.check_saved_model(folder)
        try:
            loaded = tf.saved_model.load(str(folder))
            found = saved_model_pb2.SavedModel.FromString(path.read_bytes())
        except (tf.errors.OpError, OSError, ValueError, KeyError) as error:
            raise UserError(f"{folder} cannot be loaded as a SavedModel: {str(error).splitlines()[0]}") from None
        signatures = {name: _signature(name, call) for name, call in loaded.signatures.items()}
        if not signatures:
            raise UserError(f"the SavedModel in {folder} has no signature, so nobody can call it")
        definitions = found.meta_graphs[0].signature_def
        as_json = {name: json.loads(_json(definitions[name])) for name in sorted(signatures)}
        return cls(signatures, as_json)


def _signature(name: str, call: Any) -> Signature:
    """`call` is a signature of a loaded SavedModel; it keeps the model alive."""
    return Signature(name, dict(call.structured_input_signature[1]), tuple(sorted(call.structured_outputs)), call)


def _json(message: Any) -> str:
    return json_format.MessageToJson(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
