"""A machine without a network, for this process and those it starts: nothing beyond the machine is asked."""

import os
from pathlib import Path

import pytest

REFUSING = "http://127.0.0.1:9"  # where nobody listens


def cut_off(monkeypatch: pytest.MonkeyPatch, folder: Path, *, proxy: str = REFUSING) -> None:
    """Sends every request of urllib to `proxy`, and gives Keras an empty `folder` for the files it fetches."""
    for name in ("no_proxy", "NO_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", proxy)
    monkeypatch.setenv("KERAS_HOME", os.fspath(folder))
    monkeypatch.setattr("urllib.request._opener", None)  # which remembers the proxies of the first request
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", os.fspath(folder))  # as an import of Keras sets it
