"""Many texts in one buffer: of a million file names an object each would take three times the memory, and the time.

Numpy only.
"""

import functools
import itertools
import operator
from collections.abc import Iterable, Iterator, Sequence
from typing import SupportsIndex, overload

import numpy as np

_BLOCK = 2**14  # texts that are decoded, or copied, together
# rows that are taken together: fewer objects than the collector of garbage waits for
_ROWS = 2**8


class Texts(Sequence[str]):
    """n texts, which become objects when they are asked for; equal to any sequence of the same.

    Args:
      content: their UTF-8, one after the other, uint8 [bytes]; what is no UTF-8 in file names as `os.fsencode` has it.
      ends: where each ends in it, int64 [n].
    """

    __hash__ = None  # type: ignore[assignment]  # as of a list: compared by value

    def __init__(self, content: np.ndarray, ends: np.ndarray):
        self.content, self.ends = content, ends

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Texts":
        """The same texts; itself where they are such ones."""
        if isinstance(texts, cls):
            return texts
        return cls.columns(zip(texts, strict=True), 1)[0]

    @classmethod
    def columns(cls, rows: Iterable[Sequence[str]], count: int) -> "tuple[Texts, ...]":
        """The columns of rows of `count` texts each, read in one pass."""
        contents, lengths = [bytearray() for _ in range(count)], [[np.zeros(0, np.int64)] for _ in range(count)]
        rest = iter(rows)
        while some := list(itertools.islice(rest, _ROWS)):
            for content, parts, column in zip(contents, lengths, zip(*some, strict=True), strict=True):
                encoded = [text.encode(errors="surrogateescape") for text in column]
                content += b"".join(encoded)
                parts.append(np.fromiter(map(len, encoded), np.int64, len(encoded)))
        ends = [np.cumsum(np.concatenate(parts)) for parts in lengths]
        return tuple(cls(np.frombuffer(content, np.uint8), end) for content, end in zip(contents, ends, strict=True))

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, place: SupportsIndex) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> "Texts": ...
    def __getitem__(self, place: SupportsIndex | slice) -> "str | Texts":
        """A text, or some of them."""
        if isinstance(place, slice):
            return self.take(np.arange(len(self))[place])
        number = operator.index(place)
        if not -len(self) <= number < len(self):
            raise IndexError(number)
        number %= len(self)
        begin = self.ends[number - 1] if number else 0
        return self.content[begin : self.ends[number]].tobytes().decode(errors="surrogateescape")

    def __iter__(self) -> Iterator[str]:
        """All of them, in order."""
        for start in range(0, len(self), _BLOCK):
            begins, ends = self._extents(np.arange(start, min(start + _BLOCK, len(self))))
            whole = self.content[begins[0] : ends[-1]].tobytes()
            places = zip((begins - begins[0]).tolist(), (ends - begins[0]).tolist(), strict=True)
            if whole.isascii():  # then a character is a byte
                text = whole.decode()
                yield from (text[begin:end] for begin, end in places)
            else:
                yield from (whole[begin:end].decode(errors="surrogateescape") for begin, end in places)

    @functools.cached_property
    def are_plain(self) -> bool:
        """Whether all are of printable ASCII."""
        return not len(self.content) or bool(self.content.min() >= ord(" ") and self.content.max() <= ord("~"))

    def encoded(self) -> Iterator[bytes]:
        """The UTF-8 of all of them, in order."""
        return (text.encode(errors="surrogateescape") for text in self)

    def take(self, places: np.ndarray) -> "Texts":
        """Those at `places`, int [k], in that order."""
        begins, ends = self._extents(places)
        lengths = ends - begins
        parts, new_ends = [np.zeros(0, np.uint8)], np.cumsum(lengths)
        for start in range(0, len(places), _BLOCK):
            part = slice(start, start + _BLOCK)
            first = new_ends[start] - lengths[start]
            moved = np.repeat(begins[part] - (new_ends[part] - lengths[part]), lengths[part])
            parts.append(self.content[moved + np.arange(first, first + len(moved))])
        return Texts(np.concatenate(parts), new_ends)

    def __add__(self, other: Sequence[str]) -> "Texts":
        """These and then those of another."""
        more = Texts.of(other)
        ends = np.concatenate([self.ends, more.ends + len(self.content)])
        return Texts(np.concatenate([self.content, more.content]), ends)

    def __eq__(self, other: object) -> bool:
        """Whether the other is a sequence of the same texts."""
        if isinstance(other, Texts):
            return np.array_equal(self.ends, other.ends) and np.array_equal(self.content, other.content)
        if isinstance(other, str) or not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(one == another for one, another in zip(self, other, strict=True))

    def __repr__(self) -> str:
        """`Texts of 3: ['a', 'b', 'c']`, of many the first ones."""
        more = ", ..." if len(self) > 5 else ""
        return f"Texts of {len(self):,}: [{', '.join(map(repr, self[:5]))}{more}]"

    def _extents(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the texts at `places` begin and end, int64 [k] each."""
        return np.where(places > 0, self.ends[places - 1], 0), self.ends[places]
