"""A headless Chromium, driven by the DevTools protocol over a pipe: no driver, no web socket, no package."""

import base64
import contextlib
import functools
import http.server
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

_FOUND = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# the browser reads from descriptor 3 and writes to 4
_WITH_DESCRIPTORS = """
import fcntl, os, sys
given = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3]]
os.dup2(given[0], 3)
os.dup2(given[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
_OFFLINE = "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"


def executable():
    """The path of a Chromium; None where there is none."""
    return next((path for name in _FOUND if (path := shutil.which(name))), None)


@contextlib.contextmanager
def serving(folder):
    """The folder on a plain static server on the loopback; gives its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()


class Page:
    """One page of a browser that can reach nothing but the loopback. `requests` are the addresses that it asked for,
    `problems` what it complained of: errors in its console, exceptions, what its policy forbade."""

    def __init__(self, send, events):
        self._send, self._events = send, events
        self.requests, self.problems = [], []

    def call(self, method, **parameters):
        """Sends a command; returns its result."""
        found = self._send(method, parameters)
        self._look_at_events()
        return found

    def open(self, address):
        """Goes to an address."""
        self.call("Page.navigate", url=address)

    def value(self, expression):
        """What JavaScript gives, awaited where it is a promise."""
        found = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"].get("exception", {}).get("description", found))
        return found["result"].get("value")

    def wait_for(self, expression, *, seconds=60):
        """Waits until JavaScript gives something true; returns that."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(RuntimeError):  # the page is still on its way
                if found := self.value(expression):
                    return found
            time.sleep(0.05)
        raise TimeoutError(f"{expression} is not true after {seconds} s; {self.problems}")

    def choose(self, selector, path):
        """Chooses a file in an <input>, as a user does."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", files=[str(path)], nodeId=node)

    def show_as(self, *, width, height, dark=False, is_phone=False):
        """Sets the size of the window in CSS pixels, and light or dark mode."""
        scale = 2 if is_phone else 1
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=is_phone
        )
        self.call("Emulation.setTouchEmulationEnabled", enabled=is_phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, path):
        """Writes the window as PNG."""
        Path(path).write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def _look_at_events(self):
        while self._events:
            event = self._events.pop(0)
            method, values = event["method"], event["params"]
            if method == "Network.requestWillBeSent":
                self.requests.append(values["request"]["url"])
            elif method == "Runtime.exceptionThrown":
                self.problems.append(values["exceptionDetails"].get("exception", {}).get("description", "exception"))
            elif method == "Runtime.consoleAPICalled" and values["type"] in ("error", "assert"):
                said = " ".join(str(part.get("value", part.get("description"))) for part in values["args"])
                if not said.startswith(("INFO: ", "WARNING: ")):  # what native code logs comes as errors
                    self.problems.append(said)
            elif method == "Log.entryAdded" and values["entry"]["level"] == "error":
                self.problems.append(f"{values['entry']['text']} {values['entry'].get('url', '')}")


@contextlib.contextmanager
def page(*arguments):
    """A page of a new browser, with more of its command line."""
    to_read, theirs = os.pipe()
    mine, to_write = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = [
            *("--headless=new", "--remote-debugging-pipe", f"--user-data-dir={profile}", "--no-first-run"),
            *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio"),
            *("--disable-background-networking", "--disable-component-update", f"--host-resolver-rules={_OFFLINE}"),
        ]
        command = [executable(), *options, *arguments, "about:blank"]
        launch = [sys.executable, "-I", "-c", _WITH_DESCRIPTORS, str(mine), str(theirs), *command]
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(launch, pass_fds=(mine, theirs), start_new_session=True, **silent) as browser:
            os.close(mine)
            os.close(theirs)
            try:
                yield _first_page(_Pipe(to_read, to_write))
            finally:
                browser.kill()
                for descriptor in (to_read, to_write):
                    os.close(descriptor)
        time.sleep(0.2)  # its children notice


def _first_page(pipe):
    targets = pipe.send("Target.getTargets", {})["targetInfos"]
    target = next(info["targetId"] for info in targets if info["type"] == "page")
    session = pipe.send("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
    found = Page(functools.partial(pipe.send, session=session), pipe.events)
    for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
        found.call(f"{domain}.enable")
    return found


class _Pipe:
    """Messages of the protocol: JSON, each ended by a zero byte."""

    def __init__(self, to_read, to_write):
        self._to_read, self._to_write, self._rest = to_read, to_write, b""
        self._numbers = itertools.count(1)
        self.events = []

    def send(self, method, parameters, session=None, seconds=120):
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        message |= {"sessionId": session} if session else {}
        content = json.dumps(message).encode() + b"\0"
        while content:
            content = content[os.write(self._to_write, content) :]
        end = time.monotonic() + seconds
        while True:
            found = self._receive(end)
            if found.get("id") == number:
                if "error" in found:
                    raise RuntimeError(f"{method}: {found['error']['message']}")
                return found["result"]
            if "method" in found:
                self.events.append(found)

    def _receive(self, end):
        while b"\0" not in self._rest:
            if not select.select([self._to_read], [], [], max(0, end - time.monotonic()))[0]:
                raise TimeoutError("the browser does not answer")
            content = os.read(self._to_read, 2**20)
            if not content:
                raise EOFError("the browser has ended")
            self._rest += content
        message, self._rest = self._rest.split(b"\0", 1)
        return json.loads(message)
