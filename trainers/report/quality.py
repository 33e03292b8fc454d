"""Sections on how good the model is: its mistakes, each class."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ftdata.names import shown
from trainers.evaluation.confusion import Confusion
from trainers.report import judged, several_labels
from trainers.report.blocks import MOST_ROWS, Block, Folded, Row, Section, Table, Text, percent
from trainers.report.embedding import embed
from trainers.report.judged import Counted, Judged
from trainers.report.run_files import RunFiles, Values

_MOST_MISTAKES, _MOST_PAIRS = 20, 10
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
    tables = [
        Folded(f"The mistakes in {answers.title} in a table", [_worst(answers)])
        for answers in judged.answers(run)
        if answers.names and (answers.scored.predicted != answers.scored.labels).any()
    ]
    if not figures and not tables:
        return None
    named = [Text(_whose(run))] if run.evaluated_on or _is_earlier(run) else []
    blocks: list[Block] = [
        *named,
        *([Row(figures)] if figures else []),
        *tables,
    ]
    return Section("mistakes", "Mistakes", blocks)


def _worst(found: Judged) -> Table:
    scored, rows = found.scored, []
    wrong = np.flatnonzero(scored.predicted != scored.labels)
    confidence = scored.confidence
    classes, names = found.class_names, found.names or ()
    for place in wrong[np.argsort(-confidence[wrong], kind="stable")][:_MOST_MISTAKES]:
        truth, guess = classes[scored.labels[place]], classes[scored.predicted[place]]
        rows.append((shown(names[place]), truth, guess, percent(confidence[place])))
    count = f"{len(rows)} of {len(wrong):,} mistakes" if len(rows) < len(wrong) else f"All {len(wrong):,} mistakes"
    kept = "" if found.key == judged.LEFT_OUT else " (all in evaluation/predictions.csv)"
    caption = f"{count} in {found.what}, the most confident first{kept}"
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
    tables = [_pairs(found) for found in judged.counts(run)]
    return Section("confused", "Most confused pairs", tables, is_narrow=True) if tables else None


def _pairs(found: Counted) -> Block:
    counts, names = Confusion.of_metrics(found.values), found.values["class_names"]
    assert counts is not None, "judged.counts has looked"
    rows = [
        (f"{names[k]} taken for {names[j]}", f"{count:,}", percent(count / counts.support[k]))
        for k, j, count in counts.pairs(limit=_MOST_PAIRS)
    ]
    if not rows:
        return Text(f"None of {found.what} was taken for another class.")
    return Table(f"Most frequent mistakes in {found.what}", ("pair", "images", "of the true class"), rows)


def classes(run: RunFiles) -> Section | None:
    """Precision, recall and F1 of each class, and the thresholds that were chosen."""
    scored = class_scores(run)
    thresholds = run.evaluation.get("thresholds") if run.is_evaluated else None
    blocks = [*scored, *([_thresholds(thresholds)] if thresholds else [])]
    return Section("classes", "Each class", blocks, is_narrow=not several_labels.applies(run)) if scored else None


def class_scores(run: RunFiles) -> list[Block]:
    """Precision, recall and F1 of each class, of what was left out and on the test set, and their means there."""
    if several_labels.applies(run):
        return several_labels.classes(run)
    blocks: list[Block] = [_by_class(found) for found in judged.counts(run) if found.values.get("per_class")]
    said = [f"{label} {percent(run.metrics[key])}" for label, key in _MEANS if run.metrics.get(key) is not None]
    return [*blocks, *([Text(f"On the test set: {', '.join(said)}.")] if said and blocks else [])]


def _by_class(found: Counted) -> Table:
    by_class: Mapping[str, Values] = found.values["per_class"]
    listed, caption = list(by_class.items()), f"Each class in {found.what}"
    if len(listed) > MOST_ROWS:
        listed = sorted(listed, key=lambda item: item[1]["f1"])[:MOST_ROWS]
        kept = "" if found.key == judged.LEFT_OUT else " (all in evaluation/report.txt)"
        caption = f"The {MOST_ROWS} classes with the lowest F1 of {len(by_class):,} in {found.what}{kept}"
    rows = [
        (name, *(percent(row[key]) for key in ("precision", "recall", "f1")), f"{row['support']:,.0f}")
        for name, row in listed
    ]
    return Table(caption, ("class", "precision", "recall", "F1", "images"), rows)


def _thresholds(found: Mapping[str, Any]) -> Table:
    rows = [
        (name, f"{row['threshold']:.3f}", percent(row["precision"]), percent(row["recall"]), f"{row['accepted']:,}")
        for name, row in list(found["by_class"].items())[:MOST_ROWS]
    ]
    caption = f"Least probability of an accepted answer, chosen for {found['target']} {percent(found['wanted'])}"
    return Table(caption, ("class", "threshold", "precision", "recall", "accepted"), rows)
