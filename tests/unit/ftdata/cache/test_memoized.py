"""Pictures that are decoded when a worker first asks for them."""

import numpy as np
import tensorflow as tf

from ftdata import pipeline
from ftdata.cache import tiers
from ftdata.cache.images import memoized
from ftdata.config import DataConfig
from ftdata.sources.source import open_source


def test_a_worker_decodes_what_it_is_asked_for_and_once(tmp_path):
    read_from = []

    def read(index):
        tf.py_function(lambda asked: read_from.extend(asked.numpy().tolist()), [index], [])
        return tf.cast(tf.reshape(index, [-1, 1, 1, 1]) * tf.ones([1, 2, 2, 3], tf.int64), tf.uint8)

    at = memoized(read, np.full((9, 2, 2, 3), 255, np.uint8))
    batches = tf.data.Dataset.from_tensor_slices(np.array([[1, 4], [4, 8], [8, 1]])).map(at)
    assert [batch[:, 0, 0, 0].tolist() for batch in batches.as_numpy_iterator()] == [[1, 4], [4, 8], [8, 1]]
    assert read_from == [1, 4, 8]


def test_two_workers_get_the_halves_of_one_process(photo_folder):
    config = DataConfig(image_dir=str(photo_folder), image_size=16)
    source = open_source(config)
    labels = source.test.labels  # 15 pictures, in batches of 8: the last is short

    def images(workers, index):
        pictures = tiers.open_split(source.test, config, tier="memory", workers=workers)
        shard = pipeline.Shard(first=index, count=1, total=workers)
        return list(pipeline.for_evaluation(pictures, labels, global_batch=8, shard=shard).as_numpy_iterator())

    whole, first, second = images(1, 0), images(2, 0), images(2, 1)
    for both, one, other in zip(whole, first, second, strict=True):
        for name in both:
            np.testing.assert_array_equal(both[name], np.concatenate([one[name], other[name]]))
