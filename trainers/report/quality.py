"""Sections on how good the model is: its mistakes, each class, its probabilities."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ftdata.names import counted, shown
from trainers.evaluation import calibration, scores
from trainers.evaluation.confusion import Confusion
from trainers.evaluation.scores import Evaluation
from trainers.report import several_labels
from trainers.report.blocks import MOST_ROWS, Block, Folded, Row, Section, Table, Text, percent
from trainers.report.charts import Chart, Line
from trainers.report.embedding import embed
from trainers.report.run_files import Predictions, RunFiles

_MOST_MISTAKES, _MOST_PAIRS, _MOST_CURVES = 20, 10, 10
_MEANS = (
    *(("balanced accuracy", "test_balanced_accuracy"), ("mean F1", "test_f1_macro")),
    *(("weighted F1", "test_f1_weighted"), ("top-5 accuracy", "test_top5_accuracy")),
)


def mistakes(run: RunFiles) -> Section | None:
    """The most confident mistakes, with what spoke for the wrong class."""
    folder = run.run_dir.evaluation
    figures = embed(
        folder / "mistakes.png",
        alt="Grid of the most confident mistakes, each with its true and its predicted class above it",
        caption="The most confident mistakes",
        is_titled=True,
    )
    if run.is_evaluated:
        figures += embed(
            folder / "grad_cam.png",
            alt="The same images, grey, with red where the image spoke for the wrong class (Grad-CAM)",
            caption="What spoke for the wrong class (Grad-CAM, red)",
        )
    found = run.predictions
    table = [_worst(found)] if found and (found.evaluation.predicted != found.evaluation.labels).any() else []
    if not figures and not table:
        return None
    named = [Text(_whose(run))] if run.evaluated_on or _is_earlier(run) else []
    blocks: list[Block] = [
        *named,
        *([Row(figures)] if figures else []),
        *([Folded("The mistakes in a table", table)] if table else []),
    ]
    return Section("mistakes", "Mistakes", blocks)


def _worst(found: Predictions) -> Table:
    scored, rows = found.evaluation, []
    wrong = np.flatnonzero(scored.predicted != scored.labels)
    confidence = scored.confidence
    names = found.class_names
    for place in wrong[np.argsort(-confidence[wrong], kind="stable")][:_MOST_MISTAKES]:
        truth, guess = names[scored.labels[place]], names[scored.predicted[place]]
        rows.append((shown(found.names[place]), truth, guess, percent(confidence[place])))
    count = f"{len(rows)} of {len(wrong):,} mistakes" if len(rows) < len(wrong) else f"All {len(wrong):,} mistakes"
    images = counted(len(scored.labels), "image")
    caption = f"{count} in {images}, the most confident first (all in evaluation/predictions.csv)"
    return Table(caption, ("file", "true", "predicted", "probability"), rows, is_text=True)


def _is_earlier(run: RunFiles) -> bool:
    return bool(run.evaluation) and run.evaluation.get("phase") != run.final


def _whose(run: RunFiles) -> str:
    """What the last evaluation was of, where that is not the test set of the final model."""
    what = f"images of {run.evaluated_on}" if run.evaluated_on else "the test set"
    value = f"accuracy {percent(run.evaluation.get('test_accuracy'))}"
    return f"The last evaluation was of {what} with the model of {run.evaluation.get('phase')}: {value}."


def confused(run: RunFiles) -> Section | None:
    """The pairs of classes that are taken for each other most often."""
    counts, names = Confusion.of_metrics(run.metrics), run.metrics.get("class_names", [])
    if counts is None:
        return None
    rows = [
        (f"{names[k]} taken for {names[j]}", count, percent(count / counts.support[k]))
        for k, j, count in counts.pairs(limit=_MOST_PAIRS)
    ]
    if not rows:
        return Section("confused", "Most confused pairs", [Text("No test image was taken for another class.")])
    table = Table("Most frequent mistakes on the test set", ("pair", "images", "of the true class"), rows)
    return Section("confused", "Most confused pairs", [table])


def classes(run: RunFiles) -> Section | None:
    """Precision, recall and F1 of each class, and the thresholds that were chosen."""
    scored = class_scores(run)
    thresholds = run.evaluation.get("thresholds") if run.is_evaluated else None
    blocks = [*scored, *([_thresholds(thresholds)] if thresholds else [])]
    return Section("classes", "Each class", blocks) if scored else None


def class_scores(run: RunFiles) -> list[Block]:
    """Precision, recall and F1 of each class on the test set, and their means; nothing where there was none."""
    if several_labels.applies(run):
        return several_labels.classes(run)
    by_class = run.metrics.get("per_class")
    if not by_class:
        return []
    listed = list(by_class.items())
    caption = "Each class on the test set"
    if len(listed) > MOST_ROWS:
        listed = sorted(listed, key=lambda item: item[1]["f1"])[:MOST_ROWS]
        caption = f"The {MOST_ROWS} classes with the lowest F1 of {len(by_class):,} (all in evaluation/report.txt)"
    rows = [
        (name, *(percent(row[key]) for key in ("precision", "recall", "f1")), f"{row['support']:,.0f}")
        for name, row in listed
    ]
    blocks: list[Block] = [Table(caption, ("class", "precision", "recall", "F1", "images"), rows)]
    said = [f"{label} {percent(run.metrics[key])}" for label, key in _MEANS if run.metrics.get(key) is not None]
    return [*blocks, *([Text(f"On the test set: {', '.join(said)}.")] if said else [])]


def _thresholds(found: Mapping[str, Any]) -> Table:
    rows = [
        (name, f"{row['threshold']:.3f}", percent(row["precision"]), percent(row["recall"]), f"{row['accepted']:,}")
        for name, row in list(found["by_class"].items())[:MOST_ROWS]
    ]
    caption = f"Least probability of an accepted answer, chosen for {found['target']} {percent(found['wanted'])}"
    return Table(caption, ("class", "threshold", "precision", "recall", "accepted"), rows)


def probabilities(run: RunFiles) -> Section | None:
    """Whether probabilities mean what they say: calibration."""
    if several_labels.applies(run):
        return several_labels.probabilities(run) if run.final else None
    found, metrics = run.predictions, run.evaluation
    if not found:
        return None
    error = metrics.get("expected_calibration_error")
    error = calibration.expected_calibration_error(found.evaluation) if error is None else error
    words = f"Expected calibration error {percent(error)}: the mean distance between a probability and its accuracy."
    words = f"{calibration.Confidence.of(found.evaluation).in_words} {words}"
    temperature = metrics.get("temperature") if run.is_evaluated else None
    sides = [("model", found.evaluation)]
    if temperature and temperature != 1.0:
        calibrated = percent(metrics["calibrated_expected_calibration_error"])
        words += f" With the temperature {temperature:.3f}, which exports apply, it is {calibrated}."
        sides.append(("with temperature", found.evaluation.with_temperature(temperature)))
        then = calibration.Confidence.of(sides[-1][1]).in_words
        words += f" Then {then[0].lower()}{then[1:]}"
    elif temperature:
        words += " The held-out images are too little evidence for another temperature than 1."
    lines = [Line("perfectly calibrated", (0, 1), (0, 1), 7, dashed=True)]
    for color, (name, scored) in enumerate(sides):
        bins = calibration.reliability(scored)
        lines.append(Line(name, bins.confidence.tolist(), bins.accuracy.tolist(), color))
    chart = Chart(
        "calibration", "Reliability", f"accuracy against confidence in bins; {words}", lines,
        "probability of the predicted class", "accuracy", (0, 1), (0, 1),
    )  # fmt: skip
    return Section("calibration", "Calibration", [Text(words), Row([chart])])


def precision_recall(run: RunFiles) -> Section | None:
    """A curve for each class against the rest; of many those with the lowest average precision."""
    if several_labels.applies(run):
        path = run.run_dir.evaluation / "precision_recall.png"
        figures = embed(path, alt="Precision against recall of each class", caption="Precision and recall")
        return Section("precision-recall", "Precision and recall", [Row(figures)]) if figures else None
    found = run.predictions
    if not found:
        return None
    average = scores.average_precision(found.evaluation)
    shown_classes = scores.lowest(average, _MOST_CURVES)
    lines = [
        _curve(found.evaluation, k, f"{found.class_names[k]} (AP {average[k]:.3f})", color)
        for color, k in enumerate(shown_classes.tolist())
    ]
    of = f"the {len(lines)} with the lowest average precision" if len(lines) < len(found.class_names) else "each"
    about = f"precision against recall, {of} of {len(found.class_names)} classes; AP is the average precision"
    chart = Chart(
        "precision-recall", "Each class against the rest", about, lines, "recall", "precision", (0, 1), (0, 1)
    )  # fmt: skip
    return Section("precision-recall", "Precision and recall", [Row([chart])])


def _curve(scored: Evaluation, k: int, name: str, color: int) -> Line:
    order = np.argsort(-scored.probabilities[:, k], kind="stable")
    right = np.cumsum(scored.shows(k)[order])
    last = np.append(np.flatnonzero(np.diff(scored.probabilities[order, k])), len(order) - 1)  # of equal ones
    precision, recall = right[last] / (last + 1), right[last] / right[-1]
    return Line(name, [0.0, *recall.tolist()], [float(precision[0]), *precision.tolist()], color, dashed=color > 7)
