import concurrent.futures
import threading

import numpy as np
import pytest
import tensorflow as tf

from trainers.serving.batching import Batcher, Item
from trainers.serving.errors import Refused
from trainers.serving.saved_model import Signature


class _Sums:
    """A signature that adds up the pixels of images; it waits until it is let go, and knows its calls."""

    def __init__(self):
        self.sizes, self.free = [], threading.Event()
        self.signature = Signature("sums", {"images": tf.TensorSpec([None, None], tf.int32)}, ("sum",), self._call)

    def _call(self, images):
        self.free.wait(10)
        self.sizes.append(len(images))
        if 13 in images.numpy():
            raise tf.errors.InvalidArgumentError(None, None, "thirteen")
        return {"sum": tf.reduce_sum(images, 1)}

    def item(self, *values, pixels=1):
        return Item(self.signature, {"images": np.array(values, np.int32)}, pixels)


@pytest.fixture
def sums():
    return _Sums()


def _batcher(**options):
    return Batcher(lambda files: [None] * len(files), **{"most": 4, "most_pixels": 100, "most_queued": 8, **options})


def _answers(items):
    concurrent.futures.wait([item.answer for item in items], timeout=10)
    return [int(item.answer.result(0)["sum"]) for item in items]


def test_what_waits_is_taken_together_up_to_a_bound_and_by_kind(sums):
    batcher = _batcher()
    first = sums.item(1, 1)
    batcher.submit([first])
    while batcher._line:  # until the thread has it
        pass
    waiting = [sums.item(2, 2), sums.item(3), sums.item(4, 4), sums.item(5, 5), sums.item(6, 6), sums.item(7, 7)]
    batcher.submit(waiting)
    sums.free.set()
    assert _answers([first, *waiting]) == [2, 4, 3, 8, 10, 12, 14]
    batcher.close()
    assert sums.sizes == [1, 4, 1, 1]  # 2, 4, 5 and 6; then 3, of another kind; then 7
    assert batcher.calls == 4


def test_large_images_go_in_calls_of_their_own(sums):
    batcher = _batcher(most_pixels=10)
    items = [sums.item(number, pixels=size) for number, size in enumerate([99, 4, 6, 1])]
    batcher.submit(items)
    sums.free.set()
    assert _answers(items) == [0, 1, 2, 3]
    batcher.close()
    assert sums.sizes == [1, 2, 1]


def test_one_image_that_cannot_be_used_harms_none_beside_it(sums):
    batcher = _batcher()
    items = [sums.item(1), sums.item(13), sums.item(2)]
    batcher.submit(items)
    sums.free.set()
    assert _answers([items[0], items[2]]) == [1, 2]
    with pytest.raises(Refused, match="thirteen") as refused:
        items[1].answer.result(10)
    assert refused.value.status == 400
    batcher.close()


def test_a_line_that_is_full_takes_nothing_of_a_request(sums):
    batcher = _batcher(most_queued=2)
    batcher.submit([sums.item(1)])
    while batcher._line:
        pass
    batcher.submit([sums.item(2)])
    with pytest.raises(Refused, match="busy: 1 image waiting already, the limit is 2") as refused:
        batcher.submit([sums.item(3), sums.item(4)])
    assert refused.value.status == 503
    batcher.submit([sums.item(5)])
    sums.free.set()
    batcher.close()


def test_nobody_waits_for_ever_when_it_is_closed_and_nothing_is_computed_for_who_has_left(sums):
    batcher = _batcher(most=1)
    items = [sums.item(number) for number in range(3)]
    batcher.submit(items[:1])
    while batcher._line:
        pass
    batcher.submit(items[1:])
    assert items[1].answer.cancel()
    threading.Timer(0.1, sums.free.set).start()
    batcher.close()
    assert sums.sizes == [1]
    with pytest.raises(Refused, match="stopping"):
        items[2].answer.result(0)
    with pytest.raises(Refused, match="stopping"):
        batcher.submit([sums.item(1)])
