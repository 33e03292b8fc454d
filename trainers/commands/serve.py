"""--phase=serve: the exported SavedModel over HTTP, by the REST contract of TensorFlow Serving."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from ftdata.decoding import headers
from ftdata.errors import UserError
from ftdata.inspection import examine
from ftdata.log import log
from ftdata.names import counted
from trainers.config import TrainConfig
from trainers.rundir.run_dir import RunDir
from trainers.runtime.devices import grow_gpu_memory
from trainers.runtime.signals import StopRequest
from trainers.serving import address
from trainers.serving.batching import Batcher
from trainers.serving.saved_model import IMAGE_BYTES, ServedModel

_HERE = ("127.", "localhost", "::1")


def run(config: TrainConfig, *, stop: StopRequest) -> dict[str, Any]:
    """Serves the SavedModel of `config.use.model` or in export/ until somebody asks to stop.

    Returns:
      How many requests were `answered`, with how many `images`, in how many `calls` of the model, and how many requests
      were `refused`.

    Raises:
      UserError: no SavedModel, the extra is not installed, or the address is in use.
      Interrupted: somebody asked to stop.
    """
    address.check_installed()
    from trainers.serving import http
    from trainers.serving.endpoints import Endpoints

    run_dir = RunDir(Path(config.model_dir).expanduser())
    folder = Path(config.use.model).expanduser() if config.use.model else run_dir.export / "saved_model"
    name = _name(config.serve.served_name, run_dir)
    with address.listening(config.serve) as found:  # before the seconds that loading takes
        grow_gpu_memory()
        model = ServedModel.load(folder)
        _check_channels(model, folder)
        _warm_up(model)
        batcher = Batcher(
            examine.why_not,
            most=config.training.batch_size,
            most_pixels=headers.MAX_PIXELS,
            most_queued=config.serve.max_queued_images,
        )
        endpoints = Endpoints(name, model, batcher, config.serve)
        try:
            url = f"http://{address.in_words(found)}/v1/models/{name}"
            log.info(f"{folder}\nsignatures: {', '.join(sorted(model.signatures))}\nserving at {url}:predict")
            if not config.serve.host.startswith(_HERE):
                log.info("note: whoever reaches this address may ask, unencrypted: a proxy in front can ask who it is")
            http.serve(endpoints, found, config.serve, stop=stop)
        finally:
            batcher.close()
    counts = endpoints.counts
    log.info(
        f"answered {counted(counts.answered, 'request')} with {counted(counts.images, 'image')} in "
        f"{counted(batcher.calls, 'call')} of the model, refused {counted(counts.refused, 'request')}"
    )
    return {**vars(counts), "calls": batcher.calls}


def _check_channels(model: ServedModel, folder: Path) -> None:
    for signature in model.signatures.values():
        for spec in signature.inputs.values():
            if spec.shape.rank == 4 and spec.shape[-1] not in (None, 3):
                raise UserError(
                    f"{folder} takes images of {spec.shape[-1]} channels, and --phase=serve pictures of three: call "
                    "the SavedModel itself"
                )


def _name(given: str | None, run_dir: RunDir) -> str:
    """The model's name in addresses: as given, else that of the folder with other letters replaced."""
    if given is None:
        return re.sub(r"[^\w.-]", "-", run_dir.root.resolve().name)[:100] or "model"
    return given


def _warm_up(model: ServedModel) -> None:
    """Calls every signature once, so that the first request does not wait for what TensorFlow does at first."""
    plain = tf.io.encode_jpeg(np.zeros((32, 32, 3), np.uint8)).numpy()
    examine.why_not([plain])
    for signature in model.signatures.values():
        inputs: dict[str, Any] = {}
        for name, spec in signature.inputs.items():
            if spec.dtype == tf.string:
                inputs[name] = [plain if name == IMAGE_BYTES else b""]
            else:
                inputs[name] = np.zeros([1, *(size or 32 for size in spec.shape[1:])], spec.dtype.as_numpy_dtype)
        signature(inputs)
