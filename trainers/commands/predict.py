"""--phase=predict: what a model says of images without labels."""

import dataclasses
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from ftdata.cache import in_flight
from ftdata.config import DataConfig
from ftdata.errors import UserError, in_words
from ftdata.folders import folder, named_images
from ftdata.inspection import common_reason
from ftdata.log import log, on_stderr
from ftdata.names import counted
from ftdata.sources import unlabeled
from trainers.commands import class_thresholds, label_evaluation, none_of_these, predicted_rows, trained_model
from trainers.config import TrainConfig, multi_label, other_channels
from trainers.evaluation import figures, label_next, tiles
from trainers.evaluation.thresholds import Thresholds
from trainers.models import backbones, folding, imagenet, imagenet_weights, symmetries
from trainers.models.classifier import features_of, task_of
from trainers.models.novelty import Novelty
from trainers.rundir.run_dir import RunDir
from trainers.runtime.devices import grow_gpu_memory
from trainers.runtime.signals import StopRequest

_SHOWN = 25  # images in the grid


@dataclasses.dataclass(frozen=True)
class Predictor:
    """What predicts.

    Attributes:
      network: float32 [b, side, side, channels], pixels 0..255, to probabilities [b, num_classes].
      class_names: in the order of the probabilities.
      data: how images are decoded for it.
      name: where the network comes from, for messages.
      thresholds: from which an answer is accepted, where an evaluation has chosen them.
      novelty: how far an image lies from the classes, 1 where none of them begins, where an evaluation has found it.
      least: of a model of several labels an image, the probabilities from which each is given, float32 [num_classes].
      averaged_over: which of `symmetries.KINDS` its probabilities are averaged over.
    """

    network: keras.Model
    class_names: Sequence[str]
    data: DataConfig
    name: str
    averaged_over: str
    thresholds: Thresholds | None = None
    novelty: Novelty | None = None
    least: np.ndarray | None = None


def run(config: TrainConfig, *, stop: StopRequest) -> dict[str, Any]:
    """Predicts every image of `config.use.images`; prints a table, or a line of JSON for each with `use.json`.

    Every image is examined as before training; those that cannot be used are named on standard error and skipped.

    Returns:
      `predictions`, a dict for each image as in its JSON line, and `left_out`, the reason by file.

    Raises:
      UserError: no image there, none that can be read, or no model.
      Interrupted: somebody asked to stop.
    """
    with on_stderr():  # standard output is for answers
        return _run(config, stop)


def _run(config: TrainConfig, stop: StopRequest) -> dict[str, Any]:
    run_dir = RunDir(Path(config.model_dir).expanduser())
    grow_gpu_memory()
    predictor = _open(config, run_dir, on_gpu=bool(tf.config.list_logical_devices("GPU")))
    paths, notes = named_images.find(str(config.use.images), channels=predictor.data.channels)
    grid = run_dir.root / "predictions.png"
    paths = [path for path in paths if not (path.endswith(grid.name) and grid.exists() and grid.samefile(path))]
    for note in notes:
        log.info(note)
    kind = predictor.averaged_over
    averaged = "" if kind == "none" else f", averaged over {symmetries.KINDS[kind]} of each ({kind})"
    about = f"{predictor.name} on {counted(len(paths), 'image')}{averaged}"
    log.info("\n".join([about, *predicted_rows.thresholds(predictor.class_names, predictor.least)]))
    rows: list[dict[str, Any]] = []
    shown: list[np.ndarray] = []
    skipped, largest = unlabeled.examined(paths, str(config.use.images), predictor.data)
    good = [path for path in paths if path not in skipped]
    calls = in_flight.calls(largest, channels=predictor.data.channels)
    size = config.training.batch_size
    batches = unlabeled.decoded(good, predictor.data, batch_size=size, calls=calls) if good else ()
    for row, image in _predictions(predictor, good, stop.between(batches)):
        rows.append(row)
        shown += [image] if len(shown) < _SHOWN else []
        if config.use.json:
            tqdm.write(predicted_rows.json_line(row), file=sys.stdout)
    predicted = {row["file"] for row in rows}
    skipped |= {path: unlabeled.why_not(path, predictor.data) for path in good if path not in predicted}
    reasons = {folder.shown(path): why for path, why in skipped.items()}
    if not rows:
        raise UserError(common_reason.of_answered(reasons, total=len(paths), names=f"images={config.use.images}"))
    for line in common_reason.skipped(reasons, total=len(paths)):
        log.info(line)
    if not config.use.json:
        print("\n".join(predicted_rows.table(rows)), flush=True)
    count = f", {len(skipped)} skipped" if skipped else ""
    if predictor.thresholds:
        refused = sum(not row["accepted"] for row in rows)
        count += f", {refused} answers below the threshold of their class"
    if predictor.novelty:
        count += f", {sum(row['none_of_these'] for row in rows)} of none of the classes"
    if config.use.label_next:
        log.info(_to_label(run_dir.root / "label_next.csv", str(config.use.images), rows, config.use.label_next))
    drawn = _draw(grid, predictor, rows, shown)
    log.info(f"{counted(len(rows), 'image')} predicted{count}; {drawn}")
    return {"predictions": rows, "left_out": skipped}


def _open(config: TrainConfig, run_dir: RunDir, *, on_gpu: bool) -> Predictor:
    fold_batch_norm, averaged_over = config.runtime.fold_batch_norm, config.use.test_time_augmentation
    if config.use.model == "imagenet":
        model = dataclasses.replace(config.model, backbone=imagenet_weights.chosen(config.model, include_top=True))
        side = config.data.image_size or backbones.default_size(model.backbone)
        data = dataclasses.replace(config.data, image_size=side)
        names = imagenet.class_names()
        if names is None:
            log.info("note: the names of ImageNet's classes were not found: their numbers are given")
        network = imagenet.create(model, image_size=side)
        network = folding.for_inference(network) if folding.resolve(fold_batch_norm, on_gpu=on_gpu) else network
        classes = names or [f"class {k}" for k in range(network.output_shape[-1])]
        return Predictor(network, classes, data, f"{model.backbone} (ImageNet)", averaged_over)
    trained = (
        trained_model.of_file(Path(config.use.model).expanduser())
        if config.use.model
        else trained_model.of_run(run_dir)
    )
    network = trained.load()
    several = task_of(network) == "multi"
    multi_label.check_use(config.use, task=task_of(network))
    other_channels.check_use(config.use, channels=network.input_shape[-1])
    chosen, boundary = None, None
    if not config.use.model and not several:
        chosen = class_thresholds.kept(run_dir, network, trained, test_time_augmentation=averaged_over)
        boundary = none_of_these.kept(run_dir, network)
    if boundary:
        network = keras.Model(network.inputs[0], [network.outputs[0], features_of(network).outputs[0]])
    network = folding.for_inference(network) if trained.folds(fold_batch_norm, on_gpu=on_gpu) else network
    data = trained.adapt(config.data) if trained.settings else config.data
    data = dataclasses.replace(data, image_size=network.input_shape[1], channels=network.input_shape[-1])
    return Predictor(
        network,
        trained.class_names,
        data,
        str(trained.path),
        averaged_over,
        chosen.thresholds if chosen else None,
        boundary.novelty if boundary else None,
        label_evaluation.least_of(trained) if several else None,
    )


def _predictions(
    predictor: Predictor, paths: Sequence[str], batches: Iterable[tuple[tf.Tensor, tf.Tensor]]
) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """A row and the pixels, uint8 [side, side, channels], of each image that can be read, in order."""
    network = predictor.network

    @tf.function(input_signature=[tf.TensorSpec(network.input_shape, tf.uint8)], autograph=False)
    def answers_of(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor | None]:
        several = symmetries.images_of(tf.cast(images, tf.float32), predictor.averaged_over)
        found = [network(image, training=False) for image in several]
        if predictor.novelty is None:
            return tf.add_n(found) / len(found), None
        answers, features = zip(*found, strict=True)  # how far an image lies is said of itself
        return tf.add_n(answers) / len(answers), features[0]

    with tqdm(total=len(paths), unit=" images", leave=False, disable=not sys.stderr.isatty()) as bar:
        for numbers, images in batches:
            answers, features = answers_of(images)
            probabilities = answers.numpy()
            unlike = predictor.novelty.distances(features.numpy()) if predictor.novelty else None
            accepted = predictor.thresholds.accepted(probabilities) if predictor.thresholds else None
            for place, (number, image) in enumerate(zip(numbers.numpy(), images.numpy(), strict=True)):
                bar.update(number + 1 - bar.n)
                row = predicted_rows.row(paths[number], probabilities[place], predictor.class_names, predictor.least)
                row |= {} if accepted is None else {"accepted": bool(accepted[place])}
                if unlike is not None:
                    row |= {"unlike": float(unlike[place]), "none_of_these": bool(unlike[place] > 1)}
                yield row, image


def _to_label(path: Path, images: str, rows: Sequence[dict[str, Any]], count: int) -> str:
    """Lists what to label next; returns what to say of it."""
    folder = os.path.abspath(os.path.expanduser(images))
    parents = [os.path.dirname(os.path.abspath(row["file"])) for row in rows]
    root = folder if os.path.isdir(folder) else os.path.commonpath(parents)
    names = [os.path.relpath(os.path.abspath(row["file"]), root) for row in rows]
    try:
        listed, path = label_next.write(path, rows, names, count)
    except OSError as error:
        return f"what to label next is not listed: {in_words(error)}"
    return (
        f"{listed} images to label next are in {path}, by their names in {root}: fill in its column label, delete the "
        "rows of no class, and add the rest to your images (--labels_csv reads it)"
    )


def _draw(grid: Path, predictor: Predictor, rows: Sequence[dict[str, Any]], shown: Sequence[np.ndarray]) -> str:
    """Draws the first images; returns what to say of it. A folder that cannot be written does not undo the answers."""
    names = [folder.shown(Path(row["file"]).name)[:28] for row in rows[: len(shown)]]
    captions = [f"{name}\n{predicted_rows.caption(row)}" for name, row in zip(names, rows, strict=False)]
    title = f"{predictor.name}: the first {len(shown)} of {len(rows)}"
    try:
        figures.save(tiles.image_grid(np.stack(shown), captions, title=title), grid)
    except OSError as error:
        cause = error.__cause__ or error
        return f"not drawn: {grid} cannot be written ({getattr(cause, 'strerror', None) or cause})"
    which = f"the first {len(shown)} are" if len(shown) < len(rows) else "it is" if len(rows) == 1 else "they are"
    return f"{which} drawn in {grid}"
