"""How tf.data spreads its work over the cores: by fixed numbers, and nothing is tuned while it runs.

TensorFlow's autotuning costs more than it finds here, where a map with as many calls as cores is the best there is.
Its thread may miss that its iterator ends: `CancellationManager::StartCancel` calls the thread before it sets what the
thread then looks at, and whoever closes the iterator, holding Python's lock, waits until the thread looks again. That
can take as long as the iterator has lived, a minute at most. Of 20 that were 40 s old on two cores, closing one took
60 s, another 41 s.

Without tuning `tf.data.AUTOTUNE` calls of a map are as many as cores, 16 at most, which does where a call makes a
batch. Where a call reads or decodes it takes `CORES`.
"""

import os

import tensorflow as tf

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def fixed(*, rewritten: bool = True) -> tf.data.Options:
    """The options of a data set, which hold for all that is built on it.

    Args:
      rewritten: whether tf.data may rewrite the graph. It copies and keeps all that the graph holds, so not where that
        is the decoded images. Where the graph decodes, an iterator without it takes 1.4 s to make instead of 0.6 s.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    if not rewritten:
        options.experimental_optimization.apply_default_optimizations = False
    return options
