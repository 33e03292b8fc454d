"""A trained model as OpenVINO's intermediate representation. OpenVINO is an extra, so it is imported late."""

import contextlib
import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras

from ftdata import stderr
from ftdata.decoding.decode import Decoding
from ftdata.errors import UserError
from trainers.export import formats, resize
from trainers.models.class_names import as_lines

_MODEL, _WEIGHTS, _TELEMETRY = "model.xml", "model.bin", "openvino_telemetry"


def write_openvino(folder: Path, network: keras.Model, class_names: Sequence[str], decoding: Decoding) -> None:
    """Writes a folder with model.xml and model.bin: `images`, uint8 [b, height, width, channels] of any one size, to
    `probabilities`, float32 [b, num_classes], and `unlike`, float32 [b], where the network gives it.

    The class names, a line for each, are the model's runtime information `labels`.

    Args:
      folder: where to; an earlier one is replaced once the new one is whole.
      network: from `formats.finished`.
      class_names: in the order of the probabilities.
      decoding: how images are brought to the network's size.

    Raises:
      UserError: the network has operations that OpenVINO does not know.
    """
    entry = keras.Input((None, None, decoding.channels), dtype="uint8", name="images")
    whole = keras.Model(entry, network(resize.Squares(decoding)(entry)), name="classifier")
    outputs = sorted(network.output) if isinstance(network.output, dict) else ["probabilities"]

    def write(temporary: Path) -> None:
        temporary.mkdir()
        as_keras_does = temporary / "as_keras_does.xml"
        try:
            whole.export(str(as_keras_does), format="openvino", verbose=False)
        except RuntimeError as error:  # of OpenVINO: its last line says which operation
            reason = str(error).strip().splitlines()[-1]
            raise UserError(
                f"export {folder}: OpenVINO cannot translate this network ({reason}): remove openvino from "
                "export_formats, or train another backbone"
            ) from error
        import openvino

        model = openvino.Core().read_model(as_keras_does)
        _name_outputs(model, outputs)
        model.set_rt_info(as_lines(class_names).removesuffix("\n"), "labels")
        openvino.serialize(model, temporary / _MODEL, temporary / _WEIGHTS)
        for ending in (".xml", ".bin"):
            as_keras_does.with_suffix(ending).unlink()

    with _without_telemetry(), _quiet():
        formats.replace_folder(folder, write)


def _name_outputs(model: Any, outputs: Sequence[str]) -> None:
    """Leaves the network's own outputs: OpenVINO makes one of whatever nobody reads. Several have their names, a
    single one is called Identity."""
    for output in model.outputs:
        own = output.names & {*outputs}
        if len(outputs) == 1 and any(name.startswith("Identity") for name in output.names):
            own = {*outputs}
        if own:
            output.tensor.set_names(own)
        else:
            model.remove_result(output.get_node())
    found = [name for output in model.outputs for name in output.names]
    if sorted(found) != sorted(outputs):
        raise RuntimeError(f"OpenVINO's model gives {', '.join(found)} and not {', '.join(outputs)}")


@contextlib.contextmanager
def _without_telemetry() -> Iterator[None]:
    """OpenVINO tells its makers when it is imported and used, unless the package that does it cannot be imported."""
    modules: dict[str, Any] = sys.modules
    kept = modules.get(_TELEMETRY)
    modules[_TELEMETRY] = None  # its import fails
    try:
        import openvino.tools.ovc  # noqa: F401 - which sends a message or decides never to

        yield
    finally:
        del modules[_TELEMETRY]
        if kept is not None:
            modules[_TELEMETRY] = kept


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("openvino")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), stderr.captured():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
