"""Everything random by name: one table of streams, so that no two purposes draw the same numbers. numpy only.

A stream is told apart by its name and, where there are several of it, by its place (which phase, which layer). What
changes from draw to draw (the step, the pass) is the second word of a stateless seed, beside the number made here.
"""

import zlib

import numpy as np

# A new purpose takes a new number; a number that was ever used keeps its meaning, or old runs could not be repeated.
# The splits have a seed of their own, and rendered data sets are the same under every seed.
STREAMS = {
    "phase": 1,  # by the phase's name: the seed of all that is drawn while it trains
    "order": 2,  # by word of a key, then by pass: which image comes when
    "stream_order": 3,  # by pass: the same for images that can only be read in sequence
    "augment": 4,  # by the layer's place in the chain, and step
    "dropout": 5,  # by step, then by layer and replica
    "weights": 6,  # what Keras draws initial weights from
    "tensorflow": 7,  # TensorFlow's global seed
    "samples": 8,  # the training images drawn in samples.png
    "look_alikes": 9,  # which images are compared where there are too many
    "layer": 10,  # by class: the own generator of an augmentation layer that is called by itself
}


def number(seed: int, stream: str, *place: int | str) -> int:
    """The seed of a stream: from 1 to 2^31 - 1, so that it fits an int32 and never means "no seed".

    Made by numpy's SeedSequence, which hashes its words so that neighbouring seeds give unrelated numbers; its results
    are the same in every version of numpy.

    Args:
      seed: of the run, or of a phase; 0 or more.
      stream: a key of STREAMS.
      *place: which of several, as whole numbers >= 0 or names.
    """
    words = [zlib.crc32(part.encode()) if isinstance(part, str) else part for part in place]
    (drawn,) = np.random.SeedSequence(seed, spawn_key=(STREAMS[stream], *words)).generate_state(1)
    return int(drawn >> 1) or 1


def generator(seed: int, stream: str, *place: int | str) -> np.random.Generator:
    """numpy's generator of a stream."""
    return np.random.default_rng(number(seed, stream, *place))
