"""TensorFlow's warning of functions that are traced too often, where each tracing is of another network."""

import contextlib
import logging
from collections.abc import Iterator

_WARNING = "triggered tf.function retracing"


def _is_another(record: logging.LogRecord) -> bool:
    return _WARNING not in record.getMessage()


@contextlib.contextmanager
def expected() -> Iterator[None]:
    """Drops that one warning while the block runs.

    TensorFlow counts the tracings of a piece of source code, over all functions that are made of it. Each model of a
    run with folds, and each stretch that is verified, has a network and a function of its own, which is traced once and
    called for every step: from the fifth on, TensorFlow takes that for one function that is traced again and again.
    Everything else that its logger says is let through.
    """
    logger = logging.getLogger("tensorflow")
    is_first = _is_another not in logger.filters
    if is_first:
        logger.addFilter(_is_another)
    try:
        yield
    finally:
        if is_first:
            logger.removeFilter(_is_another)
