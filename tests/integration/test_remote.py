"""The command line on images in an object store that fails: the table of `tests.tools.remote_faults`."""

import pytest

from tests.tools import faulty_proxy, object_store, remote_faults
from tests.tools.remote_faults import Bench

pytestmark = [pytest.mark.extra_remote, pytest.mark.slow]


@pytest.fixture(scope="module")
def bench(photo_folder, tmp_path_factory):
    for name in ("s3fs", "moto", "flask"):
        pytest.importorskip(name)
    with object_store.serving() as endpoint, faulty_proxy.between(endpoint) as proxy:
        yield Bench(photo_folder, tmp_path_factory.mktemp("remote"), endpoint, proxy)


@pytest.mark.parametrize("part", remote_faults.PARTS)
def test_every_fault_ends_with_the_weights_of_the_local_folder_or_in_one_line(bench, part):
    rows = list(remote_faults.rows(bench, part))
    expected = rows[0].weights
    assert expected
    assert len(rows) > 1
    for row in rows:
        assert row.weights == (None if part == "refused" and row is not rows[0] else expected), row
        if row.weights is None:  # what only the user can mend
            assert row.status == 1, row
            assert any(word in row.said for word in ("credentials", "there is no bucket", "there is nothing at")), row
        if part in ("lasting", "changing") and row is not rows[0]:
            assert (row.status, "s3://photos/of/three/" in row.said) == (1, True), row
