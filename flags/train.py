"""The flags of `python -m trainers.main`: one for every setting of TrainConfig, which owns the defaults."""

import dataclasses
import difflib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from absl import flags

from ftdata.config import item_type, value_type
from ftdata.errors import UserError
from trainers.config import USING_PHASES, TrainConfig, settings

_PRESETS = Path(__file__).parent / "presets"
_LONGEST_JSON = 10_000  # characters
_DATA_FLAGS = ("dataset", "image_dir", "labels_csv")


class FlagError(ValueError):
    """A command line that cannot be used; the message is one line."""


class HelpRequested(Exception):
    """The user asked for the flags; the message lists them."""


def define(flag_values: flags.FlagValues) -> None:
    """Defines a flag for every setting; a flag that is not given has the value None."""
    for field, _ in settings(TrainConfig()):
        kind, _ = value_type(field.type)
        text, choices = field.metadata["description"], field.metadata["choices"]
        options: dict[str, Any] = {"flag_values": flag_values}
        if kind is bool:
            flags.DEFINE_bool(field.name, None, text, **options)
        elif kind is int:
            flags.DEFINE_integer(field.name, None, text, **options)
        elif kind is float:
            flags.DEFINE_float(field.name, None, text, **options)
        elif choices and kind is str:
            flags.DEFINE_enum(field.name, None, choices, text, **options)
        else:  # strings; and lists and JSON, which are read below
            flags.DEFINE_string(field.name, None, text, **options)


def parse(argv: list[str]) -> tuple[TrainConfig, set[str]]:
    """The configuration that a command line asks for, and the names of the flags it gives itself.

    Args:
      argv: program name and arguments.

    Raises:
      FlagError: one line that names the flag, the rule, the value and the choices.
      HelpRequested: for `--help`.
    """
    if any(argument in ("--help", "-help", "-h", "--helpfull", "--helpshort") for argument in argv[1:]):
        raise HelpRequested(_help())
    given = _read(argv[1:])
    return _completed(given), set(given)


def config(**settings_by_name: Any) -> TrainConfig:
    """The configuration that a command line with these flags asks for, preset included; for use from Python.

    Args:
      **settings_by_name: values by the names of the flags, such as `image_dir="photos"` or `zoom_range=(0.9, 1.1)`;
        lists and JSON objects also as the text of a command line. None stands for a flag that is not given.

    Raises:
      FlagError: a ValueError of one line that names the flag, the rule, the value and the choices.

    Example:
      >>> trainers.run(flags.config(image_dir="photos", model_dir="runs/photos", batch_size=16))
    """
    known = [field.name for field, _ in settings(TrainConfig())]
    for name in settings_by_name:
        if name not in known:
            raise FlagError(f"{name}: no such flag; {_hint(name, known)}")
    return _completed({name: value for name, value in settings_by_name.items() if value is not None})


def _completed(given: dict[str, Any]) -> TrainConfig:
    """The configuration of the flags `given` and, for the others, of the preset in force."""
    preset = given.get("preset") or _default_preset(given)
    values = _read([f"--flagfile={_preset_file(preset)}"]) if preset else {}
    if any(given.get(name) for name in _DATA_FLAGS):  # the user's data replaces the preset's
        values = {name: value for name, value in values.items() if name not in _DATA_FLAGS}
    return _config({**values, **given, "preset": preset})


def _hint(name: str, known: Iterable[str], *, dashes: str = "") -> str:
    close = difflib.get_close_matches(name, list(known), n=3) or [other for other in known if name in other][:3]
    return f"did you mean {', '.join(dashes + name for name in close)}?" if close else "see --help"


def _default_preset(given: dict[str, Any]) -> str | None:
    """A trained model brings its own settings."""
    if given.get("phase") in USING_PHASES:
        return None
    return "photos" if any(given.get(name) for name in _DATA_FLAGS) else "demo"


def preset_names() -> list[str]:
    """The presets in `flags/presets`."""
    return sorted(path.stem for path in _PRESETS.glob("*.flags"))


def _read(arguments: list[str]) -> dict[str, Any]:
    """The flags given in `arguments` (and in their flagfiles), by name."""
    values = flags.FlagValues()
    define(values)
    try:
        arguments = values.read_flags_from_files(arguments)
    except (flags.Error, OSError, UnicodeDecodeError) as error:
        reason = str(error).split("flagfile: ")[-1]
        raise FlagError(f"--flagfile must name a text file of flags: {reason}") from None
    try:
        rest = values(["main", *arguments])[1:]
    except flags.UnrecognizedFlagError as error:
        raise FlagError(f"--{error.flagname}: no such flag; {_hint(error.flagname, values, dashes='--')}") from None
    except (flags.Error, ValueError) as error:  # absl raises a plain ValueError for --noaugment=3
        raise FlagError(_one_line(str(error))) from None
    if rest:
        quotes = "; a pattern needs quotes: --images='*.jpg'" if values["images"].present else ""
        raise FlagError(f"{rest[0]!r} is not a flag; flags are written --name=value{quotes}")
    return {name: values[name].value for name in values if values[name].present}


def _one_line(message: str) -> str:
    """absl's `flag --batch_size=x: invalid literal for int() ...` in the words of this project."""
    match = re.match(r"flag --(\w+)=(.*?): (.*)", message, re.DOTALL)
    if not match:
        return message.splitlines()[0]
    name, value, reason = match.groups()
    field = next((field for field, _ in settings(TrainConfig()) if field.name == name), None)
    if field is None:
        return f"--{name}: {reason}"
    kind, _ = value_type(field.type)
    rule = {int: "a whole number", float: "a number", bool: "true or false"}.get(kind)
    rule = rule or f"one of {', '.join(map(str, field.metadata['choices']))}"
    return f"--{name} must be {rule}, got {value!r}"


def _preset_file(preset: str) -> Path:
    if preset not in preset_names():
        raise FlagError(f"--preset must be one of {', '.join(preset_names())}, got {preset!r}")
    return _PRESETS / f"{preset}.flags"


def _config(values: dict[str, Any]) -> TrainConfig:
    """Sorts flat values into the nested configs."""

    def build(kind: Any) -> Any:
        arguments = {}
        for field in dataclasses.fields(kind):
            if dataclasses.is_dataclass(field.type):
                arguments[field.name] = build(field.type)
            elif values.get(field.name) is not None:
                arguments[field.name] = _value(field, values[field.name])
        return kind(**arguments)

    try:
        return build(TrainConfig)
    except UserError as error:
        raise FlagError(f"--{error}") from None


def _value(field: dataclasses.Field, value: Any) -> Any:
    """The setting's value: lists and JSON objects are written as text on a command line."""
    kind, _ = value_type(field.type)
    if kind is tuple and isinstance(value, list):
        return tuple(value)
    if not isinstance(value, str) or kind not in (dict, tuple):
        return value
    if kind is dict:
        return _json(field.name, value)
    item = item_type(field.type)
    try:
        return tuple(item(part.strip()) for part in value.split(","))
    except ValueError:
        raise UserError(f"{field.name} must be comma-separated {item.__name__}s, got {value!r}") from None


def _json(name: str, text: str) -> Any:
    if len(text) > _LONGEST_JSON:
        raise UserError(f"{name} must be a JSON object of up to {_LONGEST_JSON:,} characters, got {len(text):,}")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # a number of too many digits is a plain ValueError
        shown = text if len(text) <= 200 else f"{text[:200]}..."
        raise UserError(f"{name} must be a JSON object, got {shown!r}: {str(error).partition(';')[0]}") from None


def _help() -> str:
    lines = [
        "Fine-tune an image classifier: a new head on the frozen base (transfer), then the base too (finetune).",
        "",
        "  python -m trainers.main                               the embedded demo, two minutes on two cores",
        "  python -m trainers.main --image_dir=FOLDER            your photos, a folder for each class",
        "  python -m trainers.main --phase=predict --images=FOLDER   what the trained model says of other photos",
        "",
        f"presets: {', '.join(preset_names())}",
    ]
    parts: list[Any] = [field.type for field in dataclasses.fields(TrainConfig) if "description" not in field.metadata]
    for owner in (TrainConfig, *parts):
        lines += ["", str(owner.__doc__).splitlines()[0]]
        lines += [_help_line(field) for field in dataclasses.fields(owner) if "description" in field.metadata]
    return "\n".join(lines)


def _help_line(field: dataclasses.Field) -> str:
    choices = f" [{'|'.join(map(str, field.metadata['choices']))}]" if field.metadata["choices"] else ""
    default = ",".join(map(str, field.default)) if isinstance(field.default, tuple) else field.default
    default = "" if default is None else f" (default: {default})"
    return f"  --{field.name:<29}{field.metadata['description']}{choices}{default}"
