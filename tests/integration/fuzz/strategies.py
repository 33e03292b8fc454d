"""Damaged image files and odd folders, drawn by Hypothesis."""

import os
import struct
from pathlib import Path

from hypothesis import strategies as st

from tests.tools import bad_files, odd_files
from tests.unit.ftdata.decoding.test_decode import FORMATS

_KINDS = {**FORMATS, **{name: content for name, (_, content) in bad_files.GOOD.items()}, **odd_files.RIGHT}
_KINDS |= {name: content for name, (content, _) in odd_files.REFUSED.items()}
SEEDS = {name: content for name, content in _KINDS.items() if len(content) < 20_000}
_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)

_place = st.one_of(st.integers(0, 64), *[st.integers(0, 20_000)] * 3)  # headers decide most
_words = st.builds(struct.pack, st.sampled_from(["<H", ">H", "<I", ">I"]), st.sampled_from([0, 1, 255, 32768, 65535]))
_numbers = st.one_of(_words, st.sampled_from(_NUMBERS).map(lambda number: struct.pack(">I", number)))
_patches = st.one_of(st.binary(min_size=1, max_size=8), _numbers)
_changes = st.one_of(
    st.tuples(st.just("write"), _place, _patches),
    st.tuples(st.just("insert"), _place, _patches),
    st.tuples(st.just("delete"), _place, st.integers(1, 64)),
    st.tuples(st.just("repeat"), _place, st.integers(1, 300)),
    st.tuples(st.just("cut"), _place, st.none()),
    st.tuples(st.just("splice"), _place, st.sampled_from(sorted(SEEDS))),
)


@st.composite
def images(draw) -> bytes:
    """An image of any format after one to three changes, many of them near the start."""
    encoded = SEEDS[draw(st.sampled_from(sorted(SEEDS)))]
    for kind, place, value in draw(st.lists(_changes, min_size=1, max_size=3)):
        at = place % (len(encoded) + 1)
        before, after = encoded[:at], encoded[at:]
        encoded = {
            "write": lambda b=before, a=after, v=value: b + v + a[len(v) :],
            "insert": lambda b=before, a=after, v=value: b + v + a,
            "delete": lambda b=before, a=after, v=value: b + a[v:],
            "repeat": lambda b=before, a=after, v=value: b + a[:16] * v + a,
            "cut": lambda b=before: b,
            "splice": lambda b=before, a=at, v=value: b + SEEDS[v][a:],
        }[kind]()
    return encoded


_names = st.one_of(
    st.sampled_from([b"a", b"b", b"train", b"test", b"val", b".hidden", b"a.jpg", b"b.PNG", b"\xff.jpg", b"n" * 255]),
    st.binary(min_size=1, max_size=12).map(lambda name: name.replace(b"/", b"_").replace(b"\0", b"_")),
).filter(lambda name: name not in (b".", b".."))
_entries = st.one_of(
    st.just("folder"),
    st.just("pipe"),
    st.sampled_from(["nowhere", ".", "..", "a", "/dev/zero", "/"]).map(lambda target: ("link", target)),
    st.sampled_from(sorted(SEEDS)).map(lambda name: ("file", SEEDS[name])),
    st.just(("file", b"")),
)
_odd = st.lists(st.tuples(st.lists(_names, min_size=1, max_size=4), _entries), max_size=12)
_usual = [([name, b"1.jpg"], ("file", SEEDS["jpeg"])) for name in (b"a", b"b")]
folders = st.builds(lambda usual, odd: (_usual if usual else []) + odd, st.sampled_from([True, True, False]), _odd)


def build(root: Path, entries: list) -> None:
    """Makes the drawn entries below `root`; those that are in each other's way are left out."""
    for names, entry in entries:
        path = os.path.join(os.fsencode(root), *names)
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if not os.path.realpath(os.path.dirname(path)).startswith(os.fsencode(root)):
                continue  # through a link to the outside
            if entry == "folder":
                os.makedirs(path, exist_ok=True)
            elif entry == "pipe":
                os.mkfifo(path)
            elif entry[0] == "link":
                os.symlink(entry[1], path)
            else:
                with open(path, "xb") as stream:
                    stream.write(entry[1])
        except OSError:
            continue
