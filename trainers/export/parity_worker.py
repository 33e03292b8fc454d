"""Runs one exported model in a process of its own, without this project's code. Called by parity.py as a script.

python -I parity_worker.py FORMAT MODEL INPUTS OUTPUT: INPUTS is an .npz with `images`, uint8 [n, side, side, 3],
the files' bytes end to end (`content`) with the end of each (`ends`), and images of any size: `pixels`, uint8 [p] end
to end, with the `shapes` of each, int [k, 3]. OUTPUT, an .npz, gets what each way to call the model gives,
`WAY/probabilities` and perhaps `WAY/unlike`, and as JSON its latency in milliseconds. The way `any_size` is called with
the images of any size, one at a time.
"""

import importlib.abc
import json
import os
import sys
import time
import warnings


class _NoProject(importlib.abc.MetaPathFinder):
    """An editable installation would let the project's code be imported even here."""

    def find_spec(self, fullname, path, target=None):
        """Refuses this project's packages."""
        if fullname.split(".")[0] in ("ftdata", "trainers", "flags"):
            raise ImportError(f"{fullname} must not be needed to run an export")


def _saved_model(path):
    import tensorflow as tf

    loaded = tf.saved_model.load(path)
    read, pixels = (loaded.signatures[name] for name in ("serving_default", "pixels"))
    return {
        "serving_default": lambda images, files: _numbers(read(image_bytes=tf.constant(files))),
        "pixels": lambda images, files: _numbers(pixels(images=tf.constant(images))),
        "any_size": lambda images, files: _numbers(pixels(images=tf.constant(images))),
    }


def _numbers(found):
    return {name: found[name].numpy() for name in ("probabilities", "unlike") if name in found}


def _keras(path):
    import keras
    import tensorflow as tf

    model = keras.saving.load_model(path, compile=False, safe_mode=True)
    call = tf.function(lambda images: model(tf.cast(images, tf.float32), training=False), reduce_retracing=True)

    def answer(images, files):
        found = call(tf.constant(images))
        return _numbers(found if isinstance(found, dict) else {"probabilities": found})

    return {"call": answer}


def _litert(path):
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:  # the same interpreter under its old name
        import tensorflow as tf

        Interpreter = tf.lite.Interpreter

    runner = Interpreter(model_path=path).get_signature_runner("serving_default")
    return {"call": lambda images, files: runner(images=images)}


def _web(path):
    """The model of the page, one image at a time, by the same kernels outside a browser."""
    import numpy as np

    call = _litert(os.path.join(path, "model.tflite"))["call"]

    def answer(images, files):
        found = [call(images[k : k + 1], files) for k in range(len(images))]
        return {name: np.concatenate([one[name] for one in found]) for name in found[0]}

    return {"call": answer}


def _onnx(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def call(images, files):
        return dict(zip(names, session.run(names, {"images": images}), strict=True))

    return {"call": call, "any_size": call}


def _openvino(path):
    sys.modules["openvino_telemetry"] = None  # its import fails, so that OpenVINO tells nobody that it is used
    import openvino

    core = openvino.Core()
    model = core.read_model(f"{path}/model.xml")

    def compiled(**settings):
        ready = core.compile_model(model, "CPU", settings)
        names = [output.any_name for output in ready.outputs]

        def call(images, files):
            found = ready({"images": images})
            return {name: found[name].copy() for name in names}

        return call, ready.get_property("INFERENCE_PRECISION_HINT").get_type_name()

    exact, _ = compiled(INFERENCE_PRECISION_HINT="f32")
    usual, precision = compiled()
    return {"call": exact, "any_size": exact, **({} if precision == "f32" else {f"default_{precision}": usual})}


_READERS = {  # the rest is LiteRT
    "saved_model": _saved_model,
    "keras": _keras,
    "onnx": _onnx,
    "openvino": _openvino,
    "web": _web,
}


def _latency(call, images, files, sizes=(1, 32)):
    """Milliseconds a call for each size of a batch: for three seconds or 50 calls, after three to warm up."""
    import numpy as np

    result = {}
    for size in sizes:
        batch = np.resize(images, (size, *images.shape[1:]))
        encoded = [files[k % len(files)] for k in range(size)]
        times, began = [], time.perf_counter()
        while len(times) < 53 and (len(times) < 5 or time.perf_counter() - began < 3):
            start = time.perf_counter()
            call(batch, encoded)
            times.append(1000 * (time.perf_counter() - start))
        result[str(size)] = {f"p{p}": float(np.percentile(times[3:], p)) for p in (50, 95, 99)}
    return result


def main(kind, model, inputs, output):
    """Reads, runs, times and writes."""
    sys.meta_path.insert(0, _NoProject())
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1", KERAS_BACKEND="tensorflow")
    warnings.simplefilter("ignore")
    import numpy as np

    given = np.load(inputs, allow_pickle=False)
    images, ends = given["images"], given["ends"]
    content = given["content"].tobytes()
    files = [content[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    shapes = given["shapes"]
    places = np.cumsum(shapes.prod(axis=1))[:-1]
    whole = [part.reshape(1, *shape) for part, shape in zip(np.split(given["pixels"], places), shapes, strict=True)]
    ways = _READERS.get(kind, _litert)(model)
    results, latency = {}, {}
    for name, call in ways.items():
        if name == "any_size":
            parts = [call(image, None) for image in whole]
            latency[name] = _latency(call, whole[0], files, sizes=(1,))
        else:
            parts = [call(images[k : k + 32], files[k : k + 32]) for k in range(0, len(images), 32)]
            latency[name] = _latency(call, images, files)
        results |= {f"{name}/{key}": np.concatenate([part[key] for part in parts]) for key in parts[0]}
    np.savez(output, latency=json.dumps(latency), **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
