"""Two workers in two threads, connected as two processes are."""

import concurrent.futures
import socket

import pytest

from trainers.runtime.cluster import Cluster
from trainers.runtime.processes import ALONE, Workers


@pytest.fixture
def two_workers():
    with socket.create_server(("127.0.0.1", 0)) as server:
        sockets = (socket.create_connection(server.getsockname()), server.accept()[0])
    addresses = ("one:1", "other:1")
    workers = [Workers(Cluster(addresses, index), {1 - index: sockets[index]}, timeout_s=30.0) for index in range(2)]
    yield workers
    for each in workers:
        each.is_done = True
    for each, connection in zip(workers, sockets, strict=True):
        each.close()
        connection.close()


@pytest.mark.parametrize("failing", [(), (0,), (1,), (0, 1)])
def test_an_error_of_one_is_an_error_of_all_and_they_go_on_together(two_workers, failing):
    def work(worker):
        try:
            with worker.failing_together(OSError):
                if worker.index in failing:
                    raise PermissionError(13, f"no room at {worker.index}")
            said = None
        except OSError as error:
            said = str(error)
        worker.barrier()  # whoever did not come to the end of the block would leave the others here
        return said

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        found = list(pool.map(work, two_workers, timeout=20))
    for index, said in enumerate(found):
        if not failing:
            assert said is None
        elif index in failing:
            assert said == f"[Errno 13] no room at {index}"
        else:
            assert said == f"worker {1 - index}: [Errno 13] no room at {1 - index}"


def test_another_kind_of_error_is_not_waited_with(two_workers):
    with pytest.raises(ValueError, match="at once"), two_workers[0].failing_together(OSError):
        raise ValueError("at once")
    with pytest.raises(OSError, match="alone"), ALONE.failing_together(OSError):
        raise OSError("alone")
