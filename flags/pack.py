"""The flags of `python -m ftdata.pack`: one for every setting of PackConfig."""

import dataclasses
import sys
from typing import Any, NoReturn

from absl import flags

from flags import help, suggestions
from flags.errors import FlagError, in_words, printable
from ftdata.config import PackConfig
from ftdata.errors import UserError, with_dashes
from ftdata.settings import as_text, said, value_type

_FIELDS = dataclasses.fields(PackConfig)
FLAGS = tuple(field.name for field in _FIELDS)
_RULES = {int: "a whole number", float: "a number"}


def parse(argv: list[str]) -> PackConfig:
    """What a command line asks for; ends the program with a line and status 2 where it is wrong, 0 for `--help`."""
    if any(help.is_asked_by(argument) for argument in argv[1:]):
        print("Flags of python -m ftdata.pack, written --name=value:\n")
        print(help.table((field.name, _described(field)) for field in _FIELDS))
        sys.exit(0)
    values, known = flags.FlagValues(), FLAGS
    for field in _FIELDS:
        define: Any = {int: flags.DEFINE_integer, float: flags.DEFINE_float}.get(_kind(field), flags.DEFINE_string)
        define(field.name, None, "", flag_values=values)
    try:
        rest = values(argv)[1:]
        if rest:
            raise FlagError(f"{said(rest[0])} is not a flag; write --name=value")
        given: dict[str, Any] = {name: values[name].value for name in known if values[name].value is not None}
        return PackConfig(**given)
    except UserError as error:
        _reject(with_dashes(str(error), FLAGS))
    except flags.UnrecognizedFlagError as error:
        hint = suggestions.hint(error.flagname, known, dashes="--")
        _reject(f"{printable('--' + error.flagname)}: no such flag; {hint}")
    except (flags.Error, ValueError) as error:
        _reject(in_words(str(error), _rule))


def _kind(field: "dataclasses.Field[Any]") -> type:
    return value_type(field.type)[0]


def _described(field: "dataclasses.Field[Any]") -> str:
    must = field.name in ("image_dir", "output")
    unset = field.metadata["unset"] if field.default is None else as_text(field.default)
    default = "must be given" if must else f"default: {unset}"
    return help.described(field.metadata["description"], default, field.metadata["choices"] or ())


def _rule(name: str) -> str:
    field = next((field for field in _FIELDS if field.name == name), None)
    return "a text without spaces, or in quotes" if field is None else _RULES.get(_kind(field), "a text")


def _reject(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(2)
