"""What several tests of `ftdata` need."""

import pytest

from tests.tools import object_store


@pytest.fixture(scope="module")
def server():
    """The address of moto's S3 server on the loopback."""
    for name in ("s3fs", "moto", "flask"):
        pytest.importorskip(name)
    with object_store.serving() as endpoint:
        yield endpoint
