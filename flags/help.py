"""The page that `--help` prints: every flag by section, with its unit, its choices and the default in force."""

import dataclasses
import re
import textwrap
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from ftdata.config import AugmentConfig, DataConfig
from ftdata.settings import as_text
from trainers.config import (
    ModelConfig,
    RuntimeConfig,
    SearchConfig,
    ServeConfig,
    TrainConfig,
    TrainingConfig,
    UseConfig,
    settings,
)

_WIDTH, _COLUMN = 108, 33  # of the page, and where the text of a flag begins; characters
_GLUE = "\0"  # for a space at which no line ends

_WATCHING = (
    *("tensorboard", "track", "profile_steps", "log_every_steps", "checkpoint_every_steps", "keep_checkpoints"),
)
_SECTIONS = {
    "Run": (TrainConfig, "what is done, and where it is kept"),
    "Data": (DataConfig, "which images, and how they become arrays of one size"),
    "Augmentation": (
        AugmentConfig,
        "random changes of the training images; the names, units and meanings are those of Keras' ImageDataGenerator "
        "where it has them",
    ),
    "Model": (ModelConfig, "the backbone, its weights, and the head on it"),
    "Training": (TrainingConfig, "the phases and how they are optimized"),
    "Search": (SearchConfig, "the best of several models, found in trials"),
    "Machine": (RuntimeConfig, "devices, precision and compilation"),
    "Watching": (RuntimeConfig, "what is recorded of a run on the way"),
    "Using": (UseConfig, "what is done with a trained model"),
    "Serving": (ServeConfig, "the server of an exported model, and its bounds"),
}


def is_asked_by(argument: str) -> bool:
    """Whether an argument of the command line asks for help."""
    return argument.partition("=")[0] in ("--help", "-help", "-h", "--helpfull", "--helpshort")


def page(
    *, preset: str | None, reason: str, held: Collection[str], values: TrainConfig, presets: dict[str, str]
) -> str:
    """The help of `python -m trainers.main`.

    Args:
      preset: the one in force.
      reason: why it is.
      held: the names of the settings that it holds.
      values: the settings in force: those of the preset, and for the others those of the dataclasses.
      presets: what each of them is for, by name.
    """
    lines = [
        "Fine-tune an image classifier: a new head on the frozen base (transfer), then the base too (finetune).",
        "",
        "  python -m trainers.main                                   the embedded demo, two minutes on two CPU cores",
        "  python -m trainers.main --image_dir=FOLDER                your own images, a folder for each class",
        "  python -m trainers.main --phase=predict --images=FOLDER   what the trained model says of other images",
        "",
        *_wrap(
            "Write --name=value; --name or --name=false for a switch; --name=a,b,c for a list; --name=none to unset an "
            "optional number. --flagfile=FILE reads flags from a file, one a line. The later flag wins, and all of "
            "them win over the preset."
        ),
        "",
        f"Preset in force: {preset or 'none'} ({reason}).",
        *_wrap("The defaults below are those under it; `--help --preset=NAME` shows those under another:"),
        *[line for name, text in presets.items() for line in _entry(f"  {name}", text, column=22)],
    ]
    in_force = {field.name: value for field, value in settings(values)}
    for title, fields in _by_section():
        lines += ["", *_wrap(f"{title}: {_SECTIONS[title][1]}")]
        for field in fields:
            default = _default(field, in_force[field.name], preset=preset if field.name in held else None)
            choices = field.metadata["choices"] or ()
            if field.name == "preset":
                default, choices = f"in force: {preset or 'none'}", tuple(presets)
            lines += _entry(f"  --{field.name}", described(field.metadata["description"], default, choices))
    return "\n".join(lines)


def table(flags: Iterable[tuple[str, str]]) -> str:
    """Lines of flags and what is said of them."""
    return "\n".join(line for name, text in flags for line in _entry(f"  --{name}", text, column=20))


def described(description: str, default: str, choices: Iterable[str] = ()) -> str:
    """`description [a|b] (default: a)`; choices that the description explains are not listed again."""
    choices = list(choices)
    unexplained = [
        choice for choice in choices if not re.search(rf"(?<![\w-]){re.escape(choice)}(?![\w-])", description)
    ]
    listed = [f"[{'|'.join(choices)}]"] if unexplained else []
    default = f"({default})"
    if len(default) <= _WIDTH - _COLUMN:
        default = default.replace(" ", _GLUE)
    return " ".join([description, *listed, default])


def _by_section() -> Iterator[tuple[str, list[dataclasses.Field]]]:
    for title, (owner, _) in _SECTIONS.items():
        fields = [field for field in dataclasses.fields(owner) if "description" in field.metadata]
        if owner is RuntimeConfig:
            fields = [field for field in fields if (field.name in _WATCHING) == (title == "Watching")]
        yield title, fields


def _default(field: dataclasses.Field, value: Any, *, preset: str | None) -> str:
    """`default: 32`, or `default with photos: 64; otherwise 32` where the preset sets another value."""
    now, without = _shown(field, value), _shown(field, field.default)
    return f"default: {now}" if not preset or now == without else f"default with {preset}: {now}; otherwise {without}"


def _shown(field: dataclasses.Field, value: Any) -> str:
    return field.metadata["unset"] if value is None else as_text(value)


def _entry(name: str, text: str, *, column: int = _COLUMN) -> list[str]:
    """Lines of a name and its text, which keeps to its column."""
    return _wrap(text, first=f"{name:<{column - 2}}  ", indent=" " * column)


def _wrap(text: str, *, first: str = "", indent: str = "") -> list[str]:
    lines = textwrap.wrap(
        text,
        width=_WIDTH,
        initial_indent=first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_GLUE, " ") for line in lines]
