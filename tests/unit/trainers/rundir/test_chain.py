"""A chain of digests: what is altered, left out or moved is found, and where."""

import copy

from trainers.rundir import chain


def _chained(count=4):
    return chain.resealed([{"kind": "state", "step": step, "weights": f"{step:064x}"} for step in range(count)])


def test_a_chain_that_nobody_touched_is_whole_after_json():
    import json

    assert list(chain.broken(json.loads(json.dumps(_chained())))) == []


def test_an_altered_entry_is_named():
    entries = copy.deepcopy(_chained())
    entries[2]["weights"] = "0" * 64
    assert list(chain.broken(entries)) == [2]


def test_an_entry_with_a_digest_of_its_own_breaks_the_next():
    entries = copy.deepcopy(_chained())
    entries[1] = chain.sealed({**entries[1], "weights": "0" * 64}, after=entries[:1])
    assert list(chain.broken(entries)) == [2]


def test_an_entry_that_is_gone_and_two_in_another_order_are_named():
    entries = _chained()
    assert list(chain.broken([*entries[:1], *entries[2:]])) == [1]
    assert list(chain.broken([entries[0], entries[2], entries[1], entries[3]])) == [1, 2, 3]


def test_the_digest_does_not_depend_on_the_order_of_keys_and_tells_numbers_apart():
    one = chain.sealed({"a": 1, "b": [1.5, None]}, after=[])
    assert one["digest"] == chain.sealed({"b": [1.5, None], "a": 1}, after=[])["digest"]
    assert one["digest"] != chain.sealed({"a": 1.0, "b": [1.5, None]}, after=[])["digest"]
    assert one["digest"] != chain.sealed({"a": 1, "b": [1.5, None]}, after=[one])["digest"]
