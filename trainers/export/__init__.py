"""A trained model as others run it, and the proof that it answers alike.

For `trainers.commands`. It knows models and the files of a run; what it writes needs none of this project's code, which
`parity` checks in a process that cannot import it.
"""

from ftdata import lazy

__all__, __getattr__, __dir__ = lazy.exports(
    __name__,
    {
        "write_saved_model": "formats",
        "write_litert": "formats",
        "write_onnx": "onnx_format",
        "write_openvino": "openvino_format",
        "check_parity": "parity",
    },
)
