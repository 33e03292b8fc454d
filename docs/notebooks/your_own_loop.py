# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A loop of your own
#
# `ftdata` is of use without the rest of the package: it opens a folder of images (or a CSV, or a data set of TFDS),
# decodes every image once into the fastest cache that holds them, and gives batches in an order that is a function of
# the seed. What trains on them is up to you; here it is plain `model.fit`.
#
# `NOTEBOOK_FOLDER` in the environment names a folder with a folder for each class; without it the embedded `cutlery` is
# used. It trains four epochs; with `NOTEBOOK_QUICK=1` only five steps, which is how the tests run it.

# %%
import os

import keras
import numpy as np
import tensorflow as tf

import ftdata
from ftdata import pipeline
from ftdata.augment import Augmentation
from ftdata.cache import open_all

FOLDER = os.environ.get("NOTEBOOK_FOLDER")
QUICK = bool(os.environ.get("NOTEBOOK_QUICK"))
SIZE, BATCH, SEED = 64, 32, 0
EPOCHS, MOST_STEPS = (1, 5) if QUICK else (4, 10_000)
keras.utils.set_random_seed(SEED)

# %% [markdown]
# ## Open
#
# A folder is one call; everything else is a `DataConfig`, whose fields are the flags of the command line. Either way
# the result is a `Source` with three splits. Files that cannot be used are an error that names each of them with its
# reason, unless `on_bad_image="skip"` is given, which takes up to `max_bad_fraction`.

# %%
if FOLDER:
    data = ftdata.DataConfig(image_dir=FOLDER, image_size=SIZE)
    source = ftdata.load_folder(FOLDER, image_size=SIZE)
else:
    data = ftdata.DataConfig(dataset="cutlery", image_size=SIZE)
    source = ftdata.open_source(data)
count = len(source.class_names)
print(f"{source.name}: {', '.join(source.class_names)}")
print(f"{len(source.train)} training, {len(source.validation)} validation, {len(source.test)} test images")
for note in source.notes:
    print(note)

# %% [markdown]
# ## Cache
#
# All splits, decoded once to uint8 [n, 64, 64, 3] and kept in memory or in a file, as it fits, or decoded at every step
# (`DataConfig(cache=...)` decides otherwise). The line that is printed says which and why.

# %%
images = open_all(source, data, on_gpu=False)
print(images["train"].take(np.arange(2)).shape)

# %% [markdown]
# ## Batches
#
# `for_training` gives the batches of the steps from `steps[0]` to before `steps[1]`. Every pass shows every image once,
# in an order that follows from (seed, pass) alone. So the batch of any step can be made by itself, and a run that
# resumes at step 3 needs no batch before it:

# %%
steps_per_epoch = min(MOST_STEPS, -(-len(source.train) // BATCH))
uniform = np.ones(count, np.float32)  # weights of the classes


def batches(first, end):
    """Batches as dicts of image, index, slot, label and weight."""
    return pipeline.for_training(
        images["train"],
        source.train.labels,
        class_weights=uniform,
        global_batch=BATCH,
        seed=SEED,
        steps=(first, end),
    )


(alone,) = batches(3, 4)
in_line = list(batches(0, 4))[3]
assert np.array_equal(alone["index"], in_line["index"])
print({name: f"{value.dtype.name} {tuple(value.shape)}" for name, value in alone.items()})

# %% [markdown]
# ## Augment
#
# Two ways. `ftdata.RandomAffine` is a Keras layer that goes into the model, as below. `Augmentation` is what
# `trainers.run` uses: all the configured layers in their order, a function of (seed, step, place in the batch), so that
# a step that is repeated augments alike:

# %%
augmentation = Augmentation(ftdata.AugmentConfig(rotation_range=180.0, horizontal_flip=True), seed=SEED)
twice = [augmentation(alone["image"], alone["slot"], step=tf.constant(3), global_batch=BATCH).images for _ in range(2)]
assert np.array_equal(*twice)

# %% [markdown]
# ## Train
#
# The labels are whole numbers and the weights are sample weights, so a batch becomes (image, label, weight).
# `for_evaluation` gives every image exactly once, in order; what fills up its last batch has weight 0, which
# `weighted_metrics` respects.


# %%
def for_keras(batch):
    """(image, label, weight) as `model.fit` takes them."""
    return batch["image"], batch["label"], batch["weight"]


def evaluation_batches(name):
    """Every image of a split once."""
    split = {"validation": source.validation, "test": source.test}[name]
    return pipeline.for_evaluation(images[name], split.labels, global_batch=BATCH).map(for_keras)


def block(channels):
    """A convolution, normalized, at half the size."""
    return [
        keras.layers.Conv2D(channels, 3, padding="same", use_bias=False),
        keras.layers.BatchNormalization(),
        keras.layers.ReLU(),
        keras.layers.MaxPooling2D(),
    ]


model = keras.Sequential(
    [
        keras.Input((SIZE, SIZE, 3)),
        ftdata.RandomAffine(rotation_range=180, zoom_range=(0.9, 1.2), horizontal_flip=True, seed=SEED),
        keras.layers.Rescaling(1 / 255),
        *block(16),
        *block(32),
        *block(64),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(count, activation="softmax"),
    ]
)
model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy", weighted_metrics=["accuracy"])
history = model.fit(
    batches(0, EPOCHS * steps_per_epoch).map(for_keras),
    epochs=EPOCHS,
    steps_per_epoch=steps_per_epoch,
    shuffle=False,  # the order is the pipeline's
    validation_data=evaluation_batches("validation"),
    verbose=2,
)

# %% [markdown]
# ## Evaluate and keep
#
# Outside training `RandomAffine` changes nothing, so the model is saved as it is; it loads after `import ftdata`. From
# random weights a few epochs do not lead far: `knives_forks_spoons.py` starts from a network that has learned to see.

# %%
loss, accuracy = model.evaluate(evaluation_batches("test"), verbose=0)
print(f"test accuracy {accuracy:.1%} of {len(source.test)} images")

model.save("own_loop.keras")
loaded = keras.saving.load_model("own_loop.keras")
assert np.array_equal(loaded.predict(alone["image"], verbose=0), model.predict(alone["image"], verbose=0))
