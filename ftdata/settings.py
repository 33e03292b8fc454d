"""How a setting is declared and checked. Standard library only.

Every setting carries its own help text, bounds and choices, so that the command line, the checks and the record in
config.json are read off one place.
"""

import dataclasses
import json
import math
import os
import types
import typing
from typing import Any

from ftdata import address
from ftdata.errors import UserError
from ftdata.names import shown

ANY_PHASE = "any"  # a setting that decides the numbers of every phase
NOTHING = "nothing"  # a setting that no trained weight depends on


def setting(
    default: Any,
    description: str,
    *,
    choices: tuple[Any, ...] | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    unset: str = "none",
    affects: str = ANY_PHASE,
    is_path: bool = False,
    may_be_remote: bool = False,
) -> Any:
    """Declares a field of a config: its default, help text, rule, and which phase's numbers it decides.

    Args:
      default: the value without a preset and without a flag.
      description: what is set and in which unit, understood without the lines around it.
      choices: the only values allowed.
      minimum: the smallest number allowed.
      maximum: the largest number allowed.
      unset: what None stands for, in words.
      affects: ANY_PHASE, NOTHING or the name of one phase. A restart compares only what affects it.
      is_path: whether it names a file or a folder, or may name one; it is then recorded so that it means the same from
        everywhere.
      may_be_remote: whether such a path may be an address of `ftdata.address.STORES` instead.
    """
    text = {"description": description, "unset": unset}
    rule = {"choices": choices, "minimum": minimum, "maximum": maximum}
    use = {"affects": affects, "is_path": is_path, "may_be_remote": may_be_remote}
    return dataclasses.field(default=default, metadata={**text, **rule, **use})


def as_text(value: Any) -> str:
    """A value as a command line has it: `true`, `0.9,1.2`, `1000000` for 1e6."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return ",".join(map(as_text, value))
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return json.dumps(value) if isinstance(value, dict) else str(value)


def said(value: Any) -> str:
    """A value of the user's as a message shows it, which is not as Python writes it: text as it was typed, in quotes;
    `0.9,1.2`, `true`, `not set`. What cannot be printed is escaped.
    """
    if value is None:
        return "not set"
    return f"'{shown(value)}'" if isinstance(value, str) else shown(as_text(value))


def value_type(field_type: Any) -> tuple[type, bool]:
    """(`int`, True) for `int | None`; the second value says whether None is allowed."""
    if isinstance(field_type, types.UnionType):
        members = [member for member in typing.get_args(field_type) if member is not type(None)]
        return value_type(members[0])[0], True
    return (typing.get_origin(field_type) or field_type), False


def item_type(field_type: Any) -> type:
    """`float` for `tuple[float, ...]` and for `tuple[float, ...] | None`."""
    members = (field_type, *typing.get_args(field_type))
    return next(typing.get_args(member)[0] for member in members if typing.get_origin(member) is tuple)


def check_settings(config: Any) -> None:
    """Checks every field of `config` against its declared rule.

    A path may be given as an object and becomes text. Where an item may stand for a tuple of one
    (`tuple[float, ...] | float`), such a tuple becomes its item.

    Raises:
      UserError: `<field> must be <rule>, got <value>`, for the first field that breaks its rule.
    """
    for field in dataclasses.fields(config):
        if "description" not in field.metadata:
            continue
        value = getattr(config, field.name)
        if field.metadata["is_path"] and isinstance(value, os.PathLike):
            object.__setattr__(config, field.name, os.fspath(value))  # frozen
        if isinstance(value, tuple) and len(value) == 1 and _may_be_one_item(field.type):
            object.__setattr__(config, field.name, value[0])
        _check(field, getattr(config, field.name))


def _check(field: dataclasses.Field, value: Any) -> None:
    kind, optional = value_type(field.type)
    if value is None and optional:
        return
    if kind in (bool, int, float, str) and not _is_a(value, kind):
        raise UserError(f"{field.name} must be of type {kind.__name__}, got {value!r}")
    is_item = _may_be_one_item(field.type) and _is_a(value, item_type(field.type))
    if kind is tuple and not is_item and not _is_tuple_of(value, item_type(field.type)):
        raise UserError(f"{field.name} must be a tuple of {item_type(field.type).__name__}, got {value!r}")
    if field.metadata["is_path"] and address.scheme_of(value):
        _check_address(field, value)
    choices = field.metadata["choices"]
    for chosen in value if isinstance(value, tuple) else (value,):
        if choices is not None and chosen not in choices:
            raise UserError(f"{field.name} must be one of {', '.join(map(str, choices))}, got {said(chosen)}")
    _check_bounds(field, value)


def _check_address(field: dataclasses.Field, value: str) -> None:
    known = address.STORES if field.metadata["may_be_remote"] else ()
    if address.scheme_of(value) not in known:
        or_address = f" or an address ({', '.join(f'{scheme}://' for scheme in known)})" if known else ""
        raise UserError(f"{field.name} must be a path on this machine{or_address}, got {value}: copy or mount it first")
    if not address.whole(value).partition("://")[2].strip("/"):
        raise UserError(f"{field.name} must name a bucket or a server after the //, got {value}")


def _may_be_one_item(field_type: Any) -> bool:
    """Whether an item may stand for a tuple of one, as in `tuple[float, ...] | float`."""
    if not isinstance(field_type, types.UnionType) or value_type(field_type)[0] is not tuple:
        return False
    return item_type(field_type) in typing.get_args(field_type)


def _is_a(value: Any, kind: type) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _is_tuple_of(value: Any, kind: type) -> bool:
    return isinstance(value, tuple) and all(_is_a(item, kind) for item in value)


def _check_bounds(field: dataclasses.Field, value: Any) -> None:
    minimum, maximum = field.metadata["minimum"], field.metadata["maximum"]
    for number in value if isinstance(value, tuple) else (value,):
        if not isinstance(number, int | float):
            continue
        too_small = minimum is not None and not number >= minimum  # `not >=` also catches NaN
        too_large = maximum is not None and not number <= maximum
        if too_small or too_large:
            rule = f">= {as_text(minimum)}" if maximum is None else f"from {as_text(minimum)} to {as_text(maximum)}"
            raise UserError(f"{field.name} must be {rule}, got {as_text(value)}")
        if isinstance(number, float) and not math.isfinite(number):
            raise UserError(f"{field.name} must be finite, got {as_text(value)}")
