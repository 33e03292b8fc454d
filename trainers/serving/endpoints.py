"""The addresses of TensorFlow Serving's REST contract, as a Starlette application."""

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import json
import traceback
from collections.abc import AsyncIterator, Mapping
from typing import Any

import starlette.requests
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route

from ftdata.decoding import headers
from ftdata.errors import UserError
from ftdata.log import log
from ftdata.names import shown
from trainers.config import ServeConfig
from trainers.serving import requests
from trainers.serving.batching import Batcher, Item
from trainers.serving.errors import Refused
from trainers.serving.saved_model import IMAGE_BYTES, ServedModel

_VERSION = "1"  # an export has no versions
_MOST_PIXELS = 4 * headers.MAX_PIXELS  # of all images of a request, decoded one after the other
_BODIES = 4  # requests of full size whose bodies are held at one time
_RETRY_AFTER_S = "1"
_OF_EXAMPLES = ("classify", "regress")  # what the contract has for models that take tf.Example records


@dataclasses.dataclass
class Counts:
    """What was answered."""

    answered: int = 0
    images: int = 0
    refused: int = 0


class Endpoints:
    """Answers requests.

    Args:
      name: of the model in addresses.
      model: that answers.
      batcher: that calls it.
      config: the bounds.
    """

    def __init__(self, name: str, model: ServedModel, batcher: Batcher, config: ServeConfig):
        self.name, self.model, self.batcher, self.config = name, model, batcher, config
        self.counts = Counts()
        self._most_bytes = int(config.max_request_mib * 2**20)
        self._held = 0  # bytes of bodies
        self._readers = concurrent.futures.ThreadPoolExecutor(2, thread_name_prefix="requests")

    def application(self) -> Starlette:
        """All addresses."""
        routes = []
        for path in ("/v1/models/{name}", "/v1/models/{name}/versions/{version}"):
            routes += [
                Route(f"{path}/metadata", self.metadata, methods=["GET"]),
                Route(f"{path}:predict", self.predict, methods=["POST"]),
                *(Route(f"{path}:{verb}", self.not_predict, methods=["GET", "POST"]) for verb in _OF_EXAMPLES),
                Route(path, self.status, methods=["GET"]),
            ]
        handlers: dict[Any, Any] = {Refused: self._refused, HTTPException: self._not_found, Exception: self._failed}
        return Starlette(routes=routes, exception_handlers=handlers)

    async def status(self, request: starlette.requests.Request) -> Response:
        """Says that the model is there."""
        self._check(request)
        ok = {"error_code": "OK", "error_message": ""}
        return _json(200, {"model_version_status": [{"version": _VERSION, "state": "AVAILABLE", "status": ok}]})

    async def metadata(self, request: starlette.requests.Request) -> Response:
        """Says what the model takes and gives."""
        self._check(request)
        spec = {"name": self.name, "signature_name": "", "version": _VERSION}
        definitions = {"signature_def": {"signature_def": self.model.signature_def}}
        return _json(200, {"model_spec": spec, "metadata": definitions})

    async def predict(self, request: starlette.requests.Request) -> Response:
        """Answers with predictions."""
        self._check(request)
        deadline = asyncio.get_running_loop().time() + self.config.request_timeout_s
        async with self._body(request, deadline) as body:
            understood, items = await self._in_thread(self._understand, body)
            del body
            self.batcher.submit(items)
            rows = await self._answers(request, items, deadline)
        content = await self._in_thread(requests.answer, understood, rows)
        self.counts.answered += 1
        self.counts.images += len(rows)
        return Response(content, media_type="application/json")

    async def not_predict(self, request: starlette.requests.Request) -> Response:
        """Says how the model is asked instead."""
        self._check(request)
        where = f"/v1/models/{self.name}:predict"
        raise Refused(400, f"this model serves :predict, for images, and no tf.Example records: POST {where}")

    def _check(self, request: starlette.requests.Request) -> None:
        name, version = request.path_params["name"], request.path_params.get("version", _VERSION)
        if request.method == "GET" and request.url.path.endswith(":predict"):
            raise HTTPException(405, headers={"Allow": "POST"})
        if name != self.name:
            raise Refused(404, f"model {shown(name)[:100]!r} is not served here, {self.name!r} is")
        if version != _VERSION:
            raise Refused(404, f"version {shown(version)[:100]!r} of {self.name!r} is not served here, 1 is")

    @contextlib.asynccontextmanager
    async def _body(self, request: starlette.requests.Request, deadline: float) -> AsyncIterator[bytes]:
        """The body, which counts as held until the block ends."""
        announced = request.headers.get("content-length", "0")
        if int(announced) > self._most_bytes:  # digits: whoever parses HTTP has looked
            raise self._too_large()
        parts, size = list[bytes](), 0
        try:
            async with asyncio.timeout_at(deadline):
                async for part in request.stream():
                    size += len(part)
                    self._held += len(part)
                    parts.append(part)
                    if size > self._most_bytes:
                        raise self._too_large()
                    if self._held > _BODIES * self._most_bytes:
                        raise Refused(503, "busy: too many large requests at one time")
            yield b"".join(parts)
        except TimeoutError:
            raise Refused(408, f"the request did not arrive in {self.config.request_timeout_s:g} s") from None
        finally:
            self._held -= size

    def _too_large(self) -> Refused:
        return Refused(413, f"too large: the limit for a request is {self.config.max_request_mib:g} MiB")

    def _understand(self, body: bytes) -> tuple[requests.Request, list[Item]]:
        """The request, and what of it is put in line."""
        found = requests.parse(body, self.model, most=self.config.max_request_images)
        items = []
        for place, inputs in enumerate(found.rows):
            try:
                items.append(Item(found.signature, inputs, _pixels(inputs)))
            except UserError as error:
                raise Refused(400, f"image {place}: {error}") from None
        pixels = sum(item.pixels for item in items)
        if pixels > _MOST_PIXELS:
            raise Refused(
                413, f"too large: the images have {pixels:,} pixels, the limit for a request is {_MOST_PIXELS:,}"
            )
        return found, items

    async def _answers(
        self, request: starlette.requests.Request, items: list[Item], deadline: float
    ) -> list[Mapping[str, Any]]:
        """The row of each image; none is computed for a client that has left or waited too long."""
        answers = asyncio.gather(*(asyncio.wrap_future(item.answer) for item in items), return_exceptions=True)
        gone = asyncio.ensure_future(_disconnected(request))
        left = deadline - asyncio.get_running_loop().time()
        await asyncio.wait((answers, gone), timeout=max(0.0, left), return_when=asyncio.FIRST_COMPLETED)
        try:
            if answers.done():
                return self._rows(answers.result())
            if gone.done():
                raise ClientDisconnect
            raise Refused(503, f"busy: no answer within {self.config.request_timeout_s:g} s")
        finally:
            gone.cancel()
            answers.cancel()

    @staticmethod
    def _rows(found: list[Any]) -> list[Mapping[str, Any]]:
        for place, row in enumerate(found):
            if isinstance(row, Refused) and row.status == 400:
                raise Refused(400, f"image {place}: {row.message}")
            if isinstance(row, BaseException):
                raise row
        return found

    async def _in_thread(self, function: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._readers, function, *arguments)

    async def _refused(self, request: starlette.requests.Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return self._error(error.status, error.message)

    async def _not_found(self, request: starlette.requests.Request, error: Exception) -> Response:
        """An address or a method that there is not."""
        assert isinstance(error, HTTPException)
        if error.status_code == 405:
            allowed = ", ".join(sorted((error.headers or {}).get("Allow", "").split(", ")))
            return self._error(405, f"{request.method} is not for this address, {allowed} is", Allow=allowed)
        where = f"/v1/models/{self.name}"
        return self._error(404, f"nothing is here: there are {where}, {where}/metadata and {where}:predict")

    async def _failed(self, request: starlette.requests.Request, error: Exception) -> Response:
        if isinstance(error, ClientDisconnect):
            return self._error(400, "gone")  # nobody reads it
        log.error("".join(traceback.format_exception(error)))
        return self._error(500, f"internal error ({type(error).__name__}): the server's log has the trace")

    def _error(self, status: int, message: str, **more: str) -> Response:
        self.counts.refused += 1
        if status == 503:
            more["Retry-After"] = _RETRY_AFTER_S
        return _json(status, {"error": message}, more)


def _json(status: int, values: Any, more: Mapping[str, str] | None = None) -> Response:
    return Response(json.dumps(values, ensure_ascii=False), status, more, media_type="application/json")


def _pixels(inputs: Mapping[str, Any]) -> int:
    """What the inputs of an image will be decoded to. Raises UserError for a file that is no image."""
    if IMAGE_BYTES in inputs:
        return headers.read(inputs[IMAGE_BYTES]).pixels
    return sum(getattr(value, "size", 0) // 3 for value in inputs.values())


async def _disconnected(request: starlette.requests.Request) -> None:
    """Returns when the client has left; the body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
