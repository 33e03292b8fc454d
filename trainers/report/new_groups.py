"""Sections on images that training has not seen the like of: groups left out, and none of these."""

from collections.abc import Mapping
from typing import Any

from ftdata.names import shown
from trainers.evaluation.summary import in_words
from trainers.report import curves, image_counts, judged, several_labels, summary
from trainers.report.blocks import MOST_ROWS, Block, Folded, Row, Section, Table, Text, between, percent
from trainers.report.charts import COLORS, Chart, Line
from trainers.report.embedding import embed
from trainers.report.run_files import RunFiles

_MOST_CLASSES, _MOST_BESIDE = 6, 20  # classes with a column of their own; rows beside the curves


def groups(run: RunFiles) -> Section | None:
    """How each group that was left out was judged."""
    blocks: list[Block] = []
    by_folds, by_map, estimate = run.metrics.get("groups"), run.metrics.get("group_map"), run.estimate
    if by_folds or by_map or estimate.get("groups"):
        blocks.append(Text(_what_they_are(run)))
    beside: list[Block] = [_curves(run)] if run.folds else []
    if by_folds:
        beside.append(_by_folds(run, by_folds, _MOST_BESIDE))
    if by_map:
        caption = "mAP on each group, by the model that has not seen it (--folds), the lowest first"
        rows = [(name, percent(value)) for name, value in sorted(by_map.items(), key=lambda item: item[1])]
        beside.append(_shortened(caption, ("group left out", "mAP"), rows))
    blocks += [Row(beside)] if beside else []
    if by_folds and len(by_folds) > _MOST_BESIDE:
        table = _by_folds(run, by_folds, MOST_ROWS)
        blocks.append(Folded(f"{len(table.rows)} of the {len(by_folds):,} groups", [table]))
    if estimate:
        blocks.append(_estimated(run))
    if estimate.get("groups"):
        ranked = sorted(estimate["groups"].items(), key=lambda item: item[1]["accuracy"])
        names = estimate["class_names"] if len(estimate["class_names"]) <= _MOST_CLASSES else []
        caption = "Accuracy on each group by heads on the frozen backbone (--phase=estimate), the lowest first"
        rows = [
            (name, f"{row['images']:,}", percent(row["accuracy"]), *(percent(row["recall"].get(n)) for n in names))
            for name, row in ranked
        ]
        columns = ("group left out", "images", "accuracy", *(f"recall of {name}" for name in names))
        blocks.append(_shortened(caption, columns, rows))
    blocks += _figures(run) if estimate else []
    are_groups = by_folds or by_map or estimate.get("groups")
    return Section("groups", "New groups" if are_groups else "Images left out in turn", blocks) if blocks else None


def _by_folds(run: RunFiles, accuracies: Mapping[str, float], most: int) -> Table:
    """Accuracy on each group, of many the lowest, with its images, and of each class in it where these are few."""
    sizes, recalls = image_counts.group_sizes(run), _recalls(run)
    names = list(run.metrics.get("class_names", ())) if recalls else []
    caption = "Accuracy on each group, by the model that has not seen it (--folds), the lowest first"
    caption += "; on the right how much of each class is right" if names else ""
    rows = [
        (
            shown(name),
            f"{sizes[name]:,}" if name in sizes else "-",
            percent(share),
            *(percent(value) for value in recalls.get(name, [None] * len(names))),
        )
        for name, share in sorted(accuracies.items(), key=lambda item: item[1])
    ]
    columns = ("group left out", "images", "accuracy", *map(shown, names))
    return _shortened(caption, columns, rows, most)


def _recalls(run: RunFiles) -> dict[str, list[float | None]]:
    """The share of each class's images that is right, by group; nothing where that is not known or would fill the
    page."""
    found = judged.left_out(run)
    groups = found and judged.groups(run, found)
    if not found or not groups or len(found.class_names) > _MOST_CLASSES:
        return {}
    right, labels = found.scored.predicted == found.scored.labels, found.scored.labels
    shares = dict[str, list[float | None]]()
    for place, name in enumerate(groups.names):
        own = [right[(groups.of_image == place) & (labels == k)] for k in range(len(found.class_names))]
        shares[name] = [float(part.mean()) if len(part) else None for part in own]
    return shares


def _what_they_are(run: RunFiles) -> str:
    pattern = run.settings.get("group_pattern")
    names = f": what {pattern} finds in their file names" if pattern else ""
    return (
        f"A group is the images that belong together{names}, such as those of one place, day or person. Each was "
        "left out of training in turn and then judged, so that these numbers are of backgrounds that the model had not "
        f"seen; the expectation is their mean, in which groups count alike.{_by_image(run)}"
    )


def _by_image(run: RunFiles) -> str:
    """Why the confusion matrix has another share of right answers than the groups have in the mean."""
    found = judged.left_out(run)
    if not found or not run.metrics.get("groups"):
        return ""
    all_of_them = percent(found.scored.accuracy)
    if all_of_them == percent(run.metrics.get("expected_new_group_accuracy")):
        return ""
    return f" Of all {len(found.scored.labels):,} images {all_of_them} are right: there large groups count more."


def _shortened(caption: str, columns: tuple[str, ...], rows: list[Any], most: int = MOST_ROWS) -> Table:
    if len(rows) > most:
        caption = f"{caption}; {most} of {len(rows):,}"
    return Table(caption, columns, rows[:most])


def _curves(run: RunFiles) -> Chart:
    """Accuracy of each fold's model on what it has not seen, over the epochs of all phases."""
    score = "map" if several_labels.applies(run) else "accuracy"
    called, lines = in_words(score), []
    for place, (name, histories) in enumerate(list(run.folds.items())[: 2 * COLORS]):
        epochs = curves.over_all(histories)
        accuracies = [row.get(f"validation_{score}") for _, row in epochs]
        left_out = name.partition("-")[2] or name  # the folder is called NUMBER-GROUP
        lines.append(Line(left_out, [x for x, _ in epochs], accuracies, place % COLORS, dashed=place >= COLORS))
    about = f"{called} of the models of {len(lines)} folds on the images that each has not seen, over the epochs"
    title = f"{called[0].upper() if score == 'accuracy' else called[0]}{called[1:]} on what each fold left out"
    switches = curves.switches(next(iter(run.folds.values())))
    return Chart("folds", title, about, lines, "epoch", called, switches=switches, whole=True, y_shares=True)


def _estimated(run: RunFiles) -> Text:
    found = run.estimate
    by_chance = f"A random split says {percent(found['random_split_accuracy'])}."
    if found.get("expected_new_group_accuracy") is None:
        return Text(f"The estimate, without groups: {by_chance}")
    spread = (
        f", {between(found['expected_new_group_interval'])} in the mean over groups like these, "
        f"{between(found['new_group_range'])} on a single one"
        if found.get("expected_new_group_interval")
        else ""
    )
    expected = percent(found["expected_new_group_accuracy"])
    return Text(f"The estimate, by heads on the frozen backbone: {expected} on a new group{spread}. {by_chance}")


def _figures(run: RunFiles) -> list[Block]:
    """Those of the estimate; its confusion matrix where no model has one."""
    figure_files = {
        "hardest_group": ("Mistakes in the hardest group", "Grid of the worst mistakes in the hardest group"),
        "learning_curve": ("What more images would bring", "Error against the number of images and of groups"),
        "label_errors": ("Labels that are probably wrong", "Grid of images whose label is contradicted"),
        "proposed_groups": ("Groups that the file names tell of", "Images by the groups that file names tell of"),
    }
    figures = [
        figure
        for name, (caption, alt) in figure_files.items()
        for figure in embed(
            run.run_dir.estimate / f"{name}.png",
            alt=alt,
            caption=caption,
            is_plot=name == "learning_curve",
            is_titled=True,
        )
    ]
    matrix = [] if run.final else summary.confusion(run.estimate, of="each image by a head that has not seen it")
    return [*matrix, *([Row(figures)] if figures else [])]


def none_of_these(run: RunFiles) -> Section | None:
    """What is refused as none of the classes, and what is not."""
    found = run.evaluation.get("none_of_these") if run.is_evaluated else None
    if not found:
        return None
    rows = [
        (name, f"{row['images']:,}", percent(row["coverage"]))
        for name, row in sorted(found["groups"].items(), key=lambda item: item[1]["coverage"] or 0)
    ]
    others = [
        f"Of {row['images']:,} {name}, {percent(row['missed'])} are taken for one of the classes (misses)."
        for name, row in found["others"].items()
    ]
    said = (
        f"{percent(found['coverage'])} of the images of a new group are to be taken for one of the classes. Of the "
        f"images evaluated {percent(found['test_coverage'])} are; the others are false alarms."
    )
    table = _shortened("Taken, by the limit of the other groups", ("group left out", "images", "taken"), rows)
    return Section("none-of-these", "None of these", [Text(" ".join([said, *others])), table])
