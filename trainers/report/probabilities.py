"""Sections on the probabilities of a model: whether they mean what they say, and what a threshold would bring."""

import numpy as np

from trainers.evaluation import calibration, ranking
from trainers.evaluation.scores import Evaluation
from trainers.report import judged, several_labels
from trainers.report.blocks import Row, Section, Stack, Text, percent
from trainers.report.charts import Chart, Line
from trainers.report.embedding import embed
from trainers.report.judged import Judged
from trainers.report.run_files import RunFiles

_MOST_CURVES = 10


def probabilities(run: RunFiles) -> Section | None:
    """Whether probabilities mean what they say: calibration."""
    if several_labels.applies(run):
        return several_labels.probabilities(run) if run.final else None
    stacks = [_calibration(run, answers) for answers in judged.answers(run)]
    return Section("calibration", "Calibration", [Row(stacks)]) if stacks else None


def _calibration(run: RunFiles, answers: Judged) -> Stack:
    """Claimed against right: in words and as a chart."""
    scored = answers.scored
    stored = run.evaluation if answers.key != judged.LEFT_OUT else {}
    error = stored.get("expected_calibration_error")
    error = calibration.expected_calibration_error(scored) if error is None else error
    words = f"On {answers.what}: {_uncapitalized(calibration.Confidence.of(scored).in_words)}"
    words += f" Expected calibration error {percent(error)}: the mean distance between a probability and its accuracy."
    sides = [("model", scored)]
    temperature, images = _temperature(run, answers)
    if temperature and temperature != 1.0:
        then = scored.with_temperature(temperature)
        calibrated = stored.get("calibrated_expected_calibration_error")
        calibrated = calibration.expected_calibration_error(then) if calibrated is None else calibrated
        words += f" With the temperature {temperature:.3f}, which exports apply, it is {percent(calibrated)}."
        words += f" Then {_uncapitalized(calibration.Confidence.of(then).in_words)}"
        if answers.key == judged.LEFT_OUT:
            words += " The temperature, a single number, was fitted on these very images."
        elif images:
            words += f" The temperature was fitted on {images:,} other images."
        sides.append(("with temperature", then))
    elif temperature:
        words += " The held-out images are too little evidence for another temperature than 1."
    lines = [Line("perfectly calibrated", (0, 1), (0, 1), 7, dashed=True)]
    for color, (name, side) in enumerate(sides):
        bins = calibration.reliability(side)
        lines.append(Line(name, bins.confidence.tolist(), bins.accuracy.tolist(), color))
    chart = Chart(
        f"calibration-{answers.key}", f"Reliability, {answers.title}", f"accuracy against confidence in bins; {words}",
        lines, "probability of the predicted class", "accuracy", (0, 1), (0, 1), x_shares=True, y_shares=True,
    )  # fmt: skip
    return Stack([chart, Text(words)])


def _temperature(run: RunFiles, answers: Judged) -> tuple[float | None, int | None]:
    """What exports divide scores by, and on how many images it was fitted; None where nothing was fitted."""
    mine, evaluated = run.metrics.get("weights_sha256"), run.evaluation.get("weights_sha256")
    if answers.key != judged.LEFT_OUT and mine != evaluated:
        return None, None
    found = run.evaluation if mine == evaluated and run.evaluation.get("temperature") else run.metrics
    return found.get("temperature"), found.get("temperature_images")


def _uncapitalized(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def precision_recall(run: RunFiles) -> Section | None:
    """A curve for each class against the rest; of many those with the lowest average precision."""
    if several_labels.applies(run):
        path = run.run_dir.evaluation / "precision_recall.png"
        figures = embed(path, alt="Precision against recall of each class", caption="Precision and recall")
        return Section("precision-recall", "Precision and recall", [Row(figures)]) if figures else None
    charts = [_curves(answers) for answers in judged.answers(run)]
    if not charts:
        return None
    said = Text(
        "Whoever takes only the answers that are probable enough trades one for the other: precision is the share of "
        "the images called by a class's name that are of it, recall the share of its images that are found. AP is the "
        "average precision, the area under the curve."
    )
    return Section("precision-recall", "Precision and recall", [said, Row(charts)])


def _curves(answers: Judged) -> Chart:
    average = ranking.average_precision(answers.scored)
    shown_classes = ranking.lowest(average, _MOST_CURVES)
    lines = [
        _curve(answers.scored, k, f"{answers.class_names[k]} (AP {percent(average[k])})", color)
        for color, k in enumerate(shown_classes.tolist())
    ]
    count = len(answers.class_names)
    of = f"the {len(lines)} with the lowest average precision" if len(lines) < count else "each"
    about = f"precision against recall in {answers.what}, {of} of {count} classes; AP is the average precision"
    return Chart(
        f"precision-recall-{answers.key}", f"Each class against the rest, {answers.title}", about, lines, "recall",
        "precision", (0, 1), (0, 1), x_shares=True, y_shares=True,
    )  # fmt: skip


def _curve(scored: Evaluation, k: int, name: str, color: int) -> Line:
    order = np.argsort(-scored.probabilities[:, k], kind="stable")
    right = np.cumsum(scored.shows(k)[order])
    last = np.append(np.flatnonzero(np.diff(scored.probabilities[order, k])), len(order) - 1)  # of equal ones
    precision, recall = right[last] / (last + 1), right[last] / right[-1]
    return Line(name, [0.0, *recall.tolist()], [float(precision[0]), *precision.tolist()], color, dashed=color > 7)
