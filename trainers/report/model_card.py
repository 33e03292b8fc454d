"""`MODEL_CARD.md` beside the exports: what a model is, how good, on what, and how it is used. A function of the run's
files alone."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ftdata.log import log
from trainers.report import card_origin, card_quality, summary
from trainers.report.blocks import percent
from trainers.report.run_files import RunFiles, Values
from trainers.rundir.run_dir import RunDir, write_atomically

_FILE = "MODEL_CARD.md"
_TAGS = {"saved_model": "tensorflow", "keras": "keras", "onnx": "onnx", "openvino": "openvino"}  # the others are LiteRT


def refresh(run_dir: RunDir) -> bool:
    """Writes the card; where that fails there is a warning, since nothing that was exported hangs on it.

    Returns:
      Whether it was written.
    """
    try:
        write(run_dir)
    except Exception as error:  # whatever it is, the exports are worth more than the card
        said = f"{type(error).__name__}: {error}".removesuffix(": ")
        log.info(f"warning: {run_dir.export / _FILE} was not written: {' '.join(said.split())}")
        return False
    return True


def write(run_dir: RunDir) -> None:
    """Writes the card, atomically.

    Raises:
      UserError: a file of the run is damaged.
      WriteFailed: no space, no permission.
    """
    text = markdown(RunFiles.read(run_dir))
    write_atomically(run_dir.export / _FILE, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def markdown(run: RunFiles) -> str:
    """The card as text; the same files give the same text.

    Args:
      run: that has `exports`.
    """
    from trainers.report.markdown import render  # only here: jinja2 need not be loaded by who writes no card

    run = _exported(run)
    exports = run.exports
    files = {row["format"]: row for row in exports["exports"]}
    return render(
        _FILE,
        name=run.name,
        opening=_opening(run),
        tags=list(dict.fromkeys(_TAGS.get(kind, "litert") for kind in files)),
        about=card_origin.about(run),
        quality=[section for make in card_quality.SECTIONS if (section := make(run)) is not None],
        limits=card_quality.limits(run),
        origin=[card_origin.data(run), card_origin.training(run)],
        formats=[*files],
        litert=[row["file"] for kind, row in files.items() if kind.startswith("litert")],
        count=len(exports["class_names"]),
        jpeg_decode=exports["jpeg_decode"],
        golden=exports["golden"],
        files=card_origin.files(run),
        side=exports["image_size"],
        channels=exports.get("channels", 3),
        resize=exports["resize"],
        method=exports["interpolation"].upper(),
        has_unlike=bool(exports["none_of_these"]),
        weights_of=card_origin.starting_weights(run),
        data_set=card_origin.data_name(run),
    )


def _exported(run: RunFiles) -> RunFiles:
    """The run up to the phase whose model was exported; without phases where that is not finished."""
    phase, names = Path(run.exports["model"]).parent.name, list(run.phases)
    kept = names[: names.index(phase) + 1] if phase in names else []
    phases: dict[str, Values] = {name: run.phases[name] for name in kept}
    return dataclasses.replace(run, phases=phases)


def _opening(run: RunFiles) -> Sequence[str]:
    """What it is and how good, in a sentence each."""
    names: list[Any] = run.exports["class_names"]
    said = [f"An image classifier that tells {len(names):,} classes apart: {summary.few(names)}."]
    scored = summary.accuracy(run) if run.final else None
    if scored is None:
        return [*said, "It was exported before its training was finished: how good it is was not measured."]
    interval = f" (95% interval {scored.interval[0]:.1%} to {scored.interval[1]:.1%})" if scored.interval else ""
    return [*said, f"{scored.label}: {percent(scored.accuracy)}{interval}, {scored.note}."]
