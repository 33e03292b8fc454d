"""Many texts in one buffer."""

import os

import numpy as np
import pytest

from ftdata import texts
from ftdata.texts import Texts

SOME = ("a/1.jpg", "", "große Löffel.png", os.fsdecode(b"caf\xe9.jpg"), "b", "日本.gif")


@pytest.fixture(params=[1, 2, 2**14])
def block(request, monkeypatch):
    """Texts that are looked at together."""
    monkeypatch.setattr(texts, "_BLOCK", request.param)
    monkeypatch.setattr(texts, "_ROWS", request.param)


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("some", [SOME, SOME[:2], ("", ""), ()])
def test_they_are_a_sequence_of_what_was_put_in(some):
    found = Texts.of(iter(some))
    assert len(found) == len(some)
    assert [*found] == [found[k] for k in range(len(some))] == list(some)
    assert [found[k - len(some)] for k in range(len(some))] == list(some)
    assert found == some
    assert some == found
    assert list(found.encoded()) == [os.fsencode(one) for one in some]
    assert Texts.of(found) is found
    assert found.are_plain == all(one.isascii() for one in some)


@pytest.mark.usefixtures("block")
def test_some_of_them_and_those_of_two():
    found = Texts.of(SOME)
    assert found.take(np.array([5, 0, 0, 2])) == (SOME[5], SOME[0], SOME[0], SOME[2])
    assert found.take(np.zeros(0, int)) == ()
    assert found[1:5:2] == SOME[1:5:2]
    assert found[::-1] == SOME[::-1]
    assert found + Texts.of(["x", "é"]) == (*SOME, "x", "é")
    assert Texts.of([]) + found == SOME
    assert found + SOME == SOME + SOME


@pytest.mark.usefixtures("block")
def test_columns_are_read_in_one_pass():
    assert Texts.columns(iter(zip(SOME, SOME[::-1], strict=True)), 2) == (Texts.of(SOME), Texts.of(SOME[::-1]))
    assert Texts.columns([], 3) == ((), (), ())


def test_they_are_compared_by_value():
    found = Texts.of(SOME)
    assert found == Texts.of(list(SOME))
    assert found != Texts.of(SOME[1:])
    assert found != [*SOME[:-1], "other"]
    assert Texts.of(["ab", "c"]) != Texts.of(["a", "bc"])
    assert Texts.of(["a"]) != "a"
    with pytest.raises(IndexError):
        found[6]
    with pytest.raises(IndexError):
        found[-7]


def test_a_tab_is_not_plain():
    assert not Texts.of(["a", "b\tc"]).are_plain


def test_a_notebook_shows_the_first_ones():
    assert repr(Texts.of("abc")) == "Texts of 3: ['a', 'b', 'c']"
    assert repr(Texts.of("abcdefg")) == "Texts of 7: ['a', 'b', 'c', 'd', 'e', ...]"
