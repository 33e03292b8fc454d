"""--phase=serve: a server in a process of its own answers as the files say, and nobody's request harms another's."""

import base64
import concurrent.futures
import csv
import io
import json
import select
import shutil
import signal
import socket
import time

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.tools import bad_files
from tests.tools.server import files, running
from trainers import command_line, experiment
from trainers.config import ServeConfig, TrainConfig, UseConfig

pytestmark = pytest.mark.extra_serve
_NEEDED = ("uvicorn", "starlette")
_FLAGS = ("--max_request_mib=2", "--max_request_images=16", "--max_queued_images=16", "--request_timeout_s=4")
_MIB = 2**20


@pytest.fixture(scope="module")
def exported(trained_run, tmp_path_factory):
    """A run that was evaluated, with what is none of its classes, and exported."""
    for name in _NEEDED:
        pytest.importorskip(name)
    model_dir = shutil.copytree(trained_run, tmp_path_factory.mktemp("serving") / "mine")
    for phase in ("evaluate", "export"):
        use = UseConfig(none_of_these=0.9 if phase == "evaluate" else None, export_formats=("saved_model",))
        experiment.run(TrainConfig(phase=phase, model_dir=str(model_dir), use=use))
    return model_dir


@pytest.fixture(scope="module")
def server(exported, tmp_path_factory):
    with running(exported, tmp_path_factory.mktemp("log") / "log.txt", _FLAGS) as found:
        yield found
        assert found.stop() == 128 + signal.SIGTERM
    assert "Traceback" not in found.said()
    assert "stopped by SIGTERM; what had been asked before was answered" in found.said()


@pytest.fixture(scope="module")
def photo(photo_folder):
    return sorted((photo_folder / "test").rglob("*.jpg"))[0].read_bytes()


def _png(width, height):
    stream = io.BytesIO()
    Image.new("L", (width, height)).save(stream, "PNG", compress_level=9)
    return stream.getvalue()


def test_answers_are_those_of_predictions_csv_and_of_the_saved_model(server, exported, photo_folder):
    with open(exported / "evaluation/predictions.csv", newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    contents = [(photo_folder / "test" / row["file"].split("test/")[-1]).read_bytes() for row in rows]
    found = server.ask(body=files(*contents)).json()["predictions"]
    loaded = tf.saved_model.load(exported / "export/saved_model")
    direct = loaded.signatures["serving_default"](image_bytes=tf.constant(contents))
    names = ["blue", "green", "red"]
    assert len(rows) == 15
    for row, answer, probabilities, unlike in zip(
        rows, found, direct["probabilities"].numpy(), direct["unlike"].numpy(), strict=True
    ):
        assert set(answer) == {"label", "probabilities", "unlike"}
        np.testing.assert_allclose(answer["probabilities"], probabilities, atol=1e-6)
        assert answer["unlike"] == pytest.approx(unlike, abs=1e-5)
        assert answer["label"] == names[np.argmax(probabilities)]
        # the CSV is of the model in bfloat16, as it was trained
        np.testing.assert_allclose(answer["probabilities"], [float(row[name]) for name in names], atol=0.02)


def test_the_forms_of_a_request_have_one_answer(server, photo):
    pixels = np.asarray(Image.open(io.BytesIO(photo)))
    coded = {"b64": base64.b64encode(photo).decode()}
    by_row = server.ask(body={"instances": [coded]}).json()["predictions"]
    assert server.ask(body={"instances": [{"image_bytes": coded}]}).json() == {"predictions": by_row}
    assert server.ask(path="/versions/1:predict", body={"instances": [coded]}).json() == {"predictions": by_row}
    columns = {name: [value] for name, value in by_row[0].items()}
    assert server.ask(body={"inputs": [coded]}).json() == {"outputs": columns}
    assert server.ask(body={"inputs": {"image_bytes": [coded]}}).json() == {"outputs": columns}
    of_pixels = server.ask(body={"signature_name": "pixels", "instances": [pixels.tolist()]}).json()["predictions"][0]
    np.testing.assert_allclose(of_pixels["probabilities"], by_row[0]["probabilities"], atol=0.02)  # PIL's decoder


def test_the_model_tells_of_itself(server):
    status = server.ask("GET", "").json()["model_version_status"]
    assert [(entry["version"], entry["state"]) for entry in status] == [("1", "AVAILABLE")]
    signatures = server.ask("GET", "/metadata").json()["metadata"]["signature_def"]["signature_def"]
    assert set(signatures) == {"serving_default", "pixels"}
    assert signatures["serving_default"]["inputs"]["image_bytes"]["dtype"] == "DT_STRING"
    assert signatures["pixels"]["inputs"]["images"]["tensor_shape"]["dim"][3] == {"size": "3", "name": ""}


def _bad_requests(photo):
    coded = base64.b64encode(photo).decode()
    one = {"instances": [{"b64": coded}]}
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)
    pixels = {"signature_name": "pixels"}
    yield from [
        (b"", 400, "must be JSON"),
        (json.dumps(one).encode()[:-20], 400, "must be JSON"),
        (b"\xff\xfe{}", 400, "UTF-8"),
        (b"[" * 100_000, 400, "nested too deeply"),
        (b'{"instances": [' + b"9" * 10_000 + b"]}", 400, "must be JSON"),
        ([], 400, "must be a JSON object"),
        ({}, 400, "either instances or inputs"),
        ({**one, "inputs": []}, 400, "either instances or inputs"),
        ({**one, "x": 1}, 400, "unknown key 'x'"),
        ({**one, "signature_name": "train"}, 400, "must be one of pixels, serving_default, got 'train'"),
        ({**one, "signature_name": ["pixels"]}, 400, "must be one of"),
        ({"instances": []}, 400, "at least one value"),
        ({"instances": "x"}, 400, "must be a list"),
        ({"instances": [{"b64": "?"}]}, 400, "image_bytes[0] is no base64"),
        ({"instances": [{"b64": coded[:-5]}]}, 400, "image_bytes[0] is no base64"),
        ({"instances": [{"b64": ""}]}, 400, "image 0: empty file"),
        ({"instances": [{"b64": 5}]}, 400, 'must be {"b64": "..."}'),
        ({"instances": [{"b64": coded}, 7]}, 400, "image_bytes[1] must be"),
        ({"instances": [{"photo": {"b64": coded}}]}, 400, "instances[0] lacks image_bytes"),
        ({"instances": ["a photo"]}, 400, "image 0: text, not an image"),
        (files(photo, photo[: len(photo) // 2]), 400, "image 1: truncated JPEG"),
        (files(b"\xff\xd8\xff" + b"no JPEG at all"), 400, "image 0: "),
        (files(heic), 400, "image 0: a HEIC file, not a supported image"),
        (files(_png(10_001, 10_000)), 400, "image 0: too large: 10001 x 10000"),
        (files(*[_png(9_000, 9_000)] * 5), 413, "405,000,000 pixels"),
        (files(*[photo] * 17), 413, "too many images: 17"),
        ({"instances": [{"b64": "A" * (3 * _MIB)}]}, 413, "too large: the limit for a request is 2 MiB"),
        ({**pixels, "instances": [[[1, 2, 3]]]}, 400, "images must be [any, any, 3] for each image, got [1, 3]"),
        ({**pixels, "instances": [[[[1, 2]]]]}, 400, "got [1, 1, 2]"),
        ({**pixels, "instances": [[[[1, 2, 3], [4, 5]]]]}, 400, "as long as each other"),
        ({**pixels, "instances": [[[["a" * 500_000, *[1] * 200_000]]]]}, 400, "nested lists of numbers"),
        ({**pixels, "instances": [[[[1, 2, 256]]]]}, 400, "whole numbers from 0 to 255"),
        ({**pixels, "instances": [[[[1, 2, 2.5]]]]}, 400, "whole numbers from 0 to 255"),
        ({**pixels, "instances": [[[[1, 2, None]]]]}, 400, "finite"),
        ({**pixels, "instances": [[[[1, 2, 10**400]]]]}, 400, "nested lists of numbers"),
        (b'{"signature_name": "pixels", "instances": [[[[1, 2, 1e999]]]]}', 400, "finite"),
        (b'{"signature_name": "pixels", "instances": [[[[1, 2, NaN]]]]}', 400, "NaN is no number of JSON"),
        ({**pixels, "instances": [[]]}, 400, "images must be"),
        ({**pixels, "instances": [{"b64": coded}]}, 400, "nested lists of numbers"),
    ]


def test_what_cannot_be_used_is_an_error_and_the_next_request_is_answered(server, photo):
    expected = server.ask(body=files(photo)).json()
    for number, (body, status, said) in enumerate(_bad_requests(photo)):
        reply = server.ask(body=body)
        assert (reply.status, said in reply.error) == (status, True), (number, reply.status, reply.error)
        assert "\n" not in reply.error
        assert server.ask(body=files(photo)).json() == expected


def test_files_are_refused_and_taken_as_in_training(server):
    for name, (_, content, reason) in bad_files.BAD.items():
        reply = server.ask(body=files(content))
        assert (reply.status, reason in reply.error) == (400, True), (name, reply.error)
    for name, (_, content) in bad_files.GOOD.items():
        assert server.ask(body=files(content)).status == 200, name


def test_addresses_and_methods_that_there_are_not(server):
    for method, path, status, said in [
        ("GET", "x", 404, "minex"),
        ("GET", "/x", 404, "nothing is here"),
        ("GET", "/versions/2", 404, "version '2' of 'mine' is not served here"),
        ("POST", "x:predict", 404, "'minex' is not served here, 'mine' is"),
        ("POST", ":classify", 400, "this model serves :predict"),
        ("POST", "/versions/1:regress", 400, "POST /v1/models/mine:predict"),
        ("POST", "x:classify", 404, "'minex' is not served here"),
        ("GET", ":predict", 405, "POST is"),
        ("DELETE", "", 405, "DELETE is not for this address, GET, HEAD is"),
        ("GET", "//", 404, "nothing is here"),
        ("GET", "//v1/models/%0a%00../../etc/passwd", 404, "nothing is here"),
    ]:
        reply = server.ask(method, path)
        assert (reply.status, said in reply.error) == (status, True), (method, path, reply.status, reply.error)


def test_what_is_no_http(server, photo):
    head = f"POST {server.path}:predict HTTP/1.1\r\nHost: x\r\n".encode()
    for content in [
        head + b"Content-Length: -5\r\n\r\n",
        head + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
        head + b"Content-Length: 9" + b"9" * 40 + b"\r\n\r\n",
        head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        head + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00" + bytes(100),
        b"hello\r\n\r\n",
    ]:
        reply = server.send(content)
        assert reply.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 413 ")), (content[:200], reply)
        assert b'{"error": "' in reply
    endless = head + b"Transfer-Encoding: chunked\r\n\r\n" + b"100000\r\n%b\r\n" % bytes(_MIB) * 3
    assert server.send(endless).startswith(b"HTTP/1.1 413 ")
    assert server.ask(body=files(photo)).status == 200


def test_who_sends_slowly_is_given_up_and_holds_up_nobody(server, photo):
    slow = [socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in range(40)]
    for connection in slow[:20]:
        connection.sendall(f"POST {server.path}:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{{".encode())
    for connection in slow[20:]:
        connection.sendall(b"POST /v1")
    began = time.monotonic()
    assert server.ask(body=files(photo)).status == 200
    waiting, _, _ = select.select(slow, [], [], 0)
    assert not waiting  # none of them was given up before
    for connection in slow[:20]:
        assert connection.recv(65536).startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began < 25  # request_timeout_s is 4, and the machine may be busy
    for connection in slow[20:]:
        assert connection.recv(65536).startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began < 35
    for connection in slow:
        connection.close()


def test_requests_at_one_time_share_calls_and_one_broken_image_harms_nobody(server, photo):
    bad = files(photo[: len(photo) // 2])
    with concurrent.futures.ThreadPoolExecutor(8) as clients:
        replies = list(clients.map(lambda number: server.ask(body=bad if number % 4 == 3 else files(photo)), range(64)))
    assert [reply.status for reply in replies] == [200, 200, 200, 400] * 16
    expected = server.ask(body=files(photo)).json()["predictions"][0]["probabilities"]
    for reply in replies:
        if reply.status == 200:
            np.testing.assert_allclose(reply.json()["predictions"][0]["probabilities"], expected, atol=1e-5)


def test_too_many_at_one_time_are_told_to_come_again(server, photo):
    large = files(*[_png(4_500, 4_500)] * 16)
    with concurrent.futures.ThreadPoolExecutor(8) as clients:
        replies = list(clients.map(lambda _: server.ask(body=large), range(8)))
    assert {reply.status for reply in replies} <= {200, 503}
    busy = [reply for reply in replies if reply.status == 503]
    assert busy
    assert {reply.headers["Retry-After"] for reply in busy} == {"1"}
    assert all(reply.error.startswith("busy: ") for reply in busy)
    assert server.ask(body=files(photo)).status == 200


def test_large_images_take_bounded_memory(server):
    before = server.resident_mib()
    with concurrent.futures.ThreadPoolExecutor(4) as clients:
        replies = list(clients.map(lambda _: server.ask(body=files(*[_png(9_900, 9_900)] * 4)), range(4)))
    assert {reply.status for reply in replies} <= {200, 503}
    assert server.resident_mib() - before < 1536


def test_what_had_been_asked_before_sigterm_is_answered(exported, tmp_path, photo):
    with running(exported, tmp_path / "log.txt") as server, concurrent.futures.ThreadPoolExecutor(1) as client:
        reply = client.submit(server.ask, body=files(*[_png(4_000, 4_000)] * 4))
        idle = socket.create_connection(("127.0.0.1", server.port))
        time.sleep(0.4)
        assert server.stop() == 128 + signal.SIGTERM
        assert reply.result().status == 200
        with pytest.raises(ConnectionError):
            server.ask("GET", "")
        idle.close()
    assert "answered 1 request with 4 images in" in server.said()


def test_a_port_in_use_no_export_and_no_extra_are_a_line_each(exported, tmp_path, capsys, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        serve = ServeConfig(port=taken.getsockname()[1])
        config = TrainConfig(phase="serve", model_dir=str(exported), serve=serve)
        assert command_line.run(config, given=(), command_line=()) == 1
    assert capsys.readouterr().err.startswith(f"error: --port {serve.port} of host 127.0.0.1 cannot be listened on (")
    config = TrainConfig(phase="serve", model_dir=str(tmp_path / "none"), serve=ServeConfig(port=0))
    assert command_line.run(config, given=(), command_line=()) == 1
    assert "holds no SavedModel: --phase=export makes one" in capsys.readouterr().err
