"""The flags of the benchmarks."""

import contextlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from absl import flags

from flags import help, suggestions
from flags.errors import FlagError, in_words, printable
from ftdata.errors import with_dashes
from ftdata.settings import as_text, said

NOTEBOOK = "notebook"  # as an accuracy: the one that the notebook's way has

# name -> (how it is defined, default, what it does, what no value stands for)
_FLAGS: dict[str, tuple[Callable[..., Any], Any, str, str]] = {
    "json": (flags.DEFINE_string, None, "file to which the results are written, as JSON", "none"),
    "quick": (
        flags.DEFINE_bool,
        False,
        "whether to make fewer repeats on smaller batches: shows that it works, not how fast",
        "",
    ),
    "image_dir": (flags.DEFINE_string, None, "folder of images, one subfolder for each class", "rendered images"),
    "backbone": (
        flags.DEFINE_string,
        None,
        "network to measure: any name of Keras Applications",
        "MobileNetV2, then VGG16; the first alone with --quick",
    ),
    "backbone_args": (
        flags.DEFINE_string,
        None,
        'JSON object of further arguments of the backbone, such as {"alpha": 0.35}',
        "none; 0.35 for MobileNetV2",
    ),
    "image_size": (
        flags.DEFINE_integer,
        None,
        "side of the square image that the model sees, in pixels",
        "the benchmark's own for this backbone; 64 with --quick",
    ),
    "batch_size": (
        flags.DEFINE_integer,
        None,
        "images per step (global batch size)",
        "32; 20 for VGG16, 4 with --quick",
    ),
    "weights": (
        flags.DEFINE_string,
        "none",
        "weights of the backbone: none (random, the speed is the same), imagenet, or a weights file",
        "",
    ),
    "phase": (
        flags.DEFINE_string,
        None,
        "what to measure: the steps of a training phase, or the forward pass alone",
        "all",
    ),
    "precision": (
        flags.DEFINE_string,
        None,
        "dtype policy of the network",
        "float32 and the fastest of this machine",
    ),
    "jit_compile": (
        flags.DEFINE_string,
        None,
        "whether XLA compiles the training step",
        "true on a GPU; on a CPU the augmentation alone",
    ),
    "peer_python": (
        flags.DEFINE_string,
        None,
        "Python with PyTorch and what goes with it (docs/benchmarks.md), to measure the same beside ours",
        "none: ours alone",
    ),
    "fold_batch_norm": (
        flags.DEFINE_string,
        None,
        "whether frozen batch normalization is computed as part of the convolution before it",
        "both",
    ),
    "accuracy": (
        flags.DEFINE_string,
        None,
        "validation accuracy, 0 to 1, to which the time is measured too; notebook: what the notebook's way ends "
        "--epochs of transfer with",
        "off",
    ),
    "epochs": (flags.DEFINE_integer, 10, "largest number of epochs of each phase, with --accuracy", ""),
    "group_pattern": (
        flags.DEFINE_string,
        None,
        "regular expression over file names: images with the same match stay on one side of the split, with --accuracy",
        "none",
    ),
    "cold": (
        flags.DEFINE_bool,
        False,
        "whether each pass begins with none of its files in the page cache, so that the disk is measured too",
        "",
    ),
    "tiers": (flags.DEFINE_string, None, "comma-separated cache tiers to measure: memory, disk, none", "all"),
    "images": (
        flags.DEFINE_string,
        None,
        "comma-separated numbers of images to measure",
        "the benchmark's own",
    ),
    "classes": (
        flags.DEFINE_string,
        None,
        "comma-separated numbers of classes to measure",
        "the benchmark's own",
    ),
    "work": (
        flags.DEFINE_string,
        None,
        "folder in which the images are made, and kept for the next time",
        "a temporary one, removed at the end",
    ),
    "saved_model": (
        flags.DEFINE_string,
        None,
        "folder of an exported SavedModel to serve",
        "those of untrained networks",
    ),
    "results": (
        flags.DEFINE_string,
        None,
        "folder of NAME.json files that the benchmarks wrote: they are reported, and none is run",
        "none",
    ),
    "output": (flags.DEFINE_string, "benchmarks/results", "folder to which the report is written", ""),
}
_CHOICES = {
    "phase": ("transfer", "finetune", "forward"),
    "precision": ("float32", "mixed_float16", "mixed_bfloat16"),
    "jit_compile": ("true", "false"),
    "fold_batch_norm": ("true", "false"),
}
_RULES = {flags.DEFINE_bool: "true or false", flags.DEFINE_integer: "a whole number", flags.DEFINE_float: "a number"}


def parse(argv: list[str], *names: str) -> flags.FlagValues:
    """Reads `--json`, `--quick` and the flags in `names`; ends the program with a line and status 2 on others."""
    known = ("json", "quick", *names)
    if any(help.is_asked_by(argument) for argument in argv[1:]):
        print(f"Flags of python -m benchmarks.{Path(argv[0]).stem}, written --name=value:\n")
        print(help.table((name, _described(name)) for name in known))
        sys.exit(0)
    values = flags.FlagValues()
    for name in known:
        define, default, text, _ = _FLAGS[name]
        define(name, default, text, flag_values=values)
    try:
        rest = values(argv)[1:]
        if rest:
            raise FlagError(f"{said(rest[0])} is not a flag; write --name=value")
        for name in known:
            _check(name, values[name].value)
    except flags.UnrecognizedFlagError as error:
        hint = suggestions.hint(error.flagname, known, dashes="--")
        if hint == suggestions.NO_HINT:
            hint = f"the flags are {', '.join('--' + name for name in known)}"
        _reject(f"{printable('--' + error.flagname)}: no such flag; {hint}")
    except (flags.Error, ValueError) as error:
        _reject(in_words(str(error), _rule))
    return values


def _described(name: str) -> str:
    _, default, text, unset = _FLAGS[name]
    shown = unset if default is None else as_text(default)
    return help.described(text, f"default: {shown}", _CHOICES.get(name, ()))


def _rule(name: str) -> str:
    if name in _CHOICES:
        return f"one of {', '.join(_CHOICES[name])}"
    return _RULES.get(_FLAGS[name][0], "a text without spaces, or in quotes")


def _check(name: str, value: Any) -> None:
    if value is None:
        return
    if name in _CHOICES and value not in _CHOICES[name]:
        raise FlagError(f"--{name} must be one of {', '.join(_CHOICES[name])}, got {said(value)}")
    if name in ("image_size", "batch_size", "epochs") and value < 1:
        raise FlagError(f"--{name} must be >= 1, got {value}")
    if name == "accuracy" and value != NOTEBOOK and not _is_share(value):
        raise FlagError(f"--accuracy must be {NOTEBOOK}, or above 0 and at most 1, got {said(value)}")
    if name in ("images", "classes") and not all(part.isdecimal() and int(part) > 1 for part in value.split(",")):
        raise FlagError(f"--{name} must be whole numbers above 1 such as 1000,20000, got {said(value)}")
    if name == "backbone_args":
        try:
            is_object = isinstance(json.loads(value), dict)
        except json.JSONDecodeError:
            is_object = False
        if not is_object:
            raise FlagError(f"--backbone_args must be a JSON object, got {said(value)}")


def numbers(text: str | None, default: Sequence[int]) -> list[int]:
    """The value of `--images` or `--classes`, rising."""
    return sorted({int(part) for part in text.split(",")} if text else set(default))


@contextlib.contextmanager
def working_folder(kept: str | None) -> Iterator[Path]:
    """The folder that `--work` names, made if need be; else a temporary one."""
    if kept:
        folder = Path(kept).expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
    else:
        with tempfile.TemporaryDirectory() as name:
            yield Path(name)


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Says what is wrong with a flag's value in a line, where that shows only once it is used: a missing folder."""
    try:
        yield
    except ValueError as error:
        _reject(with_dashes(str(error), _FLAGS))


def _is_share(text: str) -> bool:
    try:
        return 0 < float(text) <= 1
    except ValueError:
        return False


def _reject(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(2)
