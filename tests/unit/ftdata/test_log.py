"""The logger in a process of its own: what was set before it is imported stays."""

import subprocess
import sys

import pytest

from tests import ROOT

_SAY = "from ftdata.log import log, on_stderr, silenced\nlog.info('hello')\n"
_HANDLER = """
l.addHandler(logging.StreamHandler(sys.stdout))
l.handlers[0].setFormatter(logging.Formatter("mine %(message)s"))
"""


def _said(code):
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout, done.stderr


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("", "hello\n"),
        ("l.setLevel(logging.ERROR)\n", ""),
        (
            _HANDLER,
            "mine hello\n",
        ),
    ],
    ids=["as it comes", "a level", "a handler"],
)
def test_what_was_set_before_the_import_is_kept(before, expected):
    start = "import logging, sys\nl = logging.getLogger('fast_fine_tuning')\n"
    assert _said(start + before + _SAY) == (expected, "")


def test_it_is_silent_for_other_ranks_and_leaves_standard_output_to_answers():
    code = _SAY + "with silenced(): log.info('a rank')\nwith on_stderr(): log.info('a note')\nlog.info('again')\n"
    assert _said(code) == ("hello\nagain\n", "a note\n")


def test_a_prefix_stands_before_every_line_and_ends_with_its_block():
    code = (
        "from ftdata.log import log, prefix, prefixed\nwith prefixed('again: '): log.info('a\\nb'); print(prefix())\n"
    )
    assert _said(f"{code}log.info('c')\n") == ("again: a\nagain: b\nagain: \nc\n", "")


_TALKS_ON = """
import os, sys, threading
sys.setswitchinterval(1e-6)
from ftdata.log import last_word, log
for number in range(40):
    if os.fork() == 0:
        ready = threading.Event()
        def talk():
            while True:
                log.info(f"{number} in between")
                ready.set()
                sys.stderr.write(f"{number} in between\\n")
        threading.Thread(target=talk, daemon=True).start()
        ready.wait()
        try:
            last_word(f"{number} is over")
        finally:
            os._exit(0)
    os.wait()
"""


def test_after_the_last_word_no_thread_says_anything():
    command = [sys.executable, "-W", "ignore", "-c", _TALKS_ON]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(command, cwd=ROOT, text=True, check=True, **pipes)
    last = {}
    for line in done.stdout.splitlines():
        number, _, words = line.partition(" ")
        last[number] = words
    assert last == {str(number): "is over" for number in range(40)}
