"""Load TensorFlow without what it prints to nobody's use."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def tensorflow_import() -> Iterator[None]:
    """Holds back what is written to standard error meanwhile, and shows it only if the block fails.

    TensorFlow's log level is set to errors that stop it; a level the user has set is left, with every line.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ or "tensorflow" in sys.modules:
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    try:
        standard_error = os.dup(2)
    except OSError:  # a process without standard error
        yield
        return
    if sys.stderr:
        sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:
            os.dup2(standard_error, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(standard_error, 2)
            os.close(standard_error)
