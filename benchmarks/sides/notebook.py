"""The notebook's way of training: ImageDataGenerator, flow_from_directory, compile, fit. For Keras 3."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from benchmarks.harness import memory
from benchmarks.harness.networks import Network, Task
from benchmarks.sides import image_data_generator
from trainers.models import backbones, preprocessing
from trainers.runtime import devices

_PIXELS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "tf": lambda pixels: pixels / 127.5 - 1.0,
    "lite": lambda pixels: (pixels - 127.0) / 128.0,
}


class Notebook:
    """One side of a comparison, in a process of its own.

    Args:
      task: what is trained.
      jit_compile: of `compile`; "auto" is its default.
    """

    def __init__(self, task: Task, jit_compile: str | bool):
        devices.grow_gpu_memory()
        keras.utils.set_random_seed(0)
        self.task, self.jit_compile = task, jit_compile
        network = task.network
        sizes = {"batch_size": network.batch_size, "side": network.image_size}
        self.training = image_data_generator.flow(task.folder / "train", **sizes, **_preprocessing(network))
        balanced = compute_class_weight("balanced", classes=np.unique(self.training.classes), y=self.training.classes)
        self.class_weight = dict(enumerate(balanced))
        self.base, self.model = _build(network, self.training.num_classes)

    def prepare(self, phase: str) -> None:
        """Freezes, compiles and warms up."""
        network = self.task.network
        self.base.trainable = phase == "finetune"
        for layer in self.base.layers if phase == "finetune" else []:
            is_chosen = network.unfreeze == ("all",) or layer.name.startswith(network.unfreeze)
            layer.trainable = is_chosen and not isinstance(layer, keras.layers.BatchNormalization)
        self._compile(0.0)
        self._fit(2)
        self.model.optimizer.learning_rate = self.task.learning_rates[phase]

    def train(self, steps: int) -> None:
        """Trains so many steps."""
        self._fit(steps)

    def epoch(self) -> float:
        """Trains a pass over the images and returns the accuracy on the validation images."""
        network = self.task.network
        self._fit(len(self.training.classes) // network.batch_size)
        flow = image_data_generator.read(
            image_data_generator.create(**_preprocessing(network)),
            self.task.folder / "validation",
            batch_size=network.batch_size,
            side=network.image_size,
            shuffle=False,
        )
        return float(self.model.evaluate(flow, verbose=0, return_dict=True)["categorical_accuracy"])

    def memory(self) -> dict[str, float]:
        """Resident memory, MiB."""
        return memory.now()

    def _compile(self, learning_rate: float) -> None:
        self.model.compile(
            optimizer=keras.optimizers.Adam(learning_rate=learning_rate),
            loss="categorical_crossentropy",
            metrics=["categorical_accuracy"],
            jit_compile=self.jit_compile,
        )

    def _fit(self, steps: int) -> None:
        self.model.fit(self.training, steps_per_epoch=steps, epochs=1, class_weight=self.class_weight, verbose=0)


def _preprocessing(network: Network) -> dict[str, Any]:
    """The arguments of ImageDataGenerator: pixels / 255, or what the backbone's weights expect."""
    if network.model.preprocessing == "rescale":
        return {"rescale": 1 / 255}
    kind = preprocessing.kind_of(network.model.backbone)
    if kind not in _PIXELS:
        raise ValueError(f"the notebook's side has no preprocessing for {network.name}; MobileNetV2 has one")
    return {"rescale": None, "preprocessing_function": _PIXELS[kind]}


def _build(network: Network, num_classes: int) -> tuple[keras.Model, keras.Model]:
    """The base, and the classifier on it."""
    config, layers = network.model, keras.layers
    base = backbones.create(
        config.backbone,
        image_size=network.image_size,
        weights=config.weights,
        policy="float32",
        arguments=config.backbone_args,
    )
    head: list[keras.layers.Layer] = [
        layers.Flatten() if config.pooling == "flatten" else layers.GlobalAveragePooling2D()
    ]
    head += [layers.Dense(config.dense_units, activation="relu")] if config.dense_units else []
    head += [layers.Dropout(config.dropout), layers.Dense(num_classes, activation="softmax")]
    return base, keras.Sequential([base, *head])
