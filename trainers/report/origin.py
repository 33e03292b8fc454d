"""Sections on where a model comes from: its images, the data doctor, speed, settings, versions, digests, exports."""

from pathlib import Path
from typing import Any

from ftdata.names import counted
from ftdata.settings import as_text
from trainers.config import TrainConfig, as_dict
from trainers.report import command_lines, fold_means, session, several_labels
from trainers.report.blocks import Block, Command, Folded, Lines, Row, Section, Table, Text, percent
from trainers.report.embedding import embed
from trainers.report.run_files import RunFiles, Values
from trainers.report.summary import SPLITS
from trainers.rundir.progress import FEW_STEPS

_INPUT_BOUND = 0.1  # share of the training time from which on faster input is worth a word
_NOT_COMPARED = ("phase", "preset", "model_dir", "overwrite")
_MOST_EPOCHS = 200
_DOCTOR = {
    "data": "Classes and splits",
    "images": "Images",
    "leakage": "Likely leakage",
    "machine": "Machine",
    "training": "Training",
}


def samples(run: RunFiles) -> Section | None:
    """Training images, as they are and as the model sees them."""
    figures = embed(
        run.run_dir.samples,
        alt="Grid of training images, each with its class above it",
        caption="Training images with their labels",
    )
    if run.final and run.settings.get("augment", True):
        figures += embed(
            run.run_dir.phase(run.final).augmented,
            alt="Grid of augmented training images, each with its class above it",
            caption=f"The same kind of images as the model sees them in {run.final}, augmented",
        )
    return Section("samples", "Training images", [Row(figures)]) if figures else None


def doctor(run: RunFiles) -> Section | None:
    """What `--phase=check` has found."""
    lines, advice = run.findings.get("lines", {}), run.findings.get("advice", {})
    if not lines:
        return None
    rows = [(flag, reason) for flag, reason in advice.items()]
    warnings = [line for part in lines.values() for line in part if line.startswith("warning: ")]
    first: list[Block] = [
        Table("Advice", ("flag", "reason"), rows, is_text=True)
        if rows
        else Text("No advice on the settings." if warnings else "No advice: nothing speaks against these settings.")
    ]
    first += [Text(line.removeprefix("warning: "), is_warning=True) for line in warnings]
    folded = [Folded(title, [Lines(lines[name])]) for name, title in _DOCTOR.items() if lines.get(name)]
    return Section("doctor", "The data doctor", [*first, *folded])


def speed(run: RunFiles) -> Section | None:
    """How fast each phase was, and what held it back."""
    if not run.phases:
        return None
    rows, said = [], list[Block]()
    for name, metrics in run.phases.items():
        rate, wait = metrics.get("images_per_second"), metrics.get("input_wait_fraction")
        rows.append((name, "-" if rate is None else f"{rate:,.0f}", percent(wait), f"{metrics.get('seconds', 0):,.0f}"))
        if wait is not None:
            said.append(Text(_bottleneck(name, wait, steps=metrics.get("step") or 0)))
    columns = ("phase", "images/s", "waiting for input", "seconds of training")
    if run.folds:
        spent = sum(row.get("seconds") or 0.0 for fold in run.folds.values() for rows in fold.values() for row in rows)
        said.append(Text(f"The models of the {len(run.folds)} folds took {spent:,.0f} seconds more, before these."))
    return Section("speed", "Speed", [Table("Training", columns, rows), *said, *_epochs(run)], is_narrow=True)


def _bottleneck(name: str, wait: float, *, steps: int) -> str:
    if steps < FEW_STEPS:
        return f"{name} was too short to tell what held it back: {counted(steps, 'step')}."
    if wait > _INPUT_BOUND:
        return f"{name} was input-bound: {percent(wait)} of the time it waited for images; see --cache."
    return f"{name} was not input-bound: faster input would gain {percent(wait)} of the time at most."


def _epochs(run: RunFiles) -> list[Block]:
    """The numbers behind the curves."""
    several = several_labels.applies(run)
    columns = ["loss", "accuracy", "validation_loss", "validation_accuracy", "learning_rate"]
    columns[-1:-1] = ["validation_map"] if several else []
    words = {"accuracy": several_labels.EXACT if several else "accuracy", "map": "mAP"}
    tables, left_out = list[Block](), fold_means.histories(run)
    for name, history in run.histories.items():
        means = {row["epoch"]: row for row in left_out.get(name, ())}
        with_means = [{**row, **means.get(row["epoch"], {})} for row in history[-_MOST_EPOCHS:]]
        known = [column for column in columns if any(row.get(column) is not None for row in with_means)]
        rows = [(f"{row['epoch']:.0f}", *(_cell(column, row.get(column)) for column in known)) for row in with_means]
        titles = [" ".join(words.get(word, word) for word in column.split("_")) for column in known]
        head = [f"epoch of {name}", *titles]
        head = [title.replace("validation", "left-out") for title in head] if means else head
        caption = f"Epochs of {name}; epoch 0 is the model it starts from"
        caption += f"; left-out is the mean of {len(run.folds)} folds" if means else ""
        tables.append(Table(caption, head, rows))
    return [Folded("Every epoch in numbers", tables)] if tables else []


def _cell(column: str, value: float | None) -> str:
    if value is None:
        return "-"
    if column == "learning_rate":
        return f"{value:.3g}"
    return f"{value:.3f}" if column.endswith("loss") else percent(value)


def exports(run: RunFiles) -> Section | None:
    """The exported files, their sizes, and how far their answers are from the model's."""
    found = run.exports
    if not found:
        return None
    rows = [
        (
            f"{row['file']} ({row['call']})",
            f"{row['bytes'] / 2**20:,.2f} MiB",
            f"{row['max_probability_difference']:.1e}",
            percent(row["label_agreement"]),
            f"{row['latency_ms']['1']['p50']:.1f} ms",
            "yes" if row["is_within"] else "NO",
        )
        for row in found["exports"]
    ]
    columns = ("file", "size", "largest difference", "same label", "one image", "within tolerance")
    caption = f"Each run by itself on {found['images']:,} test images and compared with the model (export/parity.json)"
    same = found.get("model", "").endswith(f"{run.final}/best.keras")
    stale = [] if same else [Text("These files are of an earlier phase: export again.", is_warning=True)]
    return Section("exports", "Exports", [*stale, Table(caption, columns, rows)])


def settings(run: RunFiles) -> Section | None:
    """What the run was started with: what is not as by default, and the rest."""
    if not run.record:
        return None
    default = {key: _plain(value) for key, value in as_dict(TrainConfig()).items()}
    chosen = {key: value for key, value in run.settings.items() if key not in _NOT_COMPARED}
    changed = not_as_by_default(run)
    blocks: list[Block] = []
    if started := command_lines.started(run):
        blocks.append(Command("Started with", started))
    blocks += _moved(run)
    if run.settings.get("preset"):
        blocks.append(Text(f"Preset: {run.settings['preset']}. What auto has come to on this machine counts as set."))
    rows = [(key, setting_text(value), setting_text(default.get(key))) for key, value in changed.items()]
    blocks.append(Table("Settings that are not as by default", ("setting", "value", "default"), rows, is_text=True))
    others = [(key, setting_text(value)) for key, value in chosen.items() if key not in changed]
    table = Table("Settings as by default", ("setting", "value"), others, is_text=True)
    folded = Folded(f"{len(others)} settings as by default", [table])
    return Section("settings", "Settings", [*blocks, folded], is_narrow=True)


def _moved(run: RunFiles) -> list[Block]:
    """Where the run lay when it was started, if that is not where it is."""
    before, now = run.settings.get("model_dir"), run.run_dir.root.resolve()
    if not before or Path(before).resolve() == now:
        return []
    said = f"The folder of the run was {before} then and is {now} now, as the other commands of this page name it."
    return [Text(f"{said} Paths of images are as they were then.")]


def not_as_by_default(run: RunFiles) -> dict[str, Any]:
    """The settings of a run that are not as by default, by name."""
    default = {key: _plain(value) for key, value in as_dict(TrainConfig()).items()}
    chosen = {key: value for key, value in run.settings.items() if key not in _NOT_COMPARED}
    return {key: value for key, value in chosen.items() if _plain(value) != default.get(key)}


def _plain(value: Any) -> Any:
    """Tuples as lists, as JSON has them."""
    return list(value) if isinstance(value, tuple) else value


def setting_text(value: Any) -> str:
    """The value of a setting as a flag has it."""
    return "none" if value is None else as_text(value)


def versions(run: RunFiles) -> Section | None:
    """What it was computed with, and by what its parts are known again."""
    if not run.record:
        return None
    digests = [(f"weights of {name}", _digest(values)) for name, values in run.phases.items()]
    digests += [(f"{SPLITS[name]} images", digest) for name, digest in run.fingerprint.items()]
    where = session.machine_of(run)
    blocks: list[Block] = [
        Table("Versions", ("of", "version"), list(run.record.get("versions", {}).items()), is_text=True),
        *([Text(f"Machine of the last start: {where}.")] if where else []),
        Table("Digests (SHA-256; of images the first 16 digits)", ("of", "digest"), digests, is_text=True),
    ]
    return Section("versions", "Versions and digests", blocks, is_narrow=True)


def _digest(values: Values) -> str:
    return values.get("weights_sha256", "-")
