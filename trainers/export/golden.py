"""`golden/`: a few test images, what becomes of each on its way through the model, and a script that checks an
installation by them."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ftdata import labels
from ftdata.decoding.decode import Decoding
from trainers.export import formats
from trainers.export.parity import Samples
from trainers.rundir.run_dir import write_json

IMAGES = 5
_SCRIPT = Path(__file__).with_name("golden_check.py")
# The largest difference of a probability from what the same file gave where it was exported. LiteRT's kernels for other
# processors (its reference kernels, on 200 images of the demo) differed by 8e-7 in float32 and 0.125 in int8.
_TOLERANCES = {"litert": 1e-3, "litert_float16": 0.01, "litert_int8": 0.2}
# Mean difference of pixels, of 255: Pillow's were 0.24 from ours there (1 at most). Scaled JPEGs are 1.0 apart.
_TENSOR_TOLERANCES = {"full": 1.0, "scaled": 3.0}
_ENDINGS = {b"\xff\xd8": "jpg", b"\x89P": "png", b"GI": "gif", b"RI": "webp", b"BM": "bmp"}


def write(
    folder: Path, samples: Samples, answers: Mapping[str, np.ndarray], class_names: tuple[str, ...], decoding: Decoding
) -> int:
    """Writes the folder, in place of an earlier one, and returns how many images are in it.

    Args:
      folder: the path.
      samples: images, of which the smallest files are taken, in turn from each class.
      answers: by LiteRT format, the probabilities that its file gave for all samples, float32 [n, num_classes].
      class_names: in the order of the probabilities.
      decoding: how files become tensors.

    Raises:
      OSError: no space, no permission; an earlier folder is still there.
    """
    chosen = _chosen(samples)

    def fill(temporary: Path) -> None:
        temporary.mkdir()
        images = []
        for number, place in enumerate(chosen, start=1):
            content = samples.files[place]
            file, tensor = f"{number}.{_ENDINGS.get(content[:2], 'image')}", f"{number}.npy"
            (temporary / file).write_bytes(content)
            np.save(temporary / tensor, samples.images[place])
            images.append(
                {"file": file, "tensor": tensor, "class": labels.in_words(samples.labels[place], class_names)}
            )
        values: dict[str, Any] = {
            "class_names": list(class_names),
            **{name: getattr(decoding, name) for name in ("image_size", "resize", "interpolation")},
            "images": images,
            "tensor_tolerance": _TENSOR_TOLERANCES[decoding.jpeg_decode],
            "models": {
                formats.FILES[kind]: {"tolerance": _TOLERANCES[kind], "probabilities": rows[chosen].tolist()}
                for kind, rows in answers.items()
            },
        }
        write_json(temporary / "golden.json", values)
        shutil.copyfile(_SCRIPT, temporary / "check.py")

    formats.replace_folder(folder, fill)
    return len(chosen)


def remove(folder: Path) -> None:
    """Removes the folder, if it is there."""
    shutil.rmtree(folder, ignore_errors=True)


def _chosen(samples: Samples) -> list[int]:
    """The smallest file of each class, then the second smallest of each, until there are enough."""
    by_class: dict[int, list[int]] = {}
    for place in sorted(range(len(samples.files)), key=lambda place: (len(samples.files[place]), place)):
        label = samples.labels[place]
        number = int(label) if np.ndim(label) == 0 else int(np.argmax(label))  # of several labels by the first
        if number >= 0:  # -1 is of no class
            by_class.setdefault(number, []).append(place)
    spread = [by_class[label] for label in sorted(by_class)]
    if len(spread) > IMAGES:
        spread = [spread[k] for k in np.linspace(0, len(spread) - 1, IMAGES).astype(int)]
    ranked = [places[rank] for rank in range(IMAGES) for places in spread if rank < len(places)]
    return ranked[:IMAGES]
