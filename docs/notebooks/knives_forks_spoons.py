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
# # Forks, knives and spoons
#
# A network that learned to see on other things is taught to tell forks, knives and spoons apart: first a new head on
# the frozen network (**transfer**), then the upper layers of the network too (**fine-tuning**). It is the story of the
# notebook [Fine-Tuning](https://github.com/Pradnya1208/Fine-Tuning), after Hvass-Labs' TensorFlow Tutorial 10, told
# with this package:
#
# | there | here |
# |---|---|
# | photos downloaded and sorted into folders | `cutlery`, rendered on this machine; `knifey_spoony` for the photos |
# | VGG16 with ImageNet weights | `vgg_nano`, a small VGG inside the package; `backbone="VGG16"` for the large one |
# | `ImageDataGenerator` | the same augmentation as a compiled operation |
# | pixels / 255 whatever the weights expect | the backbone's own preprocessing, inside the model |
# | validates on the test set | a validation split chooses, the test set is read once at the end of each phase |
# | `fit_generator`, twice | `trainers.run`, which resumes after a crash |
#
# It needs no network and trains as long as `make run` does. With `NOTEBOOK_QUICK=1` in the environment it takes five
# steps a phase only (its numbers are then meaningless), which is how the tests run it.

# %%
import csv
import os
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
from sklearn.utils.class_weight import compute_class_weight

import flags
import ftdata
import trainers
from ftdata.cache import open_all

QUICK = bool(os.environ.get("NOTEBOOK_QUICK"))
MODEL_DIR = Path("runs/knives_forks_spoons")

# %% [markdown]
# ## Look at the data
#
# A data set is a `Source`: three splits of encoded images with their labels. This one comes with a training and a test
# set; the validation split is held out of the training images, class by class, by a hash of each image.

# %%
data = ftdata.DataConfig(dataset="cutlery", image_size=96)
source = ftdata.open_source(data)
train, test = source.train, source.test
print(f"{source.name}: {len(train)} training, {len(source.validation)} validation, {len(test)} test images")
print("classes:", ", ".join(source.class_names))


# %%
def show(images, captions, title):
    """A grid of images [n, height, width, 3], pixels 0..255."""
    columns = 3
    rows = -(-len(images) // columns)
    figure, places = plt.subplots(rows, columns, figsize=(6, 2.2 * rows), squeeze=False, layout="constrained")
    figure.suptitle(title)
    for axes in places.flat:
        axes.axis("off")
    for axes, image, caption in zip(places.flat, images, captions, strict=False):
        axes.imshow(np.clip(image, 0, 255).astype("uint8"))
        axes.set_title(caption, fontsize=9)
    plt.show()


images = open_all(source, data, on_gpu=False)  # every image of each split decoded once, uint8 96x96
chosen = np.random.default_rng(0).permutation(len(train))[:9]
show(images["train"].take(chosen), [source.class_names[label] for label in train.labels[chosen]], "training images")

# %% [markdown]
# ## Class weights
#
# There are twice as many spoons as forks, and without weights a network would learn that first. `trainers.run` computes
# and uses the same ones.

# %%
labels = np.arange(len(source.class_names))
weights = compute_class_weight("balanced", classes=labels, y=train.labels)
for name, weight, count in zip(source.class_names, weights, np.bincount(train.labels), strict=True):
    print(f"{name:8} {count:5} images, weight {weight:.3f}")

# %% [markdown]
# ## Augment
#
# `RandomAffine` has the arguments of `ImageDataGenerator` and its pixels, as a Keras layer. One image, nine times:

# %%
augment = ftdata.RandomAffine(
    rotation_range=180,
    width_shift_range=0.1,
    height_shift_range=0.1,
    shear_range=0.1,
    zoom_range=(0.9, 1.5),
    horizontal_flip=True,
    vertical_flip=True,
    fill_mode="nearest",
    seed=0,
)
original = images["train"].take(chosen[:1])
show(augment(np.repeat(original, 9, axis=0), training=True).numpy(), [""] * 9, "one image, augmented")

# %% [markdown]
# In training the parameters of an image are a function of (seed, step, place in the batch), so that a run can be killed
# at any moment and still sees the same images as one that was not.
#
# ## Transfer
#
# The settings are those of the command line (`python -m trainers.main --help` lists them); a preset is a good start.
# The preset `demo` is made for this data; `notebook` is the reference to the letter: VGG16 on pixels / 255, batches of
# 20, 20 epochs of 100 steps a phase. The table in the output says which layers train.

# %%
settings = {"preset": "demo", "dataset": "cutlery", "model_dir": MODEL_DIR}
if QUICK:
    settings |= {"transfer_epochs": 1, "finetune_epochs": 1, "steps_per_epoch": 5}

metrics = trainers.run(flags.config(phase="transfer", **settings))
print(f"test accuracy after transfer: {metrics['transfer']['test_accuracy']:.1%}")

# %% [markdown]
# ## Fine-tune
#
# The same `model_dir` and the next phase: it starts from the best epoch of transfer and trains the layers of
# `unfreeze` with a smaller learning rate. Had the first phase been missing or unfinished, this call would have run or
# resumed it first.

# %%
metrics = trainers.run(flags.config(phase="finetune", **settings))
for phase in ("transfer", "finetune"):
    print(f"test accuracy after {phase}: {metrics[phase]['test_accuracy']:.1%}")

# %% [markdown]
# ## Accuracy by epoch
#
# `history.csv` has a row for each epoch. Epoch 0 of fine-tuning is the model it starts from, which is kept if nothing
# beats it.

# %%
figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
done = 0
for phase in ("transfer", "finetune"):
    rows = list(csv.DictReader((MODEL_DIR / phase / "history.csv").open(encoding="utf-8")))
    epochs = [done + int(row["epoch"]) for row in rows]
    axes.plot(epochs, [float(row["validation_accuracy"]) for row in rows], "o-", label=phase)
    done = epochs[-1]
axes.set(xlabel="epoch", ylabel="validation accuracy")
axes.legend()
plt.show()

# %% [markdown]
# ## Confusion matrix
#
# Of the test set, after fine-tuning: rows are the true classes, columns the predicted ones.

# %%
finetune = metrics["finetune"]
confusion = np.array(finetune["confusion_matrix"])
names = finetune["class_names"]
figure, axes = plt.subplots(figsize=(4, 4), layout="constrained")
axes.imshow(confusion, cmap="Blues")
axes.set_xticks(range(len(names)), names)
axes.set_yticks(range(len(names)), names)
axes.set(xlabel="predicted", ylabel="true")
for row, column in np.ndindex(confusion.shape):
    dark = confusion[row, column] > confusion.max() / 2
    axes.text(column, row, confusion[row, column], ha="center", va="center", color="white" if dark else "black")
plt.show()

for name, scores in finetune["per_class"].items():
    print(f"{name:8} precision {scores['precision']:.1%}  recall {scores['recall']:.1%}")

# %% [markdown]
# ## Mistakes
#
# `best.keras` holds stock Keras layers and its own preprocessing: it takes pixels 0..255, and Keras alone loads it.

# %%
model = keras.saving.load_model(MODEL_DIR / "finetune" / "best.keras")
pixels = images["test"].take(np.arange(len(test)))
probabilities = model.predict(pixels.astype("float32"), batch_size=64, verbose=0)
predicted = probabilities.argmax(axis=1)
print(f"{np.mean(predicted == test.labels):.1%} right, as in metrics.json: {finetune['test_accuracy']:.1%}")

wrong = np.flatnonzero(predicted != test.labels)
worst = wrong[np.argsort(-probabilities[wrong].max(axis=1))][:9]
captions = [f"{names[test.labels[k]]}, taken for\n{names[predicted[k]]} ({probabilities[k].max():.0%})" for k in worst]
show(pixels[worst], captions, "the most confident mistakes")

# %% [markdown]
# The run has drawn all of this too: `runs/knives_forks_spoons/evaluation/` holds the report, the confusion matrix and
# the mistakes, and `runs/knives_forks_spoons/logs/` what TensorBoard shows.
#
# ## Your own photos
#
# Replace `preset` and `dataset` by `image_dir`, a folder with a folder for each class:
#
# ```python
# trainers.run(flags.config(image_dir="photos", model_dir="runs/photos"))
# ```
#
# The reference's other experiment, an ImageNet network asked what it sees in a photo before any training, is a command:
#
# ```
# python -m trainers.main --phase=predict --model=imagenet --backbone=VGG16 --images=parrot.jpg
# ```
