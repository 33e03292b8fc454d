"""A trained model as an ONNX file. tf2onnx and onnxruntime are an extra, so both are imported late."""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from ftdata import stderr
from ftdata.decoding.decode import Decoding
from ftdata.errors import UserError
from trainers.export import formats, resize
from trainers.models.class_names import as_lines
from trainers.rundir.run_dir import write_atomically

_OPSET = 18  # the newest that tf2onnx 1.17 writes; onnxruntime reads it since 1.14


def write_onnx(path: Path, network: keras.Model, class_names: Sequence[str], decoding: Decoding) -> None:
    """Writes an ONNX file: `images`, uint8 [b, height, width, channels] of any one size, to `probabilities`,
    float32 [b, num_classes], and `unlike`, float32 [b], where the network gives it.

    The class names, a line for each, are the metadata property `labels`.

    Args:
      path: of the file.
      network: from `formats.finished`.
      class_names: in the order of the probabilities.
      decoding: how images are brought to the network's size.

    Raises:
      UserError: the network has operations that ONNX files cannot be given.
    """
    import onnx
    import tf2onnx
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, decoding.channels), tf.uint8, name="images")])
    def from_pixels(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return formats.answers(network, resize.squares(images, decoding))

    # Frozen here, because tf2onnx.from_function makes an input of each constant that a layer holds (Normalization).
    concrete = from_pixels.get_concrete_function()
    frozen = convert_variables_to_constants_v2(concrete)
    names = dict(zip([tensor.name for tensor in frozen.outputs], sorted(concrete.structured_outputs), strict=True))
    entry = frozen.inputs[0].name
    logger = logging.getLogger("tf2onnx")
    with warnings.catch_warnings(), stderr.captured():
        warnings.simplefilter("ignore")
        level = logger.level
        logger.setLevel(logging.CRITICAL)  # what it cannot translate is found below
        try:
            content, _ = tf2onnx.convert.from_graph_def(
                frozen.graph.as_graph_def(),
                name="classifier",
                input_names=[entry],
                output_names=list(names),
                tensors_to_rename={entry: "images", **names},
                opset=_OPSET,
            )
        finally:
            logger.setLevel(level)
    unknown = sorted(_unknown_operations(content, onnx))
    if unknown:
        raise UserError(
            f"export {path}: tf2onnx cannot translate {', '.join(unknown)}, which this network uses: remove onnx from "
            "export_formats, or train another backbone"
        )
    _name_dimensions(content)
    onnx.helper.set_model_props(content, {"labels": as_lines(class_names).removesuffix("\n")})
    write_atomically(path, lambda temporary: temporary.write_bytes(content.SerializeToString()))


def _unknown_operations(content: Any, onnx: Any) -> set[str]:
    return {node.op_type for node in content.graph.node if not node.domain and not onnx.defs.has(node.op_type)}


def _name_dimensions(content: Any) -> None:
    del content.graph.value_info[:]  # tf2onnx's guesses of shapes inside, some of them wrong; readers find their own
    for value in (*content.graph.input, *content.graph.output):
        dimensions = value.type.tensor_type.shape.dim
        for name, dimension in zip(("batch", "height", "width"), dimensions, strict=False):
            if not dimension.dim_value:
                dimension.dim_param = name
