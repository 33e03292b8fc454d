"""The reason that most of some files cannot be used for: said once, with how many, an example and the way out.

A list of sixty files that lack the same thing hides what is wrong: the setting, or the folder.
"""

import collections
import dataclasses
import re
from collections.abc import Iterable, Mapping

from ftdata.names import counted, listed

_FEW = 3  # files are always named one by one
_CHANNELS = re.compile(r"has (\d+) channels?, --channels=(\d+) expected")  # of `foreign_header.wrong_channels`


@dataclasses.dataclass(frozen=True)
class CommonReason:
    """What most files have in common.

    Attributes:
      kind: of the reason, without what it says of one file.
      count: how many files have it.
      is_all: whether no file can be used.
      example: the name of the first of them, and what is said of it.
      others: the kinds of the reasons of the other files that cannot be used; empty without such.
    """

    kind: str
    count: int
    is_all: bool
    example: str
    others: str

    @classmethod
    def of(cls, reasons: Mapping[str, str], *, total: int) -> "CommonReason | None":
        """What at least half of `total` files cannot be used for, reasons by name; None where they are few or vary."""
        kinds = collections.Counter(map(kind_of, reasons.values()))
        kind, count = max(kinds.items(), key=lambda entry: entry[1], default=("", 0))
        if count <= _FEW or 2 * count < total:
            return None
        name, reason = next(entry for entry in reasons.items() if kind_of(entry[1]) == kind)
        more = reason.removeprefix(kind).strip(" :()")
        example = f"{name} ({more})" if more else name
        others = summary(other for other in reasons.values() if kind_of(other) != kind)
        return cls(kind, count, len(reasons) == total, example, others)

    @property
    def in_words(self) -> str:
        """`has 3 channels, --channels=5 expected, such as a.jpg`; of which are others, `57 empty file, such as ...`."""
        counted = f"{self.count:,} {self.kind}" if self.others else self.kind
        return f"{counted}, such as {self.example}" + (f"; {self.others}" if self.others else "")

    @property
    def channels(self) -> tuple[int, int] | None:
        """How many channels the files have and are to have, where that is the reason."""
        found = _CHANNELS.fullmatch(self.kind)
        return (int(found[1]), int(found[2])) if found else None

    def way_out(self, *, to_skip: str = "", of_model: bool = False) -> str:
        """What to do about it, a sentence without its stop.

        Args:
          to_skip: flags with which a run does without the files; empty where that is no way.
          of_model: whether a trained model expects what they lack.
        """
        if self.channels:
            found, expected = self.channels
            if of_model:
                return f"The model was trained on images of {expected} channels: name such ones"
            usual = " (the default)" if found == 3 else ""
            return f"Use --channels={found}{usual}, or name images of {expected} channels, TIFF or .npy files"
        if self.is_all or not to_skip:
            return "Are these the images that were meant? Replace them, or name others"
        return f"Remove or replace them, or train without them: {to_skip}"


def of_answered(reasons: Mapping[str, str], *, total: int, names: str) -> str:
    """A line on files of which a model can read none: what they have in common, else the first of them by name.

    Args:
      reasons: by name.
      total: how many files there are.
      names: the setting that names them, with its value.
    """
    common = CommonReason.of(reasons, total=total)
    why = f": {common.in_words}" if common else _first(reasons)
    if common and common.channels:
        why += f". {common.way_out(of_model=True)}"
    return f"{names} names {counted(total, 'file')}, of which none can be read as an image{why}"


def _first(reasons: Mapping[str, str]) -> str:
    """`: a.jpg: empty file; b.jpg: truncated JPEG and 3 more`."""
    return ": " + listed([f"{name}: {reason}" for name, reason in reasons.items()], limit=_FEW) if reasons else ""


def skipped(reasons: Mapping[str, str], *, total: int) -> list[str]:
    """What is said of files that are skipped: a line for each, or one for all that have a reason in common."""
    common = CommonReason.of(reasons, total=total)
    if common is None:
        return [f"skipped: {name}: {reason}" for name, reason in reasons.items()]
    rest = {name: reason for name, reason in reasons.items() if kind_of(reason) != common.kind}
    alone = dataclasses.replace(common, others="")
    line = f"skipped: {common.count:,} of {total:,} files: {alone.in_words}"
    return [line, *(f"skipped: {name}: {reason}" for name, reason in rest.items())]


def kind_of(reason: str) -> str:
    """`damaged JPEG` of `damaged JPEG (3 bytes are missing)`."""
    return reason.split(" (")[0].split(": ")[0]


def summary(reasons: Iterable[str]) -> str:
    """`3 truncated JPEG, 1 empty file`: the kinds of reasons, the most frequent first."""
    kinds = collections.Counter(map(kind_of, reasons))
    return ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
