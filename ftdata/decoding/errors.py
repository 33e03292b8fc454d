"""What TensorFlow said when an image could not be decoded, in words."""

import re

import tensorflow as tf

OURS = "UserError: "  # how TensorFlow begins what a function of ours has raised inside a graph
# how TensorFlow reports what the decoder itself refuses, inside and outside a graph
_REFUSED = re.compile(r"assertion failed: \[(.+?)\](?: \[Op|\n|$)|Summarized data: b(['\"])(.+?)\2(?:\n|$)")


def decode_error(error: tf.errors.InvalidArgumentError) -> str:
    """What the decoder said, without the trace around it."""
    refused = _REFUSED.search(error.message)
    if refused:
        return str(refused[1] or refused[3])
    trace = (" ", "\t", "Graph execution error", "Detected at node")
    lines = [line for line in error.message.splitlines() if line.strip() and not line.startswith(trace)]
    return _of_ours(lines[0] if lines else "damaged").split("}} ")[-1].rstrip(".")


def own_error(error: tf.errors.OpError) -> str | None:
    """What a reader of ours has said inside a graph, which is no fault of an image; None for other errors."""
    return _of_ours(error.message) if OURS in error.message.partition("\n")[0] else None


def input_error(error: tf.errors.OpError) -> str | None:
    """What to say of an error that an image caused while batches were made; None for an error of another kind.

    That happens with images that are decoded on the fly: those of a TFDS data set, which are not examined, and
    files that changed since they were.
    """
    place = re.search(r"IteratorGetNext|ReadFile|Decode\w+|Uncompress", str(error))
    if place is None or isinstance(error, tf.errors.ResourceExhaustedError):
        return None
    if (said := own_error(error)) is not None:
        return f"{said}; once it is fixed, the same command resumes from what is saved"
    reason = error.message.partition("\n")[0].rpartition("}} ")[2].partition(" [Op:")[0].rstrip(". ")
    return (
        f"an image cannot be read or decoded: {reason}. With --cache=memory all are decoded first, and the error names "
        "the image; once it is fixed, the same command resumes from what is saved"
    )


def _of_ours(message: str) -> str:
    """The first line, from what a function of ours has said on."""
    return message.partition("\n")[0].rpartition(OURS)[2]
