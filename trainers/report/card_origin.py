"""Sections of a model card on where the model comes from, and on its files. Of paths only the last name is given."""

import dataclasses
from pathlib import PurePath

from ftdata.config import AugmentConfig
from trainers.config import ModelConfig, TrainConfig, TrainingConfig, settings
from trainers.config.other_channels import first_convolution
from trainers.report import origin, provenance, several_labels, summary
from trainers.report.blocks import Block, Section, Table, Text, percent
from trainers.report.run_files import RunFiles

_SHOWN = ("backbone", "weights", "init_from", "group_pattern", "folds")  # elsewhere on the card
_SECTIONS = (AugmentConfig, ModelConfig, TrainingConfig)


def about(run: RunFiles) -> Table:
    """What goes in and what comes out."""
    names, side = run.exports["class_names"], run.exports["image_size"]
    channels = run.exports.get("channels", 3)
    rows = [
        ("Task", f"image classification, {'several labels' if several_labels.applies(run) else 'one class'} an image"),
        ("Classes", f"{len(names):,}: {summary.few(names, limit=30)}"),
        ("Input", f"{'RGB images' if channels == 3 else f'images of {channels} channels,'} of {side}x{side} pixels"),
        ("Backbone", _last_name(run.settings.get("backbone", "unknown"))),
        ("Weights before training", starting_weights(run)),
        ("Trained on", data_name(run)),
    ]
    return Table("", ("", ""), rows, is_text=True)


def data_name(run: RunFiles) -> str:
    """The data set, or the name of the folder or of the file that names the images."""
    return _last_name(run.data) if not run.settings.get("dataset") else run.data


def starting_weights(run: RunFiles) -> str:
    """Where the weights of the backbone come from."""
    weights, channels = _last_name(run.settings.get("weights", "unknown")), run.settings.get("channels", 3)
    started = run.settings.get("init_from")
    widened = f" ({first_convolution(weights, started, channels)})" if channels != 3 else ""
    if started:
        return f"the trained model {_last_name(started)}"
    known = {"imagenet": "ImageNet", "none": "none: random", "objects": "objects (those that come with vgg_nano)"}
    return f"{known.get(weights, weights)}{widened}"


def _last_name(path: str) -> str:
    return PurePath(path.replace("\\", "/")).name or path


def data(run: RunFiles) -> Section:
    """The images: how many, and how they were split."""
    rows = [
        (word, f"{run.images[name]:,}", run.fingerprint.get(name, "-"))
        for name, word in summary.SPLITS.items()
        if run.images.get(name)
    ]
    blocks: list[Block] = [Text(f"Images of {data_name(run)}.")]
    if rows:
        blocks.append(Table("", ("split", "images", "digest of their contents"), rows, is_text=True))
    return Section("data", "Data", [*blocks, Text(_split(run)), Text(_groups(run)), *_test_set(run)])


def _split(run: RunFiles) -> str:
    found, share = run.settings, run.settings.get("validation_fraction")
    if folds := found.get("folds"):
        parts = "each group" if folds == "groups" else f"each of {folds} parts"
        said = f"To choose the epoch {parts} was left out in turn, then all of them were trained on."
        return f"{said} A test split, where the data had none, was held out before ({percent(share)})."
    return (
        "Splits that the data came with were kept; a validation or test split that it lacked was held out of the "
        f"training images, chosen by their contents ({percent(share)}, split seed {found.get('split_seed', 0)})."
    )


def _test_set(run: RunFiles) -> list[Text]:
    return [Text(f"{term}: {value}.") for term, value in provenance.facts(run)]


def _groups(run: RunFiles) -> str:
    pattern = run.settings.get("group_pattern")
    count = len(run.metrics.get("groups") or run.estimate.get("groups", {}))
    if not pattern:
        return "No groups were named: images of one place, camera or day may be on both sides of a split."
    counted = f" {count:,} groups were left out in turn." if count else ""
    return f"Images whose file names agree in {pattern} are a group, which stays on one side of a split.{counted}"


def training(run: RunFiles) -> Section:
    """Phases, settings and versions."""
    found, rows = run.settings, []
    for name, values in run.phases.items():
        epochs, rate = (found.get(f"{name}_{what}") for what in ("epochs", "learning_rate"))
        if not values.get("step") or rate is None:  # a head that was solved for has neither
            epochs = rate = "-"
        rows.append((name, str(epochs), f"{rate:g}" if isinstance(rate, float) else rate, summary.epoch_kept(values)))
    blocks: list[Block] = []
    if rows:
        blocks.append(Table("", ("phase", "epochs", "learning rate", "result"), rows, is_text=True))
    mine = {field.name for section in _SECTIONS for field in dataclasses.fields(section)}
    hidden = {*_SHOWN, *(f"{name}_{what}" for name in run.phases for what in ("epochs", "learning_rate"))}
    paths = {field.name for field, _ in settings(TrainConfig()) if field.metadata["is_path"]}
    changed = [
        f"{name}={_last_name(value) if name in paths else origin.setting_text(value)}"
        for name, value in origin.not_as_by_default(run).items()
        if name in mine and name not in hidden
    ]
    named = {"optimizer": "optimizer", "batch_size": "batches of", "mixed_precision": "precision", "seed": "seed"}
    main = ", ".join(f"{word} {found[key]}" for key, word in named.items() if key in found)
    blocks += [Text(f"Main settings: {main}.")] if main else []
    blocks.append(Text(f"Settings that are not as by default: {', '.join(changed) if changed else 'none'}."))
    versions = [f"{name} {version}" for name, version in run.record.get("versions", {}).items()]
    blocks.append(Text(f"Versions: {', '.join(versions)}."))
    if digest := run.metrics.get("weights_sha256"):
        blocks.append(Text(f"SHA-256 of the trained weights: {digest}"))
    return Section("training", "Training", blocks)


def files(run: RunFiles) -> Table:
    """A row for each exported file and way to call it."""
    rows = []
    for row in run.exports["exports"]:
        name = row["file"] if row["call"] == "call" else f"{row['file']} ({row['call']})"
        rows.append(
            (
                name if row["is_within"] else f"{name}: NOT the answers of the model, do not use",
                f"{row['bytes'] / 2**20:,.2f} MiB",
                percent(row["accuracy"]),
                percent(row["label_agreement"]),
                f"{row['max_probability_difference']:.1g}",
                f"{row['latency_ms']['1']['p50']:.1f} ms",
            )
        )
    count, whole = run.exports["images"], run.exports["test_images"]
    count = f"{count:,} {'' if count == whole else f'of the {whole:,} '}test images"
    caption = f"Each was run by itself, on a CPU, and compared with the model on {count}"
    return Table(
        caption, ("file", "size", "accuracy", "same class", "largest difference of a probability", "one image"), rows
    )
