"""Checks an installation of a LiteRT model. Lies in golden/, beside its images, as check.py.

python check.py [FOLDER]: feeds each model beside golden/ the stored tensors and compares its probabilities with those
that it gave when it was exported. Then the tensors that an app has made of the image files, FOLDER/1.npy and so on, or
else those that Pillow makes, are compared with the stored ones. Exit status 0 if all agree, else 1. Needs numpy, and
ai_edge_litert or TensorFlow.
"""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent


def tensor(path, how):
    """The image as Pillow reads it: uint8 [side, side, 3]."""
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    size, method = (how["image_size"],) * 2, Image.Resampling[how["interpolation"].upper()]
    if how["resize"] == "pad":
        return np.asarray(ImageOps.pad(image, size, method))
    if how["resize"] == "crop":
        short = min(image.size)
        left, top = ((length - short) // 2 for length in image.size)
        image = image.crop((left, top, left + short, top + short))
    return np.asarray(image.resize(size, method))


def runner_of(path):
    """What calls the model."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:  # the same under its old name
        import tensorflow as tf

        Interpreter = tf.lite.Interpreter
    return Interpreter(model_path=str(path)).get_signature_runner("serving_default")


def main(folder=None):
    """Prints a line for each image; returns the exit status."""
    golden, wrong = json.loads((HERE / "golden.json").read_text(encoding="utf-8")), 0
    stored = [np.load(HERE / image["tensor"], allow_pickle=False) for image in golden["images"]]

    def said(what, difference, most, unit):
        is_right = difference <= most  # NaN is not
        print(f"{what}: {'OK' if is_right else f'differs by {difference:.3g} {unit} ({most:g} is allowed)'}")
        return not is_right

    models = [name for name in golden["models"] if (HERE.parent / name).exists()]
    for name in models:
        runner, expected = runner_of(HERE.parent / name), golden["models"][name]
        for image, given, probabilities in zip(golden["images"], stored, expected["probabilities"], strict=True):
            found = runner(images=given[None])["probabilities"][0]
            difference = np.max(np.abs(found - probabilities))
            wrong += said(f"{name} on {image['file']}", difference, expected["tolerance"], "of a probability")
    for image, given in zip(golden["images"], stored, strict=True):
        if folder:
            made, by = np.load(Path(folder, image["tensor"]), allow_pickle=False), folder
        elif importlib.util.find_spec("PIL"):
            made, by = tensor(HERE / image["file"], golden), "Pillow"
        else:
            break
        what = f"{image['file']} read by {by}"
        if (made.shape, made.dtype) != (given.shape, given.dtype):
            print(f"{what}: is {made.dtype} {list(made.shape)}, not {given.dtype} {list(given.shape)}")
            wrong += 1
            continue
        difference = np.mean(np.abs(made.astype(float) - given))
        wrong += said(what, difference, golden["tensor_tolerance"], "of 255 in the mean over the pixels")
    if not models:
        print(f"none of {', '.join(golden['models'])} lies in {HERE.parent}")
    return int(wrong > 0 or not models)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
