"""The order and the names of rendered pictures."""

from collections.abc import Iterator, Mapping


def interleaved(counts: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """(class name, number from 1) of every picture of a split.

    The classes are spread evenly, so that the first pictures hold about the balance of the whole.
    """
    places = [
        ((number - 0.5) / count, name, number) for name, count in counts.items() for number in range(1, count + 1)
    ]
    for _, name, number in sorted(places):
        yield name, number


def file_name(class_name: str, *, split: str, number: int) -> str:
    """`forky/forky-train-0001.jpg` and the like: folder per class, as people keep their pictures."""
    return f"{class_name}/{class_name}-{split}-{number:04d}.jpg"
