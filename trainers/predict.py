"""--phase=predict: what a model says of pictures without labels."""

import dataclasses
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from ftdata import loose
from ftdata.config import DataConfig
from trainers import backbones, figures, original, strategy, streams, trained
from trainers.config import TrainConfig
from trainers.interrupt import StopRequest
from trainers.workdir import Workdir

_TOP = 5  # guesses kept for each picture
_SHOWN = 25  # pictures in the grid


@dataclasses.dataclass(frozen=True)
class Predictor:
    """A network from pixels 0..255 to probabilities, the names of its classes, how pictures are brought to it."""

    network: keras.Model
    class_names: Sequence[str]
    data: DataConfig
    name: str


def run(config: TrainConfig, *, stop: StopRequest) -> dict[str, Any]:
    """Predicts every picture of `config.use.images`; prints a table, or a line of JSON for each with `use.json`.

    Pictures that cannot be read are named on standard error and left out.

    Returns:
      `predictions`, a dict for each picture as in its JSON line, and `left_out`, the reason by file.

    Raises:
      ValueError: no picture there, none that can be read, or no model.
      Interrupted: somebody asked to stop.
    """
    workdir = Workdir(Path(config.model_dir).expanduser())
    strategy.grow_gpu_memory()
    predictor = _open(config, workdir)
    paths = loose.find(str(config.use.images))
    print(f"{predictor.name} on {len(paths)} images", file=sys.stderr, flush=True)
    rows: list[dict[str, Any]] = []
    shown: list[np.ndarray] = []
    batches = loose.decoded(paths, predictor.data, batch_size=config.training.batch_size)
    for row, image in _predictions(predictor, paths, stop.between(batches)):
        rows.append(row)
        shown += [image] if len(shown) < _SHOWN else []
        if config.use.json:
            tqdm.write(json.dumps(row, ensure_ascii=not streams.is_unicode(sys.stdout)), file=sys.stdout)
    predicted = {row["file"] for row in rows}
    left_out = {path: loose.why_not(path, predictor.data) for path in paths if path not in predicted}
    for path, why in left_out.items():
        print(f"left out: {path} {why}", file=sys.stderr)
    if not rows:
        raise ValueError(f"none of the {len(paths)} files of images {config.use.images!r} can be read as a picture")
    if not config.use.json:
        print("\n".join(_table(rows)), flush=True)
    grid = workdir.root / "predictions.png"
    captions = [f"{Path(row['file']).name[:28]}\n{row['predicted'][:24]} {row['probability']:.0%}" for row in rows]
    title = f"{predictor.name}: the first {len(shown)} of {len(rows)}"
    figures.save(figures.image_grid(np.stack(shown), captions[: len(shown)], title=title), grid)
    skipped = f", {len(left_out)} left out" if left_out else ""
    print(f"{len(rows)} images predicted{skipped}; the first {len(shown)} are drawn in {grid}", file=sys.stderr)
    return {"predictions": rows, "left_out": left_out}


def _open(config: TrainConfig, workdir: Workdir) -> Predictor:
    if config.use.model == "imagenet":
        side = config.data.image_size or backbones.default_size(config.model.backbone)
        data = dataclasses.replace(config.data, image_size=side)
        names = original.class_names()
        if names is None:
            print("note: the names of ImageNet's classes were not found: their numbers are given", file=sys.stderr)
        network = original.create(config.model, image_size=side)
        classes = names or [f"class {k}" for k in range(network.output_shape[-1])]
        return Predictor(network, classes, data, f"{config.model.backbone} (ImageNet)")
    model = trained.of_file(Path(config.use.model).expanduser()) if config.use.model else trained.of_run(workdir)
    network = model.load()
    data = model.adapt(config).data if model.settings else config.data
    data = dataclasses.replace(data, image_size=network.input_shape[1])
    return Predictor(network, model.class_names, data, str(model.path))


def _predictions(
    predictor: Predictor, paths: Sequence[str], batches: Iterable[tuple[tf.Tensor, tf.Tensor]]
) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """A row and the pixels, uint8 [side, side, 3], of each picture that can be read, in order."""
    side = int(predictor.data.image_size or 0)
    network = predictor.network

    @tf.function(input_signature=[tf.TensorSpec((None, side, side, 3), tf.uint8)])
    def probabilities_of(images: tf.Tensor) -> tf.Tensor:
        return network(tf.cast(images, tf.float32), training=False)

    with tqdm(total=len(paths), unit=" images", leave=False, disable=not sys.stderr.isatty()) as bar:
        for numbers, images in batches:
            probabilities = probabilities_of(images).numpy()
            for number, image, row in zip(numbers.numpy(), images.numpy(), probabilities, strict=True):
                bar.update(number + 1 - bar.n)
                yield _row(paths[number], row, predictor.class_names), image


def _row(path: str, probabilities: np.ndarray, class_names: Sequence[str]) -> dict[str, Any]:
    best = np.argsort(-probabilities, kind="stable")[:_TOP]
    top = [{"class": class_names[k], "index": int(k), "probability": float(probabilities[k])} for k in best]
    return {"file": path, "predicted": top[0]["class"], "probability": top[0]["probability"], "top": top}


def _table(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A line for each picture: its file and its best guesses."""
    width = max(len(row["file"]) for row in rows)
    for row in rows:
        guesses = "  ".join(f"{guess['probability']:>6.1%} {guess['class']}" for guess in row["top"])
        yield f"{row['file']:<{width}}  {guesses}"
