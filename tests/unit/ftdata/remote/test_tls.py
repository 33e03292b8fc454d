"""Servers on the loopback that speak TLS with a certificate of their own, read by processes that trust it or do not."""

import functools
import http.server
import os
import ssl
import subprocess
import sys
import threading

import pytest

from tests import ROOT
from tests.tools import certificates, object_store

pytestmark = pytest.mark.extra_remote

_READ = """
import sys
from ftdata.errors import UserError
from ftdata.remote.store import Store
try:
    store = Store(sys.argv[1], timeout_s=4)
    print("read", len(store.content(store.describe(sys.argv[1]))))
except UserError as error:
    print(error)
"""


def _said(url, **environment):
    """What a process of its own says, as libraries read these settings when they are imported."""
    command = [sys.executable, "-c", _READ, url]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


@pytest.fixture
def web(tmp_path):
    """Serves a file; gives the address for a certificate."""
    pytest.importorskip("aiohttp")
    (tmp_path / "a.bin").write_bytes(b"x" * 1000)
    running = []

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *words):
            pass

    def serve(certificate=None):
        serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path)))
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            serving.socket = context.wrap_socket(serving.socket, server_side=True)
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        running.append(serving)
        return f"https://127.0.0.1:{serving.server_address[1]}/a.bin"

    yield serve
    for serving in running:
        serving.shutdown()
        serving.server_close()


def _certificate(folder, **settings):
    pytest.importorskip("cryptography")
    folder.mkdir()
    return certificates.write(folder, **settings)


def test_https_with_an_authority_of_ones_own(web, tmp_path):
    good = _certificate(tmp_path / "good")
    url = web(good)
    assert _said(url, SSL_CERT_FILE=str(good.certificate)) == "read 1000"
    said = _said(url)
    assert "\n" not in said
    assert said.startswith(f"{url} cannot be read: [SSL: CERTIFICATE_VERIFY_FAILED]")
    assert "self-signed certificate" in said
    assert said.endswith("set SSL_CERT_FILE to the file of the authority that has signed it, if you trust it")
    absent = tmp_path / "absent.pem"
    assert _said(url, SSL_CERT_FILE=str(absent)).endswith(f": SSL_CERT_FILE={absent} does not exist")


def test_https_of_another_host_expired_and_without_tls(web, tmp_path):
    other = _certificate(tmp_path / "other", host="127.0.0.2")
    said = _said(web(other), SSL_CERT_FILE=str(other.certificate))
    assert "IP address mismatch" in said
    assert "authority" not in said
    old = _certificate(tmp_path / "old", days=-1)
    said = _said(web(old), SSL_CERT_FILE=str(old.certificate))
    assert "certificate has expired" in said
    assert "authority" not in said
    assert _said(web()).endswith("there is a server that speaks no TLS: its addresses begin with http://")


def test_s3_with_an_authority_of_ones_own(tmp_path):
    for name in ("s3fs", "moto", "flask"):
        pytest.importorskip(name)
    good = _certificate(tmp_path / "good")
    with object_store.serving(certificate=good) as endpoint:
        store = object_store.client(endpoint, verify=str(good.certificate))
        store.create_bucket(Bucket="photos")
        store.put_object(Bucket="photos", Key="a.bin", Body=b"x" * 1000)
        words = object_store.environment(endpoint)
        assert _said("s3://photos/a.bin", AWS_CA_BUNDLE=str(good.certificate), **words) == "read 1000"
        said = _said("s3://photos/a.bin", **words)
        assert said.endswith("set AWS_CA_BUNDLE to the file of the authority that has signed it, if you trust it")
        absent = tmp_path / "absent.pem"
        said = _said("s3://photos/a.bin", AWS_CA_BUNDLE=str(absent), **words)
        assert said.endswith(f": AWS_CA_BUNDLE={absent} does not exist")
