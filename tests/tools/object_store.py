"""An S3 of its own: moto's server as a process on the loopback, and folders put into its buckets."""

import contextlib
import os
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.tools.certificates import Certificate
from tests.tools.workers import free_ports

_WORDS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def environment(endpoint: str) -> dict[str, str]:
    """What leads boto and s3fs to a server of one's own."""
    return {**_WORDS, "AWS_ENDPOINT_URL": endpoint}


@contextlib.contextmanager
def serving(certificate: Certificate | None = None) -> Iterator[str]:
    """The address of a running server, http://127.0.0.1:PORT, without buckets; with a certificate https."""
    port = free_ports(1)[0]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    context = None
    if certificate:
        command += ["-s", "-c", str(certificate.certificate), "-k", str(certificate.key)]
        context = ssl.create_default_context(cafile=certificate.certificate)
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = f"{'https' if certificate else 'http'}://127.0.0.1:{port}"
        wait_for(f"{address}/moto-api/", context)
        yield address
    finally:
        server.kill()
        server.wait()


def wait_for(url: str, context: ssl.SSLContext | None = None) -> None:
    """Returns when a server answers there."""
    for _ in range(600):
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5, context=context):
            return
        time.sleep(0.1)
    raise TimeoutError(url)


def client(endpoint: str, **settings: str) -> Any:
    """Boto's client of such a server."""
    import boto3

    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}
    return boto3.client("s3", endpoint_url=endpoint, **keys, **settings)


def put(folder: Path, endpoint: str, bucket: str, prefix: str) -> str:
    """Puts all files of a folder below a prefix of a bucket, which is made if need be; the address of the prefix."""
    store = client(endpoint)
    store.create_bucket(Bucket=bucket)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = os.fspath(path.relative_to(folder))
            store.put_object(Bucket=bucket, Key=f"{prefix}/{name}", Body=path.read_bytes())
    return f"s3://{bucket}/{prefix}"
