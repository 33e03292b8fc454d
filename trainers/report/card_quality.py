"""Sections of a model card on how good the model is, where it fails, and what follows from that for its use."""

from pathlib import PurePath

from ftdata.names import counted
from trainers.evaluation.calibration import expected_calibration_error
from trainers.evaluation.summary import in_words
from trainers.report import judged, quality, several_labels, summary
from trainers.report.blocks import Block, Section, Table, Text, between, percent
from trainers.report.run_files import RunFiles
from trainers.report.summary import Score

_HARDEST = 5
_NEW_GROUPS = "On a new group of images"
_AVERAGED = {"flip": "the image and its mirror image", "dihedral": "the eight flips and quarter turns of the image"}
_SQUARE = {
    "stretch": "stretched to",
    "crop": "cut to its central square and brought to",
    "pad": "padded to",
}


def metrics(run: RunFiles) -> Section | None:
    """Accuracies with their intervals, and each class."""
    if not run.final:
        return None
    scored = [summary.accuracy(run), summary.held_out(run), summary.new_group(run)]
    rows = list(dict.fromkeys(_row(score) for score in scored if score))
    blocks: list[Block] = [Table("", ("measure", "value", "95% interval", "on"), rows, is_text=True)]
    tested = " The test set chose nothing." if run.metrics.get("test_accuracy") is not None else ""
    blocks.append(Text(f"{_chosen_by(run)}{tested}"))
    if (views := run.exports["test_time_augmentation"]) != "none":
        blocks.append(
            Text(f"The exports average over {_AVERAGED[views]}; these numbers are of the model without averaging.")
        )
    return Section("metrics", "How good it is", [*blocks, *quality.class_scores(run)])


def _row(score: Score) -> tuple[str, str, str, str]:
    interval = between(score.interval) if score.interval else "not known"
    return score.label, percent(score.accuracy), interval, score.note


def _chosen_by(run: RunFiles) -> str:
    if several_labels.applies(run) and run.metrics.get("validation_map") is not None:
        by = in_words(run.metrics.get("monitor") or "map")
        if "chosen_among" in run.metrics:
            return f"The epoch was chosen by {by} in the mean over what the folds left out."
        return f"The epoch was chosen by {by} on the validation split, whose scores therefore read too high."
    monitor = (run.metrics.get("monitor") or "accuracy").replace("_", " ")
    if "chosen_among" in run.metrics:
        return f"The epoch was chosen by {monitor} in the mean over what the folds left out."
    if run.metrics.get("validation_accuracy") is None:
        return "There was no validation split to choose the epoch by."
    return f"The epoch was chosen by {monitor} on the validation split, whose accuracy therefore reads too high."


def new_groups(run: RunFiles) -> Section:
    """What to expect of images from other places, cameras and days."""
    expected = summary.new_group(run)
    if expected is None:
        known = bool(run.settings.get("group_pattern"))
        why = "how much groups differ was not measured" if known else "the images were not told apart by groups"
        warning = f"Not known: {why}. On images from another place, camera or day the accuracy may be far lower."
        return Section("new-groups", _NEW_GROUPS, [Text(warning, is_warning=True)])
    bounds = expected.interval
    interval = f", 95% interval {between(bounds)} in the mean over groups like these" if bounds else ""
    said = [Text(f"{expected.label}: {percent(expected.accuracy)}{interval} ({expected.note}).")]
    trust = [text for text in summary.trust(run) if text not in summary.leaks(run)] if run.final else []
    return Section("new-groups", _NEW_GROUPS, [*said, *trust])


def calibration(run: RunFiles) -> Section:
    """Whether probabilities mean what they say, before and after the temperature."""
    if several_labels.applies(run):
        return several_labels.probabilities(run)
    value, images = run.exports["temperature"], run.exports["temperature_images"]
    if not images:
        temperature = "Exports have the temperature 1: no image was held out of the training to fit one on."
    elif value == 1.0:
        temperature = (
            f"Exports have the temperature 1: the {images:,} held-out images are too little evidence for another."
        )
    else:
        temperature = f"Exports divide scores by the temperature {value:.3f}, fitted on {images:,} held-out images."
    return Section("calibration", "Calibration", [Text(f"{_calibration_error(run, value)} {temperature}")])


def _calibration_error(run: RunFiles, temperature: float) -> str:
    evaluated, views = run.evaluation, run.exports["test_time_augmentation"]
    is_own = bool(run.final) and evaluated.get("weights_sha256") == run.metrics.get("weights_sha256")
    is_own = is_own and run.evaluated_on is None and evaluated.get("test_time_augmentation", "none") == views
    found = run.predictions if is_own else None
    if not found:
        return "How far probabilities can be trusted was not measured on the test set."
    before = percent(expected_calibration_error(found.evaluation))
    said = (
        "Expected calibration error (the mean distance between the probability of an answer and the share of such "
        f"answers that are right) on the {len(found.names):,} test images: {before}"
    )
    if temperature == 1.0:
        return f"{said}."
    after = percent(expected_calibration_error(found.evaluation.with_temperature(temperature)))
    return f"{said} before the temperature, {after} after it."


def none_of_these(run: RunFiles) -> Section:
    """What is refused as none of the classes."""
    kept = run.exports["none_of_these"]
    if several_labels.applies(run):
        return Section("none-of-these", "None of these", [Text("An image of none of the classes should get no label.")])
    if not kept:
        said = "Not available: the model names one of its classes whatever it is shown."
        return Section("none-of-these", "None of these", [Text(said)])
    said = (
        f"Exports also give unlike, above 1 for an image of none of the classes. The limit is chosen so that "
        f"{percent(kept['coverage'])} of the images of a new group are still taken for one of them "
        f"({counted(kept['images'], 'image')} left out of the training)."
    )
    found = run.evaluation.get("none_of_these") if run.is_evaluated else None
    if found:
        said += f" Of the images last evaluated {percent(1 - found['test_coverage'])} are refused."
        for name, row in found["others"].items():
            path = name.removeprefix("images of ")  # of --other_images: the folder's name will do
            what = name if path == name else f"images of {PurePath(path).name}"
            said += f" Of {row['images']:,} {what} {percent(row['missed'])} are taken for one of the classes."
    return Section("none-of-these", "None of these", [Text(said)])


def failures(run: RunFiles) -> Section:
    """The classes most confused, the hardest groups, and what makes the numbers read too high."""
    confused = quality.confused(run)
    blocks: list[Block] = [*summary.leaks(run), *(confused.blocks if confused else [])]
    by_folds = run.metrics.get("groups")
    estimated = {name: row["accuracy"] for name, row in run.estimate.get("groups", {}).items()}
    if groups := by_folds or estimated:
        whose = "by models that had not seen them" if by_folds else "by heads on the frozen backbone"
        hardest = sorted(groups.items(), key=lambda item: item[1])[:_HARDEST]
        rows = [(name, percent(share)) for name, share in hardest]
        caption = f"The hardest of {len(groups):,} groups left out in turn, judged {whose}"
        blocks.append(Table(caption, ("group", "accuracy"), rows))
    if several_labels.applies(run) and run.metrics.get("per_class"):
        blocks.append(Text("Which labels are missed and which are given wrongly is in the table of test images above."))
    nothing = [Text("None were looked for: there was no test set.")] if not blocks else []
    return Section("failures", "Known failures", [*blocks, *nothing])


SECTIONS = (metrics, new_groups, calibration, none_of_these, failures)


def limits(run: RunFiles) -> list[str]:
    """What the numbers mean for the use of the model, a sentence or two each."""
    names, exports = run.exports["class_names"], run.exports
    said = [f"Made for telling {summary.few(names)} apart in images like those that it was trained and tested on."]
    scored, expected = summary.accuracy(run) if run.final else None, summary.new_group(run)
    several = several_labels.applies(run)
    if scored and not several:
        wrong = f"{100 * (1 - scored.accuracy):.0f}"
        said.append(f"Of 100 answers on such images about {wrong} are wrong ({scored.label.lower()}).")
    if expected and several:
        said.append(f"On images of a new group expect a mAP of about {percent(expected.accuracy)}.")
    elif expected:
        wrong = f"{100 * (1 - expected.accuracy):.0f}"
        said.append(f"On images of a new group expect about {wrong} wrong answers of 100.")
    else:
        said.append("On images from elsewhere nobody has measured how many are wrong: measure that first.")
    if several:
        said += several_labels.limits(run)
    elif weakest := judged.weakest(run):
        name, recall, where = weakest
        said.append(f"Weakest for {name}: of its images among {where} {percent(recall)} are found.")
    refuses = "unlike says which belong to none" if exports["none_of_these"] else "it cannot say none of these"
    said += [] if several else [f"Every image gets the name of a class; {refuses}."]
    square = f"{_SQUARE[exports['resize']]} {exports['image_size']}x{exports['image_size']} pixels"
    said.append(f"An image is {square}: what cannot be told apart at that size, the model cannot tell apart.")
    said.append(
        "Nothing else was measured: not other kinds of images, not images made to deceive it, not whether it is as "
        "good for some people or places as for others. Do not let it decide alone what must not go wrong."
    )
    return said
