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
    "view": 11,  # by the layer's place in the chain, then by image and view: how each view of an image is augmented
    "view_order": 12,  # by image and view: which view of an image comes in which pass
    "estimate": 13,  # which images are estimated from where there are too many
    "learning_curve": 14,  # by draw: which images and groups a head learns from, and which groups judge it
    "search": 15,  # the order in which the folds of a search's trials are trained
    "rounding": 16,  # errors as another machine makes them, in a replay of a part of a run
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


def of_images(seed: int, stream: str, *place: int | str, digests: np.ndarray, views: np.ndarray) -> np.ndarray:
    """Numbers of a stream for views of images, whatever else is drawn and wherever the images stand.

    Args:
      seed: of the run.
      stream: a key of STREAMS.
      *place: which of several, as whole numbers >= 0 or names.
      digests: of the images' contents, uint64 [n, 2].
      views: which view of each, whole numbers >= 0, [n].

    Returns:
      uint64 [n].
    """
    drawn = mixed(np.asarray(views).astype(np.uint64) ^ mixed(np.array([number(seed, stream, *place)], np.uint64)))
    for word in digests.T:
        drawn = mixed(drawn ^ word)
    return drawn


def mixed(words: np.ndarray) -> np.ndarray:
    """Words of 64 bits mixed by SplitMix64's permutation (Steele et al., 2014): each bit depends on all of its word."""
    words = words + np.uint64(0x9E3779B97F4A7C15)  # wraps, as all of these
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
