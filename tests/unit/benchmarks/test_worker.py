"""Objects in processes of their own."""

import os

import pytest

from benchmarks.harness import worker


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


def test_calls_run_in_another_process_and_keep_their_state():
    with worker.Workers({"a": (_Counter, 1), "b": (_Counter, 10)}) as workers:
        assert workers["a"].call("add", 2) == 3
        workers["a"].begin("add", 2)
        workers["b"].begin("add", 5)
        assert (workers["a"].wait(), workers["b"].wait()) == (5, 15)
        assert len({os.getpid(), workers["a"].call("process"), workers["b"].call("process")}) == 3
        with pytest.raises(RuntimeError, match=r"(?s)_Counter failed.*no more"):
            workers["a"].call("fail")
        with pytest.raises(RuntimeError, match="_Counter died with status 9"):
            workers["b"].call("die")
