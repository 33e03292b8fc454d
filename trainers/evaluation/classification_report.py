"""How good a model is, as text: scikit-learn's report, the confusion matrix, the pairs most often confused."""

from collections.abc import Sequence

import numpy as np

from trainers.evaluation import excerpt, scores
from trainers.evaluation.scores import Evaluation
from trainers.models.class_names import in_a_line

_MOST_PAIRS = 5
_LOWEST_SHOWN = 10  # classes


def classification_report(evaluation: Evaluation, class_names: Sequence[str], *, is_whole: bool = True) -> str:
    """scikit-learn's classification report, the interval of the accuracy, the confusion matrix and the most
    confused pairs, as text.

    Args:
      evaluation: of n images.
      class_names: of the classes. Of more than 30 there is a list of all confused pairs in place of the matrix.
      is_whole: whether all classes are in the report; else, of more than 30, those with the lowest F1 score.
    """
    from sklearn import metrics

    class_names = [in_a_line(name) for name in class_names]
    judged = np.unique(evaluation.labels)  # a class without images would count as 0 in the means
    text = metrics.classification_report(
        evaluation.labels,
        evaluation.predicted,
        labels=judged,
        target_names=[class_names[label] for label in judged],
        digits=3,
        zero_division=0.0,
    )
    if len(class_names) > excerpt.MOST_CLASSES:
        return _long_report(evaluation, class_names, text, is_whole=is_whole)
    width = max(7, *(len(name) for name in class_names)) + 2
    rows = [
        "confusion matrix (rows: true, columns: predicted)",
        " " * width + "".join(f"{n:>{width}}" for n in class_names),
    ]
    for name, counts in zip(class_names, evaluation.confusion.among(np.arange(len(class_names))), strict=True):
        rows.append(f"{name:>{width}}" + "".join(f"{count:>{width}}" for count in counts))
    pairs = _pairs(evaluation, class_names, limit=_MOST_PAIRS)
    rows += ["", "most confused", *pairs] if pairs else []
    return f"{text}\n{_interval(evaluation)}\n\n" + "\n".join(rows) + "\n"


def _long_report(evaluation: Evaluation, class_names: Sequence[str], text: str, *, is_whole: bool) -> str:
    """The report of many classes, out of scikit-learn's text, which has a line for each after two of head."""
    lines, count = text.split("\n"), len(class_names)
    row_of = {int(k): 2 + row for row, k in enumerate(np.unique(evaluation.labels))}
    if is_whole:
        pairs = ["all confused pairs (metrics.json has the counts)", *_pairs(evaluation, class_names, limit=None)]
    else:
        of_class = scores.per_class(evaluation, class_names)
        lowest = sorted(row_of, key=lambda k: of_class[class_names[k]]["f1"])[:_LOWEST_SHOWN]
        note = f"the {len(lowest)} of {count:,} classes with the lowest F1 score; report.txt has all"
        lines = [*lines[:2], *(lines[row_of[k]] for k in sorted(lowest)), "", note, *lines[2 + len(row_of) :]]
        pairs = ["most confused", *_pairs(evaluation, class_names, limit=_MOST_PAIRS)]
    return "\n".join([*lines, _interval(evaluation), "", *(pairs if len(pairs) > 1 else []), ""])


def _pairs(evaluation: Evaluation, class_names: Sequence[str], *, limit: int | None) -> list[str]:
    found = evaluation.confusion.pairs(limit=limit)
    return [f"  {class_names[true]} taken for {class_names[guess]}: {count}" for true, guess, count in found]


def _interval(evaluation: Evaluation) -> str:
    low, high = scores.wilson_interval(int(np.sum(evaluation.predicted == evaluation.labels)), len(evaluation.labels))
    text = f"accuracy {evaluation.accuracy:.2%}, 95 % interval {low:.2%} to {high:.2%} (Wilson)"
    top5 = evaluation.top5_accuracy
    return text if top5 is None else f"{text}; top-5 accuracy {top5:.2%}"
