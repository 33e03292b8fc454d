"""The flags of the benchmarks."""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from absl import flags

from flags.train import FlagError

# name -> (how it is defined, default, what it does)
_FLAGS: dict[str, tuple[Callable[..., Any], Any, str]] = {
    "json": (flags.DEFINE_string, None, "file for the results"),
    "quick": (flags.DEFINE_bool, False, "fewer repeats on smaller batches: does it run, not how fast"),
    "image_dir": (flags.DEFINE_string, None, "folder of class folders; rendered pictures without it"),
    "backbone": (flags.DEFINE_string, None, "a Keras Applications name (VGG16 and MobileNetV2, one after the other)"),
    "backbone_args": (flags.DEFINE_string, None, "JSON object of further arguments of the backbone"),
    "image_size": (flags.DEFINE_integer, None, "side of what the model sees, pixels (the backbone's own)"),
    "batch_size": (flags.DEFINE_integer, None, "pictures a step"),
    "weights": (flags.DEFINE_string, "none", "none (random: the speed is the same), imagenet or a weights file"),
    "phase": (flags.DEFINE_string, None, "transfer or finetune (both)"),
    "precision": (flags.DEFINE_string, None, "dtype policy (float32 and the fastest of this machine)"),
    "jit_compile": (flags.DEFINE_string, None, "true or false (both on a GPU, on a CPU the augmentation alone)"),
    "accuracy": (flags.DEFINE_float, None, "also measure the time to this validation accuracy, 0 to 1"),
    "epochs": (flags.DEFINE_integer, 10, "epochs a phase at most, with --accuracy"),
    "group_pattern": (flags.DEFINE_string, None, "keeps look-alikes on one side of the split, with --accuracy"),
    "tiers": (flags.DEFINE_string, None, "comma-separated cache tiers (all)"),
    "results": (flags.DEFINE_string, None, "folder of NAME.json files that the benchmarks wrote; none is run"),
    "output": (flags.DEFINE_string, "benchmarks/results", "folder of the report"),
}
_CHOICES = {
    "phase": ("transfer", "finetune"),
    "precision": ("float32", "mixed_float16", "mixed_bfloat16"),
    "jit_compile": ("true", "false"),
}


def parse(argv: list[str], *names: str) -> flags.FlagValues:
    """Reads `--json`, `--quick` and the flags in `names`; ends the program with a line and status 2 on others."""
    known = ("json", "quick", *names)
    if any(argument in ("--help", "-h") for argument in argv[1:]):
        print("\n".join(["flags:", *(f"  --{name:<14} {_FLAGS[name][2]}" for name in known)]))
        sys.exit(0)
    values = flags.FlagValues()
    for name in known:
        define, default, text = _FLAGS[name]
        define(name, default, text, flag_values=values)
    try:
        rest = values(argv)[1:]
        if rest:
            raise FlagError(f"{rest[0]!r} is not a flag")
        for name in known:
            _check(name, values[name].value)
    except flags.UnrecognizedFlagError as error:
        _reject(f"--{error.flagname}: no such flag; the flags are {', '.join('--' + name for name in known)}")
    except (flags.Error, ValueError) as error:
        _reject(str(error).splitlines()[0])
    return values


def _check(name: str, value: Any) -> None:
    if value is None:
        return
    if name in _CHOICES and value not in _CHOICES[name]:
        raise FlagError(f"--{name} must be one of {', '.join(_CHOICES[name])}, got {value!r}")
    if name in ("image_size", "batch_size", "epochs") and value < 1:
        raise FlagError(f"--{name} must be >= 1, got {value}")
    if name == "accuracy" and not 0 < value <= 1:
        raise FlagError(f"--accuracy must be above 0 and at most 1, got {value}")
    if name == "backbone_args":
        try:
            is_object = isinstance(json.loads(value), dict)
        except json.JSONDecodeError:
            is_object = False
        if not is_object:
            raise FlagError(f"--backbone_args must be a JSON object, got {value!r}")


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Says what is wrong with a flag's value in a line, where that shows only once it is used: a missing folder."""
    try:
        yield
    except ValueError as error:
        _reject(str(error))


def _reject(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(2)
