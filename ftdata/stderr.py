"""The file descriptor of standard error, where libraries in C write past Python."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def captured() -> Iterator[list[str]]:
    """Captures what is written to standard error while the block runs.

    Yields:
      One string, empty until the block ends and then all that was written. It stays empty in a process without
      standard error.
    """
    heard = [""]
    if sys.stderr:
        sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:
        yield heard
        return
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield heard
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            heard[0] = file.read().decode(errors="replace")


@contextlib.contextmanager
def quiet_import() -> Iterator[None]:
    """For the import of TensorFlow: drops what it writes to standard error, unless the block fails.

    TensorFlow's log level is set to fatal errors. A level that the user has set stays, and everything is shown.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ or "tensorflow" in sys.modules:
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    heard = [""]
    try:
        with captured() as heard:
            yield
    except Exception:
        if heard[0]:
            os.write(2, heard[0].encode())
        raise
    finally:
        if "tensorflow" not in sys.modules:  # a block that did without it: the level is none of the user's
            os.environ.pop("TF_CPP_MIN_LOG_LEVEL", None)
