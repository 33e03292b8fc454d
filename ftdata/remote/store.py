"""The files of one store, through fsspec: what there is, and the bytes of a version of a file."""

import asyncio
import concurrent.futures
import importlib.util
import logging
import os
import urllib.parse
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from ftdata import address, extras
from ftdata.errors import UserError
from ftdata.remote import failures
from ftdata.remote.patience import Patience
from ftdata.remote.remote_file import RemoteFile

AT_ONCE = 32  # requests
EXTRAS = {"s3": "s3", "gs": "gcs", "https": "http", "http": "http"}
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "https": "aiohttp", "http": "aiohttp"}
_VERSIONS = ("ETag", "generation", "etag", "Content-MD5", "Digest", "Last-Modified", "LastModified", "updated")
_SLOWEST = 2**16  # bytes a second; a try that is slower has failed
_FOLDERS = 2 * AT_ONCE  # listed at one time

T = TypeVar("T")


def check_installed(place: str | None) -> None:
    """Does nothing where what reads an address is installed, or the place is none.

    Raises:
      UserError: the extra that is missing.
    """
    scheme = address.scheme_of(place)
    if scheme in _PACKAGES and importlib.util.find_spec(_PACKAGES[scheme]) is None:
        extra = EXTRAS[scheme]
        raise UserError(f"{place} needs the extra {extra}, which is not installed: {extras.install(extra)}")


class Store:
    """The files at addresses of one scheme.

    Args:
      url: any address of the scheme.
      timeout_s: for which a request that fails is tried again.

    Raises:
      UserError: the extra that reads it is not installed; no credentials.
    """

    def __init__(self, url: str, *, timeout_s: float):
        self.scheme = str(address.scheme_of(url))
        check_installed(url)
        self.has_listing = self.scheme in ("s3", "gs")
        self._patience = Patience(timeout_s)
        self._fs = self._tried(url, self._opened)
        self.pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE, thread_name_prefix="remote")

    def find(self, root: str) -> dict[str, RemoteFile]:
        """All files below a folder by their names relative to it, sorted; its folders are listed side by side.

        Raises:
          UserError: no such bucket, no permission, no answer; addresses of this scheme have no listing.
        """
        if not self.has_listing:
            raise UserError(f"{root} cannot be listed, as {self.scheme} has no folders")
        found, below = dict[str, RemoteFile](), len(_bare(root)) + 1
        for entries in self._entries(root):
            for entry in entries:
                name = entry["name"][below:]
                if entry["type"] == "file" and name and not name.endswith("/"):
                    found[name] = self._file(f"{self.scheme}://{entry['name']}", entry)
        return {name: found[name] for name in sorted(found)}

    def describe(self, url: str) -> RemoteFile:
        """A single file as it is now.

        Raises:
          failures.Gone: there is none.
          UserError: as `find`.
        """
        info = self._tried(url, lambda: self._run(self._fs._info(self._path(url)), self._patience.of_a_try))
        if info.get("type") != "file":
            raise failures.Gone(url)
        if info.get("size") is None:
            raise UserError(f"{url} cannot be used: the server does not say how large it is (no Content-Length)")
        return self._file(url, info)

    def content(self, file: RemoteFile, start: int = 0, end: int | None = None) -> bytes:
        """The bytes of a file, all or a part of them, of the version that was listed.

        A part that begins at 0 is the whole file where the server gives no parts.

        Raises:
          failures.Gone: it is not there any more.
          failures.Changed: it is another one by now.
          UserError: as `find`.
        """
        wanted = (file.size if end is None else end) - start
        is_part = end is not None and (start, end) != (0, file.size)

        def request() -> bytes:
            limit = self._patience.of_a_try + wanted / _SLOWEST
            got = self._run(self._get(file, start if is_part else None, end if is_part else None), limit)
            if is_part and start == 0 and len(got) == file.size:  # a server that knows no ranges
                return got
            if is_part and start > 0 and len(got) == file.size != wanted:
                raise UserError(
                    f"the server of {file.url} gives no parts of files (no Range): its shards have to fit "
                    "--remote_cache_gib as a whole"
                )
            if len(got) != wanted and self.describe(file.url) != file:
                raise failures.Changed(file.url)
            if len(got) != wanted:
                raise failures.Transient(f"{len(got):,} bytes instead of {wanted:,}")
            return got

        try:
            return self._tried(file.url, request)
        except failures.Gone:
            if self.scheme == "gs" and self.exists(file.url):  # another generation
                raise failures.Changed(file.url) from None
            raise

    def exists(self, url: str) -> bool:
        """Whether there is such a file now."""
        try:
            self.describe(url)
        except failures.Gone:
            return False
        return True

    def many(self, call: Callable[[str], T], items: Iterable[str]) -> Iterator[T]:
        """The results of a call for each item, in their order, side by side."""
        return self.pool.map(call, items)

    def _entries(self, root: str) -> Iterator[Sequence[dict[str, Any]]]:
        """What lies in the folders at the top, then all below each of the others."""
        pending = [_bare(root)]
        for _ in range(2):
            listed = list(self.many(self._folder, pending))
            yield from listed
            pending = [entry["name"] for entries in listed for entry in entries if entry["type"] == "directory"]
            if len(pending) > _FOLDERS:
                break
        yield from self.many(self._below, pending)

    def _folder(self, path: str) -> list[dict[str, Any]]:
        url = f"{self.scheme}://{path}"
        try:
            found = self._tried(url, lambda: self._run(self._fs._ls(path, detail=True), 4 * self._patience.of_a_try))
        except failures.Gone:
            return []
        return [entry for entry in found if entry["name"].rstrip("/") != path]

    def _below(self, path: str) -> list[dict[str, Any]]:
        url = f"{self.scheme}://{path}"
        found = self._tried(url, lambda: self._run(self._fs._find(path, detail=True), None))
        return list(found.values())

    async def _get(self, file: RemoteFile, start: int | None, end: int | None) -> bytes:
        path = self._path(file.url)
        if self.scheme == "s3":
            bucket, _, key = path.partition("/")
            extent = {} if end is None else {"Range": f"bytes={start}-{end - 1}"}
            match = {"IfMatch": file.version} if file.version else {}
            answer = await self._fs._call_s3("get_object", Bucket=bucket, Key=key, **extent, **match)
            async with answer["Body"] as body:
                return bytes(await body.read())
        if self.scheme == "gs":
            return bytes(await self._fs._cat_file(path, start, end, generation=file.version or None))
        headers = {**self._fs.kwargs.get("headers", {}), "Accept-Encoding": "identity", **_condition(file.version)}
        got = bytes(await self._fs._cat_file(path, start, end, headers=headers))
        if not _is_strong(file.version) and self._file(file.url, await self._fs._info(path)) != file:
            raise failures.Changed(file.url)
        return got

    def _opened(self) -> Any:
        """The file system, with the settings that fsspec takes from the environment and its files."""
        import fsspec

        options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
        quiet = self._patience.of_a_try
        if self.scheme == "s3":
            times = {"connect_timeout": quiet, "read_timeout": quiet, "max_pool_connections": AT_ONCE}
            options["config_kwargs"] = {**times, "retries": {"max_attempts": 0}}
        elif self.scheme != "gs":
            import aiohttp

            times = aiohttp.ClientTimeout(total=None, sock_connect=quiet, sock_read=quiet)
            options |= {"client_kwargs": {"timeout": times, "trust_env": True}, "encoded": True}
        os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # which asks for more rights than reading
        logging.getLogger("gcsfs").setLevel(logging.CRITICAL)  # which prints the traces of what it raises
        made = fsspec.filesystem(self.scheme, **options)
        made.retries = 1  # of s3fs; the patience is ours
        return made

    def _tried(self, url: str, request: Callable[[], T]) -> T:
        def judged() -> T:
            try:
                return request()
            except (failures.Transient, failures.Changed, UserError):
                raise
            except Exception as error:
                raise failures.judged(error, url) from error

        return self._patience(url, judged)

    def _run(self, request: Awaitable[T], limit_s: float | None) -> T:
        from fsspec import asyn

        async def limited() -> T:
            return await asyncio.wait_for(request, limit_s)

        result: T = asyn.sync(self._fs.loop, limited)
        return result

    def _path(self, url: str) -> str:
        return _bare(url) if self.has_listing else url

    def _file(self, url: str, entry: dict[str, Any]) -> RemoteFile:
        version = next((str(entry[name]) for name in _VERSIONS if entry.get(name)), "")
        return RemoteFile(url, int(entry["size"] or 0), version)


def under(root: str, name: str) -> str:
    """The address of a file by its name relative to a folder; of http with the characters that it needs escaped."""
    is_http = address.scheme_of(root) in ("http", "https")
    return f"{root}/{urllib.parse.quote(name) if is_http else name}"


def _bare(url: str) -> str:
    return url.partition("://")[2].rstrip("/")


def _is_strong(version: str) -> bool:
    return version.startswith('"')


def _condition(version: str) -> dict[str, str]:
    """What asks a server for this version or an error."""
    return {"If-Match": version} if _is_strong(version) else {}
