"""Objects in processes of their own."""

import os
from concurrent.futures.process import BrokenProcessPool

import pytest

from benchmarks.harness import process


class _Counter:
    def __init__(self, start):
        self.value = start

    def add(self, number):
        self.value += number
        return self.value

    def process(self):
        return os.getpid()

    def fail(self):
        raise ArithmeticError("no more")

    def die(self):
        os._exit(9)


@pytest.mark.slow
def test_calls_run_in_another_process_and_keep_their_state():
    with process.start_all({"a": (_Counter, 1), "b": (_Counter, 10)}) as workers:
        assert workers["a"].call("add", 2) == 3
        begun = [workers["a"].begin("add", 2), workers["b"].begin("add", 5)]
        assert [call.result() for call in begun] == [5, 15]
        assert len({os.getpid(), workers["a"].call("process"), workers["b"].call("process")}) == 3
        with pytest.raises(ArithmeticError, match="no more"):
            workers["a"].call("fail")
        assert workers["a"].call("add", 1) == 6
        with pytest.raises(BrokenProcessPool):
            workers["b"].call("die")


@pytest.mark.slow
def test_what_cannot_be_made_says_why():
    with pytest.raises(TypeError, match="start"), process.start_all({"a": (_Counter,)}):
        pass
