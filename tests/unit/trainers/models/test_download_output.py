"""What is said of a download of Keras, of real files over a connection of this machine, and of one that fails."""

import http.server
import threading
from pathlib import Path

import keras
import pytest

from tests.tools.network import cut_off
from trainers.models import download_output, imagenet_weights


@pytest.fixture
def server(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there/weights.h5").write_bytes(bytes(100_000))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, directory=str(tmp_path / "there"), **options)

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_port}"
        found.shutdown()


def test_a_file_that_comes_is_one_line_and_other_words_pass(server, tmp_path, capsys):
    (tmp_path / "kept").mkdir()  # one that is not there is passed over by Keras, for one that others share
    with download_output.in_our_words():
        path = keras.utils.get_file("weights.h5", f"{server}/weights.h5", cache_dir=str(tmp_path / "kept"))
        print("and this")
    assert Path(path).stat().st_size == 100_000
    said = capsys.readouterr()
    assert said.out == f"fetching {server}/weights.h5\nand this\n"
    assert said.err == ""  # no terminal, no bar


def test_a_file_that_cannot_be_had_is_left_to_the_error(monkeypatch, tmp_path, capsys):
    cut_off(monkeypatch, tmp_path / "keras")
    with (
        pytest.raises(ValueError, match="^weights=imagenet: cannot fetch"),
        imagenet_weights.fetching("EfficientNetV2B0"),
    ):
        keras.applications.EfficientNetV2B0(include_top=False)
    assert capsys.readouterr().out == ""
