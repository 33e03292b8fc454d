"""The flags of `python -m trainers.main`: one for every setting of TrainConfig, which owns the defaults."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

from absl import flags

from flags import help, suggestions
from flags.errors import FlagError, in_words, printable
from ftdata.errors import UserError, with_dashes
from ftdata.settings import item_type, said, value_type
from trainers.config import USING_PHASES, TrainConfig, settings

_PRESETS = Path(__file__).parent / "presets"
_LONGEST_JSON = 10_000  # characters
_DATA_FLAGS = ("dataset", "image_dir", "labels_csv", "records")
_NONE = "none"  # leaves an optional number unset, where a preset sets it


class HelpRequested(Exception):
    """The user asked for the flags; the message lists them."""


class _OrNone(flags.ArgumentParser):
    """A number, or `none`."""

    def __init__(self, parser: flags.ArgumentParser):
        super().__init__()
        self._parser = parser

    def parse(self, argument: Any) -> Any:
        return argument if argument == _NONE else self._parser.parse(argument)


def define(flag_values: flags.FlagValues) -> None:
    """Defines a flag for every setting; a flag that is not given has the value None."""
    for field, _ in settings(TrainConfig()):
        kind, optional = value_type(field.type)
        text, choices = field.metadata["description"], field.metadata["choices"]
        options: dict[str, Any] = {"flag_values": flag_values}
        if kind is bool:
            flags.DEFINE_bool(field.name, None, text, **options)
        elif kind in (int, float):
            parser = flags.IntegerParser() if kind is int else flags.FloatParser()
            flags.DEFINE(_OrNone(parser) if optional else parser, field.name, None, text, **options)
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
      HelpRequested: for `--help`; its defaults are those of the preset that the other arguments bring into force.
    """
    rest = [argument for argument in argv[1:] if not help.is_asked_by(argument)]
    if len(rest) < len(argv) - 1:
        raise HelpRequested(_help(rest))
    given = _read(argv[1:])
    return _completed(given), set(given)


def config(**settings_by_name: Any) -> TrainConfig:
    """The configuration that a command line with these flags asks for, preset included; for use from Python.

    Args:
      **settings_by_name: values by the names of the flags, such as `image_dir="photos"` or `zoom_range=(0.9, 1.1)`;
        lists and JSON objects also as the text of a command line. None stands for a flag that is not given, and
        "none" for a number that is not to be set, whatever the preset says.

    Raises:
      FlagError: a ValueError of one line that names the flag, the rule, the value and the choices.

    Example:
      >>> trainers.run(flags.config(image_dir="photos", model_dir="runs/photos", batch_size=16))
    """
    known = [field.name for field, _ in settings(TrainConfig())]
    for name in settings_by_name:
        if name not in known:
            raise FlagError(f"{name}: no such flag; {suggestions.hint(name, known)}")
    return _completed({name: value for name, value in settings_by_name.items() if value is not None})


def _completed(given: dict[str, Any]) -> TrainConfig:
    """The configuration of the flags `given` and, for the others, of the preset in force."""
    preset, _ = _preset_in_force(given)
    return _config({**_held(preset, given), **given, "preset": preset})


def _held(preset: str | None, given: dict[str, Any]) -> dict[str, Any]:
    """The flags that a preset holds; the data that the user has `given` replace its own.

    Weights that are given are those of one network, so that they leave no choice of the backbone.
    """
    values = _read([f"--flagfile={_preset_file(preset)}"]) if preset is not None else {}
    if any(given.get(name) for name in _DATA_FLAGS):
        values = {name: value for name, value in values.items() if name not in _DATA_FLAGS}
    if "weights" in given and values.get("backbone") == "auto":
        del values["backbone"]
    return values


def _preset_in_force(given: dict[str, Any]) -> tuple[str | None, str]:
    """The preset, and why it is this one."""
    if "preset" in given:
        return given["preset"], "--preset is given"
    if given.get("phase") in USING_PHASES:
        return None, f"--phase={given['phase']}: a trained model brings its own settings"
    data = [name for name in _DATA_FLAGS if given.get(name)]
    return ("photos", f"--{data[0]} is given") if data else ("demo", f"none of --{', --'.join(_DATA_FLAGS)} is given")


def preset_names() -> list[str]:
    """The presets in `flags/presets`."""
    return sorted(path.stem for path in _PRESETS.glob("*.flags"))


def _read(arguments: list[str]) -> dict[str, Any]:
    """The flags given in `arguments` (and in their flagfiles), by name."""
    values = flags.FlagValues()
    define(values)
    try:
        arguments = values.read_flags_from_files(arguments)
    except (flags.Error, OSError, ValueError) as error:
        reason = re.sub(r"\[Errno \d+\] ", "", str(error).split("flagfile: ")[-1])
        raise FlagError(f"--flagfile must name a text file of flags: {reason}") from None
    try:
        rest = values(["main", *arguments])[1:]
    except flags.UnrecognizedFlagError as error:
        hint = suggestions.hint(error.flagname, [*values, "flagfile"], dashes="--")
        raise FlagError(f"{printable('--' + error.flagname)}: no such flag; {hint}") from None
    except (flags.Error, ValueError) as error:  # absl raises a plain ValueError for --noaugment=3
        raise FlagError(in_words(str(error), _rule)) from None
    if rest:
        before = arguments[: len(arguments) - len(rest)]
        raise FlagError(f"{said(rest[0])} is not a flag; {suggestions.stray(rest[0], before, preset_names())}")
    return {name: values[name].value for name in values if values[name].present}


def _rule(name: str) -> str:
    """What a flag must be, by its type."""
    field = next((field for field, _ in settings(TrainConfig()) if field.name == name), None)
    if field is None:  # absl's own --undefok
        return "a list of names"
    kind, optional = value_type(field.type)
    rule = {int: "a whole number", float: "a number", bool: "true or false", dict: "a JSON object"}.get(kind)
    if field.metadata["choices"] and kind is not tuple:
        return f"one of {', '.join(map(str, field.metadata['choices']))}"
    if rule is None:
        return "a path" if field.metadata["is_path"] else "a text without spaces, or in quotes"
    return f"{rule} or {_NONE}" if optional and kind in (int, float) else rule


def _preset_file(preset: str) -> Path:
    if preset not in preset_names():
        raise FlagError(f"--preset must be one of {', '.join(preset_names())}, got {said(preset)}")
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
        raise FlagError(with_dashes(str(error), [field.name for field, _ in settings(TrainConfig())])) from None


def _value(field: dataclasses.Field, value: Any) -> Any:
    """The setting's value: lists and JSON objects are written as text on a command line."""
    kind, optional = value_type(field.type)
    if kind is tuple and isinstance(value, list):
        return tuple(value)
    if value == "" and (field.metadata["is_path"] or field.name in (*_DATA_FLAGS, "images")):
        raise UserError(f"{field.name} must not be empty, got '': is a variable of the shell unset?")
    if value == _NONE and optional and kind in (int, float, tuple):
        return None
    if not isinstance(value, str) or kind not in (dict, tuple):
        return value
    if kind is dict:
        return _json(field.name, value)
    item = item_type(field.type)
    try:
        return tuple(item(part.strip()) for part in value.split(","))
    except ValueError:
        items = {int: "whole numbers", float: "numbers"}[item]
        raise UserError(f"{field.name} must be comma-separated {items}, got {said(value)}") from None


def _json(name: str, text: str) -> Any:
    if len(text) > _LONGEST_JSON:
        raise UserError(f"{name} must be a JSON object of up to {_LONGEST_JSON:,} characters, got {len(text):,}")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # a number of too many digits is a plain ValueError
        shown = text if len(text) <= 200 else f"{text[:200]}..."
        raise UserError(f"{name} must be a JSON object, got {said(shown)}: {str(error).partition(';')[0]}") from None


def _help(arguments: list[str]) -> str:
    try:
        given = _read(arguments)
    except FlagError:  # help is for those who do not know the flags
        named = re.compile(rf"--?(preset|phase|{'|'.join(_DATA_FLAGS)})=(.+)")
        patterns = [named.fullmatch(text) for text in arguments]
        given = {match[1]: match[2] for match in patterns if match}
    preset, reason = _preset_in_force(given)
    held = _held(preset, given)
    return help.page(
        preset=preset,
        reason=reason,
        held=held,
        values=_config({**held, "preset": preset}),
        presets={name: _purpose(name) for name in preset_names()},
    )


def _purpose(preset: str) -> str:
    """The first paragraph of its file."""
    lines = _preset_file(preset).read_text(encoding="utf-8").splitlines()
    comment = [line.removeprefix("#").strip() for line in lines if line.startswith("#")]
    return " ".join(comment[: comment.index("")] if "" in comment else comment)
