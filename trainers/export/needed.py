"""What the formats of an export need to be installed. No TensorFlow."""

from collections.abc import Collection

from trainers.export.web.runtime import check_runtime
from trainers.runtime import extras

_ONNX = ("tf2onnx", "onnx", "onnxruntime")


def check_installed(formats: Collection[str], *, web_runtime: str | None) -> None:
    """Does nothing if all that formats of `--export_formats` need is installed, or was fetched now.

    Args:
      formats: their names.
      web_runtime: the folder with the runtime of `web`; None where npm is to fetch it.

    Raises:
      UserError: what is missing and how to install it.
    """
    if "onnx" in formats:
        extras.check_installed("export_formats: onnx", _ONNX, extra="onnx")
    if "openvino" in formats:
        extras.check_installed("export_formats: openvino", ["openvino"], extra="openvino")
    if "web" in formats:
        check_runtime(web_runtime)
