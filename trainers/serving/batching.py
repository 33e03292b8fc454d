"""Images of all requests in one line, and calls of the model with as many of them as wait.

What arrives while the model works is taken together in its next call, so nobody waits for a batch to fill. One thread
calls the model, which uses all cores.
"""

import collections
import dataclasses
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
import tensorflow as tf

from ftdata.decoding.errors import decode_error
from ftdata.names import counted
from trainers.serving.errors import Refused
from trainers.serving.saved_model import IMAGE_BYTES, Signature

Row = dict[str, np.ndarray]  # the outputs for one image by name


@dataclasses.dataclass(frozen=True)
class Item:
    """An image that waits.

    Attributes:
      signature: it is for.
      inputs: of it by name, bytes or an array.
      pixels: that it will be decoded to.
      answer: gets its row, or Refused.
    """

    signature: Signature
    inputs: Mapping[str, Any]
    pixels: int
    answer: "Future[Row]" = dataclasses.field(default_factory=Future)

    @property
    def kind(self) -> tuple[Any, ...]:
        """Items of a kind fit into one call."""
        return (self.signature.name, *(np.shape(value) for value in self.inputs.values()))


class Batcher:
    """The line, and the thread that calls the model. To be closed.

    Args:
      examine: says of files of images what is wrong with each, or None.
      most: images in a call.
      most_pixels: in a call, unless one image alone has more.
      most_queued: images that may wait.
    """

    def __init__(
        self,
        examine: Callable[[Sequence[bytes]], Sequence[str | None]],
        *,
        most: int,
        most_pixels: int,
        most_queued: int,
    ):
        self._examine, self._most, self._most_pixels, self._most_queued = examine, most, most_pixels, most_queued
        self._line: collections.deque[Item] = collections.deque()
        self._changed = threading.Condition()
        self._closed = False
        self.calls = 0
        self._thread = threading.Thread(target=self._work, name="batching", daemon=True)
        self._thread.start()

    def submit(self, items: Sequence[Item]) -> None:
        """Puts the images of a request in line, all or none.

        Raises:
          Refused: there is no room for them.
        """
        with self._changed:
            if self._closed:
                raise Refused(503, "the server is stopping")
            waiting = len(self._line)
            if waiting + len(items) > self._most_queued:
                raise Refused(
                    503, f"busy: {counted(waiting, 'image')} waiting already, the limit is {self._most_queued:,}"
                )
            self._line.extend(items)
            self._changed.notify()

    def close(self) -> None:
        """Ends the thread after its call; what still waits is refused."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()
        for item in self._line:
            if item.answer.set_running_or_notify_cancel():
                item.answer.set_exception(Refused(503, "the server is stopping"))

    def _work(self) -> None:
        while items := self._take():
            items = [item for item in items if item.answer.set_running_or_notify_cancel()]
            try:
                self._answer(items)
            except BaseException as error:  # whatever it is, the next images are to be answered
                for item in items:
                    if not item.answer.done():
                        item.answer.set_exception(error)

    def _take(self) -> list[Item]:
        """The first that waits and those that go with it; none once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._line or self._closed)
            if self._closed:
                return []
            taken, pixels, rest = list[Item](), 0, collections.deque[Item]()
            for item in self._line:
                fits = not taken or (
                    len(taken) < self._most and item.kind == taken[0].kind and pixels + item.pixels <= self._most_pixels
                )
                (taken if fits else rest).append(item)
                pixels += item.pixels if fits else 0
            self._line = rest
            return taken

    def _answer(self, items: Sequence[Item]) -> None:
        items = self._without_bad(items)
        if not items:
            return
        try:
            self._call(items)
        except tf.errors.InvalidArgumentError as error:  # one that the examination has passed
            if len(items) == 1:
                items[0].answer.set_exception(Refused(400, decode_error(error)))
            else:
                for item in items:
                    self._answer([item])

    def _without_bad(self, items: Sequence[Item]) -> Sequence[Item]:
        """The items without those whose files cannot be used, which are told so."""
        if not items or IMAGE_BYTES not in items[0].inputs:
            return items
        reasons = self._examine([item.inputs[IMAGE_BYTES] for item in items])
        for item, reason in zip(items, reasons, strict=True):
            if reason is not None:
                item.answer.set_exception(Refused(400, reason))
        return [item for item, reason in zip(items, reasons, strict=True) if reason is None]

    def _call(self, items: Sequence[Item]) -> None:
        signature = items[0].signature
        inputs = {
            name: [item.inputs[name] for item in items]
            if spec.dtype == tf.string
            else np.stack([item.inputs[name] for item in items])
            for name, spec in signature.inputs.items()
        }
        found = signature(inputs)
        self.calls += 1
        for place, item in enumerate(items):
            item.answer.set_result({name: values[place] for name, values in found.items()})
