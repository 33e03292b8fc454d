"""A trained model with the images it is measured on: its run's held-out splits, or another folder."""

import contextlib
import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ftdata import pipeline
from ftdata.cache import tiers
from ftdata.cache.images import Images, from_tensor
from ftdata.config import DataConfig
from ftdata.errors import UserError
from ftdata.folders.folder import nearly_one_of
from ftdata.labels import counts, renumbered
from ftdata.log import log
from ftdata.names import composed, counted, listed
from ftdata.sources import bad_images
from ftdata.sources.files import open_files
from ftdata.sources.source import Source, open_source
from ftdata.sources.split import Split
from trainers.commands.trained_model import TrainedModel
from trainers.evaluation import scores
from trainers.evaluation.calibration import Temperature, fit_temperature
from trainers.evaluation.scores import Evaluation
from trainers.evaluation.step import EvaluationStep, InferenceStep
from trainers.models.classifier import features_of
from trainers.rundir import seen
from trainers.rundir.checkpoint import weights_sha256
from trainers.rundir.fingerprint import data_differences, data_fingerprint
from trainers.rundir.run_dir import RunDir, read_json
from trainers.runtime.compilation import compile_mode
from trainers.runtime.devices import distribute, runs_on_gpu
from trainers.runtime.signals import StopRequest

_WHICH = ("dataset", "image_dir", "labels_csv", "records")


def names_other_images(given: DataConfig, trained: TrainedModel) -> bool:
    """Whether the user has named images other than those the model was trained on."""

    def resolved(data: DataConfig) -> list[str | None]:
        files = (data.image_dir, data.labels_csv, data.records)
        return [data.dataset, *(value and str(Path(value).expanduser().resolve()) for value in files)]

    is_named = any(getattr(given, name) for name in _WHICH)
    return is_named and resolved(given) != resolved(trained.data)


def open_own(given: DataConfig, trained: TrainedModel, *, moved: bool = False) -> Source:
    """The data set the model was trained on, split as it was then.

    Args:
      given: by the user: where prepared data sets and the list of what is left out lie.
      trained: the model.
      moved: the images lie where `given` says by now.

    Raises:
      UserError: it cannot be opened, or has other classes now.
    """
    places = {name: value for name in ("data_dir", "manual_dir", "exclude_csv") if (value := getattr(given, name))}
    places |= {name: getattr(given, name) for name in _WHICH} if moved else {}
    source = open_source(dataclasses.replace(trained.data, **places))
    if trained.settings.get("folds"):
        source = source.pooled()  # as it was trained
    if source.class_names != trained.class_names:
        raise UserError(
            f"{source.name} has the classes {listed(source.class_names, limit=20)} now, and the model was trained on "
            f"{listed(trained.class_names, limit=20)}"
        )
    recorded = (read_json(trained.path.parent.with_name("config.json")) or {}).get("phases", {})
    before = recorded.get(trained.phase, {}).get("data")
    changes = data_differences(before, data_fingerprint(source)) if before else []
    if changes:
        log.info("note: the images are no longer those the model was trained on, so they may be split otherwise:")
        log.info("\n".join(f"  {line}" for line in changes))
    return source


def open_other(given: DataConfig, trained: TrainedModel) -> Source:
    """The images the user names: their test set where there is one, else all of them, as the split `test`.

    Where they are the very images of the model's run, moved or under other names, they are split as they were then.

    Raises:
      UserError: they cannot be opened, or have classes that the model does not know.
    """
    if given.task != trained.task == "single":
        raise UserError("task must be single for this model, which was trained on one class an image, got multi")
    of_task: dict[str, Any] = {
        "task": trained.task,
        "label_separator": given.label_separator if trained.task == "multi" else None,
        "channels": trained.data.channels,
    }
    data = dataclasses.replace(given, validation_fraction=0.0, exclude_csv=None, **of_task)
    notes = list[str]()
    if data.named_files:
        files = open_files(data, known=[composed(name) for name in trained.class_names])
        name, class_names, everything = data.named_files, files.class_names, files.splits["test"]
        whole = [everything]
        notes += files.notes
        if files.bad_images:
            notes.append(f"{counted(len(files.bad_images), 'image')} skipped ({bad_images.summary(files.bad_images)})")
    else:
        source = open_source(data)
        name, class_names = source.name, source.class_names
        everything = source.test if len(source.test) else source.train
        whole = [source.train, source.validation, source.test]
    record = seen.of_model(trained.path)
    own = f"note: {name} holds the images of the model's own run: its test set is evaluated"
    if record and record.is_of(whole):
        with contextlib.suppress(UserError):  # all of them in test/: nothing to split, and `seen` warns of the rest
            source = open_own(given, trained, moved=True)
            log.info(own)
            return source
    elif record and record.is_test_set(everything):
        log.info(own)
    place_of = {composed(known): place for place, known in enumerate(trained.class_names)}
    unknown = [class_name for class_name in class_names if composed(class_name) not in place_of]
    if unknown:
        raise UserError(
            f"{name} has classes that the model does not know: {listed(unknown, limit=20)}; it knows "
            f"{listed(trained.class_names, limit=20)}{nearly_one_of(unknown, trained.class_names)}"
        )
    place = np.array([place_of[composed(class_name)] for class_name in class_names], np.int32)
    chosen = dataclasses.replace(everything, labels=renumbered(everything.labels, place, len(trained.class_names)))
    there = counts(chosen.labels, len(trained.class_names))
    lacking = [known for known, count in zip(trained.class_names, there, strict=True) if not count]
    if lacking:
        notes.append(f"no images of {counted(len(lacking), 'class')} that the model knows: {listed(lacking)}")
    nothing = chosen.subset(np.zeros(len(chosen), bool))
    return Source(name, trained.class_names, nothing, nothing, chosen, tuple(notes))


class Evaluator:
    """A trained model on devices, ready to score the splits of a source.

    Args:
      network: float32 [b, side, side, 3], pixels 0..255, to probabilities [b, num_classes].
      source: the data.
      data: how its images are decoded.
      batch_size: images a step over all devices; rounded up to a multiple of them.
      devices: of this process.
      jit_compile: whether XLA compiles the step: `auto`, `true` or `false`.
      fold_batch_norm: whether batch normalization is computed as part of the convolution before it.
      stop: tells when somebody asks to stop.
      splits: to open, of those that hold images.

    Raises:
      UserError: a file that cannot be read or decoded; the message names it.
      Interrupted: somebody asked to stop.
    """

    def __init__(
        self,
        network: keras.Model,
        source: Source,
        data: DataConfig,
        *,
        batch_size: int,
        devices: tf.distribute.Strategy,
        jit_compile: str,
        fold_batch_norm: bool,
        stop: StopRequest,
        splits: Sequence[str] = ("validation", "test"),
    ):
        self.network, self.source, self.data = network, source, data
        self.devices, self._stop = devices, stop
        replicas = devices.num_replicas_in_sync
        self._batch_size = -(-batch_size // replicas) * replicas
        filled = stop.between(name for name in splits if len(source.splits[name]))
        self.images = {name: _open(source.splits[name], data) for name in filled}
        self._options: dict[str, Any] = {
            "strategy": devices,
            "compiled": compile_mode(jit_compile, on_gpu=runs_on_gpu(devices)),
            "fold_batch_norm": fold_batch_norm,
        }
        self._known: dict[str, Evaluation] = {}
        self._asked: tuple[keras.Model, InferenceStep] | None = None  # for features, last: it is traced once
        self._score = EvaluationStep(network, **self._options)

    def features(self, network: keras.Model, split: Split) -> np.ndarray:
        """What a classifier says of each image as a whole (`classifier.features_of`): float32 [n, channels].

        The images need not be those of this evaluator's splits.
        """
        opened = next((self.images[name] for name in self.images if self.source.splits[name] is split), None)
        return self._features(network, opened or tiers.open_split(split, self.data, tier="none"), split.labels)

    def features_of_pixels(self, network: keras.Model, pixels: np.ndarray) -> np.ndarray:
        """As `features`, of uint8 [n, side, side, 3]."""
        return self._features(network, from_tensor(tf.constant(pixels)), np.zeros(len(pixels), np.int32))

    def _features(self, network: keras.Model, images: Images, labels: np.ndarray) -> np.ndarray:
        if self._asked is None or self._asked[0] is not network:
            self._asked = network, InferenceStep(features_of(network), **self._options)
        step = self._asked[1]
        found = [step(batch) for batch in self._batches(images, labels)]
        order = np.concatenate([index for index, _ in found])
        rows = np.concatenate([values for _, values in found]).astype(np.float32)
        return rows[np.argsort(order)]

    def evaluate(self, name: str) -> Evaluation:
        """The scores of a split, which is scored once."""
        if name not in self._known:
            self._known[name] = self._scored(name)
        return self._known[name]

    def _scored(self, name: str) -> Evaluation:
        labels = self.source.splits[name].labels
        return scores.evaluate_batches(self._score, self._batches(self.images[name], labels), labels)

    def _batches(self, images: Images, labels: np.ndarray) -> Iterable[pipeline.Batch]:
        replicas = self.devices.num_replicas_in_sync
        shard = pipeline.Shard(count=replicas, total=replicas)
        dataset = pipeline.for_evaluation(images, labels, global_batch=self._batch_size, shard=shard)
        return self._stop.between(distribute(self.devices, dataset))


def fit_on_validation(evaluator: Evaluator, trained: TrainedModel | None) -> Temperature | None:
    """The temperature that suits the validation split, or else what the folds of `trained` left out, or None."""
    if len(evaluator.source.validation):
        return fit_temperature(evaluator.evaluate("validation"))
    metrics = trained.metrics if trained else {}
    count = metrics.get("temperature_images")
    return Temperature(metrics["temperature"], count) if count else None


def stored_temperature(
    run_dir: RunDir, network: keras.Model, *, test_time_augmentation: str = "none"
) -> Temperature | None:
    """The temperature that an earlier evaluation has found for these very weights, averaged alike, or None."""
    earlier = read_json(run_dir.evaluation / "metrics.json") or {}
    is_of_these = earlier.get("weights_sha256") == weights_sha256(network.weights)
    is_alike = earlier.get("test_time_augmentation", "none") == test_time_augmentation
    count = earlier.get("temperature_images")  # absent where it was fitted without regard to the evidence
    return Temperature(earlier["temperature"], count) if is_of_these and is_alike and count else None


def _open(split: Split, config: DataConfig) -> Images:
    """Images are read once: memory where they fit, which names a bad file, else decoded on the way."""
    plan = tiers.plan(dataclasses.replace(config, cache="auto"), train=0, held_out=len(split), on_gpu=False)
    return tiers.open_split(split, config, tier="memory" if "memory" in plan.tiers else "none")
