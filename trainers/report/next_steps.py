"""Sections on what to do with the results: use the model, make it better, complete the page."""

from collections.abc import Mapping
from typing import Any

from trainers.report import command_lines, judged, several_labels, state, summary
from trainers.report.blocks import Block, Command, Lines, Section, Text, percent
from trainers.report.run_files import RunFiles

_FEW_TEST_IMAGES = 400  # of which an accuracy of 90 % has an interval of 6 points
_FEW_NAMES = 20  # that a line of code holds
_SQUARE = {
    "stretch": "image.resize(({side}, {side}), Image.Resampling.{method})",
    "crop": "ImageOps.fit(image, ({side}, {side}), Image.Resampling.{method})",
    "pad": "ImageOps.pad(image, ({side}, {side}), Image.Resampling.{method})",
}


def use(run: RunFiles) -> Section:
    """The commands that use the model, and how it is used without this project."""
    found: list[Block] = []
    if run.final:
        side, channels = run.settings.get("image_size") or "side", run.settings.get("channels", 3)
        names = list(run.metrics.get("class_names") or [])
        images = "--labels_csv=FILE" if several_labels.applies(run) else "--image_dir=FOLDER"
        best = run.run_dir.root.resolve() / run.final / "best.keras"
        found = [
            Text(
                "The model is not in this page: it lies in the folder that these commands name, on the machine where "
                "the page was written. With the project fast-fine-tuning installed, from its folder:"
            ),
            Command("Classify images", command_lines.line(run, "predict", "--images=photos/*.jpg")),
            Command("Evaluate it on other images", command_lines.line(run, "evaluate", images)),
            Command("Export it", command_lines.line(run, "export", "--export_formats=saved_model,keras,litert")),
            Text(
                f"With Keras alone, on a machine that has the file: it takes pixels from 0 to 255, float32 [images, "
                f"{side}, {side}, {channels}], and gives the probabilities of {summary.few(names)}, in that order."
            ),
            Lines(_with_keras(run.settings, str(best), names)),
            *_on_probabilities(run),
        ]
    found.append(Command("Write this page again", command_lines.line(run, "report")))
    return Section("next", "Use it", found)


def _on_probabilities(run: RunFiles) -> list[Text]:
    """Which of two kinds of probabilities each way of using the model gives."""
    temperature = run.metrics.get("temperature")
    if not isinstance(temperature, float) or temperature == 1.0:
        return []
    return [
        Text(
            "The probabilities of predict and of best.keras, as those of the mistakes on this page, are the network's "
            f"own; exports correct them by the temperature {temperature:.3f} (see Calibration). A limit set on the one "
            "kind does not fit the other."
        )
    ]


def _with_keras(settings: Mapping[str, Any], best: str, names: list[str]) -> list[str]:
    """A program that classifies photo.jpg."""
    method = "NEAREST" if settings.get("interpolation") == "nearest" else "BILINEAR"
    square = _SQUARE[settings.get("resize") or "stretch"].format(
        side=settings.get("image_size") or "side", method=method
    )
    of_few = len(names) <= _FEW_NAMES
    if settings.get("channels", 3) != 3:
        said = f"# uint8 [side, side, {settings['channels']}], resized as in training"
        reads = ["import numpy as np", f'pixels = np.load("image.npy").astype(np.float32)[None]  {said}']
    else:
        upright = 'image = ImageOps.exif_transpose(Image.open("photo.jpg")).convert("RGB")'
        imports = ["import numpy as np", "from PIL import Image, ImageOps"]
        reads = [*imports, upright, f"pixels = np.asarray({square}, np.float32)[None]"]
    hub = ["import keras_hub"] if str(settings.get("backbone")).startswith("hub:") else []
    return [
        "import keras",
        *hub,
        *reads,
        f"model = keras.saving.load_model({best!r}, compile=False)",
        "probabilities = np.asarray(model(pixels, training=False))[0]",
        f"print(dict(zip({names!r}, probabilities.tolist())))" if of_few else "print(probabilities.argmax())",
    ]


def improve(run: RunFiles) -> Section | None:
    """What would make the model, or what is known of it, better: read off its weakest numbers."""
    if not run.final:
        return None
    said = []
    groups = (
        run.metrics.get("groups")
        or run.metrics.get("group_map")
        or {
            name: row["accuracy"] for name, row in run.estimate.get("groups", {}).items() if row["accuracy"] is not None
        }
    )
    if len(groups) > 1:
        worst = sorted(groups, key=lambda name: groups[name])[:2]
        named = " and ".join(f"{name} ({percent(groups[name])})" for name in worst)
        said.append(
            f"Images of more groups, above all of such as {named}: a model learns what changes between groups from "
            "many of them, and not from more images of one."
        )
    if lowest := several_labels.lowest(run):
        said.append(f"Images of {lowest}: no class has a lower average precision on the test images.")
    elif weakest := judged.weakest(run):
        name, recall, where = weakest
        said.append(f"Images of {name}, of which {percent(recall)} are found in {where}, fewer than of the others.")
    if run.final and state.still_rose(run, run.final):
        said.append(f"More epochs: the last one was the best (--{run.final}_epochs).")
    count = run.images.get("test", 0)
    if count and count < _FEW_TEST_IMAGES:
        why = (
            f"of {count:,} the average precision of a class is far from certain"
            if several_labels.applies(run)
            else f"{count:,} leave the interval above as wide as it is"
        )
        said.append(f"More test images, of other places: {why}.")
    if run.settings.get("preset") != "best" and not several_labels.applies(run):
        said.append(
            "Another network or recipe: --preset=best --time_budget=60m on the same images compares those at hand, in "
            "a --model_dir of its own."
        )
    texts = [Text(sentence) for sentence in said]
    return Section("better", "Make it better", texts, is_narrow=True) if said else None


def missing(run: RunFiles) -> Section | None:
    """What this page could show besides, and the command that makes it."""
    wanted, several = [], several_labels.applies(run)
    if not run.final:
        wanted.append(("A trained model", command_lines.again(run, "finetune")))
    elif open_phases := state.open_phases(run):
        wanted.append((f"The end of {open_phases[-1]}", command_lines.again(run, open_phases[-1])))
    elif not run.is_evaluated and not several:
        more = "" if run.metrics.get("temperature") else " and a temperature"
        wanted.append((f"Grad-CAM of the mistakes{more}", command_lines.line(run, "evaluate")))
    if run.final and not several and not (run.is_evaluated and run.evaluation.get("none_of_these")):
        wanted.append(("None of these", command_lines.line(run, "evaluate", "--none_of_these=0.95")))
    if not several and not run.estimate and not run.metrics.get("groups"):
        pattern = [] if run.settings.get("group_pattern") else ["--group_pattern=PATTERN"]
        wanted.append(("What to expect on a new group", command_lines.again(run, "estimate", *pattern)))
    if run.final and not run.findings:
        wanted.append(("The data doctor's findings", command_lines.again(run, "check")))
    if run.final and not run.exports:
        wanted.append(("Exports, compared with the model", command_lines.line(run, "export")))
    blocks = [Command(what, command) for what, command in wanted]
    return Section("missing", "Not in this report", blocks) if blocks else None
