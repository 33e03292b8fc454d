"""A GCS of its own: an emulator of its JSON interface as a process on the loopback, and folders put into its bucket."""

import contextlib
import os
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.tools.object_store import wait_for
from tests.tools.workers import free_ports

BUCKET = "photos"


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """The address of a running emulator, http://127.0.0.1:PORT, with one empty bucket."""
    port = free_ports(1)[0]
    words = ["start", "--in-memory", "--host", "127.0.0.1", "--port", str(port), "--default-bucket", BUCKET]
    command = [sys.executable, "-m", "gcp_storage_emulator", *words]
    emulator = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{port}/storage/v1/b/{BUCKET}")
        yield f"http://127.0.0.1:{port}"
    finally:
        emulator.kill()
        emulator.wait()


def environment(endpoint: str) -> dict[str, str]:
    """What leads gcsfs to such a server."""
    return {"STORAGE_EMULATOR_HOST": endpoint}


def put(folder: Path, endpoint: str, prefix: str) -> str:
    """Puts all files of a folder below a prefix of the bucket; the address of the prefix."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = urllib.parse.quote(f"{prefix}/{os.fspath(path.relative_to(folder))}", safe="")
            url = f"{endpoint}/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={name}"
            request = urllib.request.Request(url, path.read_bytes(), {"Content-Type": "application/octet-stream"})
            with urllib.request.urlopen(request, timeout=30):
                pass
    return f"gs://{BUCKET}/{prefix}"
