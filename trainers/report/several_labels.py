"""What a report and a model card say of a model that gives several labels an image, where that is another thing."""

from typing import Any

from ftdata.names import counted
from trainers.evaluation import label_temperatures, label_thresholds
from trainers.report.blocks import MOST_ROWS, Block, Section, Table, Text, percent
from trainers.report.run_files import RunFiles

_MEANS = (("mAP", "test_map"), ("macro F1", "test_f1_macro"), ("micro F1", "test_f1_micro"))
EXACT = "every label right"  # what accuracy is of several labels
_KINDS = {
    "true_positives": "shown, given",
    "false_negatives": "shown, not given",
    "false_positives": "not shown, given",
    "true_negatives": "not shown, not given",
}


def applies(run: RunFiles) -> bool:
    """Whether the run is of images with several labels."""
    return run.settings.get("task") == "multi"


def support(run: RunFiles) -> dict[str, int]:
    """How many test images show each class; nothing where they were not evaluated."""
    return {name: row["support"] for name, row in (run.metrics.get("per_class") or {}).items()}


def classes(run: RunFiles) -> list[Block]:
    """Average precision, precision, recall and F1 of each class, its threshold, and the 2x2 counts."""
    by_class = run.metrics.get("per_class")
    if not by_class:
        return []
    listed, caption = list(by_class.items()), "Each class on the test set"
    if len(listed) > MOST_ROWS:
        listed = sorted(listed, key=lambda item: item[1]["average_precision"] or 0.0)[:MOST_ROWS]
        caption = f"The {MOST_ROWS} classes with the lowest average precision of {len(by_class):,}"
    shares = [
        (
            name,
            _average(row),
            *(percent(row[key]) for key in ("precision", "recall", "f1")),
            label_thresholds.as_text(row["threshold"]),
        )
        for name, row in listed
    ]
    counts = [(name, *(f"{row[key]:,}" for key in _KINDS)) for name, row in listed]
    columns = ("class", "average precision", "precision", "recall", "F1", "threshold")
    means = ", ".join(f"{label} {percent(run.metrics[key])}" for label, key in _MEANS)
    exact = f"every label is right in {percent(run.metrics['test_accuracy'])} of the images"
    return [
        Table(caption, columns, shares),
        Table("Test images by whether they show a class and are given its label", ("class", *_KINDS.values()), counts),
        Text(f"On the test set: {means}; {exact}."),
        *_thresholds(run),
    ]


def _average(row: dict[str, Any]) -> str:
    value = row["average_precision"]
    return "-" if value is None else percent(value)


def _thresholds(run: RunFiles) -> list[Text]:
    stored = run.metrics.get("label_thresholds") or {}
    if not stored.get("images"):
        none = "A label is given from the probability 1/2 on: there was no validation split to choose thresholds on."
        return [Text(none)]
    said = (
        "A label is given from its threshold on, the one with the best F1 on the "
        f"{counted(stored['images'], label_thresholds.image_of(stored))}, drawn towards 1/2 the more the "
        "fewer of them show the class; the test set chose none."
    )
    lines = (line.removeprefix("warning: ") for line in label_thresholds.warning(stored))
    return [Text(said), *(Text(f"{line[0].upper()}{line[1:]}.", is_warning=True) for line in lines)]


def probabilities(run: RunFiles) -> Section:
    """How far the probabilities can be trusted, and the temperatures that exports apply."""
    stored, metrics = run.metrics.get("label_temperatures"), run.metrics
    said = "Each label has a probability of its own (a sigmoid)."
    error, after = metrics.get("label_calibration_error"), metrics.get("calibrated_label_calibration_error")
    if not stored or error is None:
        said = f"{said[:-1]}; how far they can be trusted was not measured. No temperature is applied."
        return Section("calibration", "Calibration", [Text(said)])
    said += (
        f" On the test set the mean distance between it and the share of images that show the label is {percent(error)}"
        f", and {percent(after)} with the temperatures of the exports: {label_temperatures.in_words(stored)}."
    )
    if run.settings.get("class_weight") == "balanced":
        said += " The balanced weights of training raise the probabilities of rare labels."
    others = {name: value for name, value in stored["by_class"].items() if value != 1.0}
    rows = [(name, f"{value:.3f}") for name, value in list(others.items())[:MOST_ROWS]]
    caption = "What exports divide the logit of a class by: above 1 it was too sure of itself"
    tables = [Table(caption, ("class", "temperature"), rows)] if rows else []
    return Section("calibration", "Calibration", [Text(said), *tables])


def lowest(run: RunFiles) -> str | None:
    """The class of the lowest average precision among the test images, with it; None of one label an image."""
    by_class = {name: row for name, row in (run.metrics.get("per_class") or {}).items() if row["support"]}
    if not applies(run) or len(by_class) < 2:
        return None
    name, row = min(by_class.items(), key=lambda item: item[1]["average_precision"])
    return f"{name} ({_average(row)})"


def limits(run: RunFiles) -> list[str]:
    """What the numbers mean for the use of the model."""
    said = []
    if by_class := {name: row for name, row in (run.metrics.get("per_class") or {}).items() if row["support"]}:
        name, row = min(by_class.items(), key=lambda item: item[1]["average_precision"])
        said.append(
            f"Weakest for {name}: average precision {_average(row)}; at its threshold it finds "
            f"{percent(row['recall'])} of the images that show it, and "
            f"{percent(row['precision'])} of those that get its label show it."
        )
    said.append("An image may get several labels, or none.")
    return said
