"""What becomes of images that cannot be used: an error that lists them, or a data set without them."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from ftdata import labels
from ftdata.errors import UserError
from ftdata.folders.folder import Files, Listing
from ftdata.inspection import common_reason
from ftdata.inspection.common_reason import CommonReason
from ftdata.inspection.report_table import ReportTable
from ftdata.names import counted, listed
from ftdata.sources.split import Split

_SHOWN = 20
_EXAMPLES = 3


@dataclasses.dataclass(frozen=True)
class BadImage:
    """The name of an image relative to the data set, and why it cannot be used."""

    name: str
    reason: str


def drop_bad_images(
    listing: Listing, judged: Mapping[str, ReportTable], *, on_bad_image: str, max_bad_fraction: float, of_model: bool
) -> tuple[Listing, dict[str, ReportTable], tuple[BadImage, ...]]:
    """Parts the images that can be used from the others.

    Args:
      listing: what a folder or a CSV holds.
      judged: the reports on its paths, by split.
      on_bad_image: `error`, or `skip` to use the others.
      max_bad_fraction: of the images, 0 to 1, that `skip` takes.
      of_model: whether a trained model is measured on them.

    Returns:
      The listing without bad images, the reports on the others, and the bad images.

    Raises:
      UserError: with `error`, that there are bad images; the first ones with their reasons, and how many. With
        `skip`, that there are more than `max_bad_fraction`, by kind; that no image of a class is left to train on.
    """
    found = dict[str, BadImage]()
    for split, files in listing.splits.items():
        reasons = sorted(judged[split].reasons.items())
        found |= {files.paths[place]: BadImage(files.names[place], reason) for place, reason in reasons}
    bad = tuple(found.values())
    if not bad:
        return listing, dict(judged), ()
    names = {path for files in listing.splits.values() for path in files.paths}
    way_out = way_to_skip(len(bad), len(names), max_bad_fraction=max_bad_fraction)
    if on_bad_image == "error":
        raise UserError(_list_of(bad, count=len(names), way_out=way_out, of_model=of_model))
    common = _common(bad, count=len(names))
    if common and common.channels and len(bad) > max_bad_fraction * len(names):
        raise UserError(_list_of(bad, count=len(names), of_model=of_model))
    if len(bad) > max_bad_fraction * len(names):
        raise UserError(
            f"{len(bad):,} of {counted(len(names), 'image')} cannot be used, more than "
            f"--max_bad_fraction={max_bad_fraction:g} lets --on_bad_image=skip pass over: {summary(bad)} (the first is "
            f"{bad[0].name}). Look at some of them; {way_out} trains without them"
        )
    good = {split: np.flatnonzero(judged[split].is_usable) for split in listing.splits}
    splits = {split: _at(files, good[split]) for split, files in listing.splits.items()}
    if "train" not in splits and not any(files.paths for files in splits.values()):
        raise UserError(f"none of the images can be used: {_list_of(bad, count=len(names), of_model=of_model)}")
    # a model can be measured without a class, but not trained
    left = labels.counts(splits["train"].labels, len(listing.class_names)) if "train" in splits else np.ones(1)
    if not left.all():
        lost = [name for name, count in zip(listing.class_names, left, strict=True) if not count]
        why = _list_of(bad, count=len(names), of_model=of_model)
        raise UserError(f"no training image of {listed(lost, limit=20)} can be used: {why}")
    splits = {split: files for split, files in splits.items() if files.paths}
    return dataclasses.replace(listing, splits=splits), {name: judged[name].at(good[name]) for name in splits}, bad


def way_to_skip(bad: int, count: int, *, max_bad_fraction: float) -> str:
    """The flags with which a run does without `bad` of `count` images."""
    needed = math.ceil(1000 * bad / count) / 1000
    return "--on_bad_image=skip" + (f" --max_bad_fraction={needed:g}" if bad > max_bad_fraction * count else "")


def _at(files: Files, places: np.ndarray) -> Files:
    return Files(files.paths.take(places), files.names.take(places), files.labels[places])


def _list_of(bad: Sequence[BadImage], *, count: int, way_out: str = "", of_model: bool) -> str:
    """The first with their reasons; in one line what at least half of the images have in common."""
    common = _common(bad, count=count)
    if common:
        cannot = f"{len(bad):,} of {counted(count, 'image')} cannot be used: {common.in_words}"
        return f"{cannot}. {common.way_out(to_skip=way_out, of_model=of_model)}"
    lines = [f"  {image.name}: {image.reason}" for image in bad[:_SHOWN]]
    if len(bad) > _SHOWN:
        lines.append(f"  and {len(bad) - _SHOWN:,} more ({summary(bad[_SHOWN:])})")
    return (
        f"{len(bad):,} of {counted(count, 'image')} cannot be used:\n" + "\n".join(lines) + "\n"
        "Remove or replace them" + (f", or train without them: {way_out}" if way_out else "")
    )


def _common(bad: Sequence[BadImage], *, count: int) -> CommonReason | None:
    return CommonReason.of({image.name: image.reason for image in bad}, total=count)


def summary(bad: Sequence[BadImage]) -> str:
    """`3 truncated JPEG, 1 empty file`: the kinds of reasons, the most frequent first."""
    return common_reason.summary(image.reason for image in bad)


def labelled_twice(splits: Mapping[str, Split]) -> tuple[str, ...]:
    """One line on images that stand in two classes, byte for byte; none where there are none."""
    first: dict[bytes, tuple[int | list[float], str]] = {}
    twice: list[str] = []
    for split, places in zip(splits.values(), _repeated(splits), strict=True):
        for place in places:
            name, label = split.names[place], split.labels[place].tolist()
            before, its_name = first.setdefault(split.digests[place].tobytes(), (label, name))
            if before != label:
                twice.append(f"{name} = {its_name}")
    return _warning(twice, "two classes", "one label is wrong")


def shared_between(splits: Mapping[str, Split]) -> tuple[str, ...]:
    """One line on images that stand in two splits, byte for byte; none where there are none.

    Args:
      splits: of image files, by name, in the order of their weight for training.
    """
    first: dict[bytes, tuple[str, str]] = {}
    twice: list[str] = []
    for (name, split), places in zip(splits.items(), _repeated(splits), strict=True):
        here: dict[bytes, tuple[str, str]] = {}
        for place in places:
            digest, shown = split.digests[place].tobytes(), split.names[place]
            if digest in first:
                twice.append(f"{name} {shown} = {' '.join(first[digest])}")
            here.setdefault(digest, (name, shown))
        first = here | first
    return _warning(twice, "two splits", "accuracy reads too high")


def _repeated(splits: Mapping[str, Split]) -> list[list[int]]:
    """The places of each split whose contents may stand elsewhere too: of the others there is nothing to look up."""
    words = np.concatenate([split.digests[:, 0] for split in splits.values()])
    _, number, counts = np.unique(words, return_inverse=True, return_counts=True)
    ends = np.cumsum([len(split) for split in splits.values()])
    return [np.flatnonzero(part).tolist() for part in np.split(counts[number] > 1, ends[:-1])]


def _warning(twice: Sequence[str], where: str, effect: str) -> tuple[str, ...]:
    if not twice:
        return ()
    more = f", and {len(twice) - _EXAMPLES:,} more" if len(twice) > _EXAMPLES else ""
    examples = "; ".join(twice[:_EXAMPLES])
    return (f"warning: {counted(len(twice), 'image')} in {where}, byte for byte, so {effect}: {examples}{more}",)
