"""One .tar.gz archive: its identity, its download and its safe extraction. Standard library only.

The extraction stays own, because `tarfile` with filter="data" repairs where this refuses: it writes an absolute name
below the folder, makes links that stay inside, lets a second member of a name replace the first, and takes `..\\` for a
name, which it is not on Windows.
"""

import gzip
import hashlib
import http.client
import logging
import shutil
import tarfile
import time
import urllib.error
import urllib.request
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath

from ftdata.errors import UserError

ATTEMPTS = 3
FIRST_DELAY_S = 1.0  # doubled after every failed attempt
TIMEOUT_S = 20.0  # for each wait on the network, not for the whole download
MAX_MEMBERS = 20_000  # the real archive: about 4,700 files, twice that with macOS's ._ twins
MAX_BYTES = 256 * 2**20  # the real archive: about 22 MB, packed or not, as JPEGs do not shrink
_CHUNK = 2**18
_TRANSIENT_STATUS = (408, 429)  # besides 5xx; any other status gives the same answer next time


def blob_id(path: Path) -> str:
    """Return the git blob id of a file: 40 hex digits, the same as `git hash-object` prints.

    It is the SHA-1 over b"blob <size>", a zero byte and the content; the file is read in pieces.
    """
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def check_blob_id(path: Path, *, expected: str, origin: str) -> None:
    """Compare a file with the git blob id it should have; `origin` says where it came from.

    Raises:
        UserError: it differs; names the origin, the size and both ids.
    """
    if (found := blob_id(path)) != expected:
        raise UserError(
            f"{origin} is damaged or another file: its git blob id is {found}, expected {expected} "
            f"({path.stat().st_size} bytes came)."
        )


def download(url: str, *, target: Path, expected_id: str) -> None:
    """Fetch a file; `target` appears only once it is whole and has the expected git blob id.

    Refused connections, timeouts, early ends and busy servers are tried `ATTEMPTS` times in all.

    Raises:
        ConnectionError: the file could not be fetched; names the URL and the last reason.
        UserError: it came whole but with another blob id (names both), or is beyond `MAX_BYTES`.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
    try:
        _fetch_with_retries(url, part=part)
        check_blob_id(part, expected=expected_id, origin=f"What {url} sent")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _fetch_with_retries(url: str, *, part: Path) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _fetch(url, part=part)
        except (OSError, http.client.HTTPException) as error:
            if not _is_transient(error) or attempt == ATTEMPTS:
                raise ConnectionError(f"Could not download {url} (attempt {attempt}): {error}.") from error
            delay_s = FIRST_DELAY_S * 2 ** (attempt - 1)
            logging.getLogger(__name__).warning("%s: %s; again in %g s", url, error, delay_s)
            time.sleep(delay_s)


def _is_transient(error: Exception) -> bool:
    if isinstance(error, urllib.error.HTTPError):
        error.close()  # it holds the connection; newer Pythons warn if nobody closes it
        return error.code >= 500 or error.code in _TRANSIENT_STATUS
    return True


def _fetch(url: str, *, part: Path) -> None:
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response, part.open("wb") as file:
        promised = response.headers.get("Content-Length")
        while chunk := response.read(_CHUNK):
            file.write(chunk)
            if file.tell() > MAX_BYTES:
                raise UserError(f"{url} sends more than {MAX_BYTES} bytes: not the archive.")
        if promised is not None and file.tell() != int(promised):
            raise ConnectionError(f"it ended after {file.tell()} of {promised} bytes")


def extract(path: Path, *, folder: Path) -> None:
    """Unpack a .tar.gz into `folder`, which must not exist yet and appears whole or not at all.

    Two passes: every member is judged before the first byte is written. With regular files and folders
    only, in a folder made here, there is no link that could be followed; modes, owners and times stay in
    the archive.

    Raises:
        UserError: no readable .tar.gz; a member that is absolute, climbs out by `..`, stands twice, is
            a link, a device or anything else but a file or folder; more than `MAX_MEMBERS` members or
            `MAX_BYTES` bytes. The message names the member.
        FileExistsError: `folder` exists, or another process made it meanwhile.
    """
    if folder.exists():
        raise FileExistsError(f"{folder} exists: an archive is unpacked into a new folder only.")
    staging = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.part")
    try:
        with _open(path) as tar:
            for _ in _checked_members(tar):
                pass
        staging.mkdir(parents=True)
        with _open(path) as tar:
            for member in _checked_members(tar):
                _write(tar, member=member, folder=staging)
        _rename_folder(staging, folder=folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _rename_folder(staging: Path, *, folder: Path) -> None:
    try:
        staging.rename(folder)
    except OSError as error:  # the number differs between systems
        if folder.exists():
            raise FileExistsError(f"{folder} was made by another process meanwhile.") from error
        raise


class _Bounded:
    """A reader that stops a gzip bomb, also one hidden in headers, which tarfile reads whole."""

    def __init__(self, file: gzip.GzipFile, *, limit: int):
        self._file, self._left, self._limit = file, limit, limit

    def read(self, size: int) -> bytes:
        chunk = self._file.read(size)
        self._left -= len(chunk)
        if self._left < 0:
            raise UserError(f"The archive unpacks to more than {self._limit} bytes: refused as a bomb.")
        return chunk


@contextmanager
def _open(path: Path) -> Iterator[tarfile.TarFile]:
    limit = MAX_BYTES + MAX_MEMBERS * 2048  # each member adds a header and padding, some two headers
    try:
        with (
            gzip.open(path) as unzipped,
            tarfile.open(fileobj=_Bounded(unzipped, limit=limit), mode="r|") as tar,  # type: ignore[call-overload]
        ):
            yield tar
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path} is not a readable .tar.gz: {error}.") from error


def _checked_members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    total = 0
    for count, member in enumerate(tar, start=1):
        total += member.size
        if count > MAX_MEMBERS:
            raise UserError(f"The archive has more than {MAX_MEMBERS} members, the next is {member.name!r}.")
        if total > MAX_BYTES:
            raise UserError(f"The archive unpacks to more than {MAX_BYTES} bytes, at {member.name!r}.")
        _check_member(member)
        yield member


def _check_member(member: tarfile.TarInfo) -> None:
    name = PureWindowsPath(member.name)  # knows both separators and drives
    if name.drive or name.root or ".." in name.parts or "\0" in member.name:
        raise UserError(f"The archive's member {member.name!r} would leave the folder: refused.")
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE):
        raise UserError(f"The archive's member {member.name!r} is neither a file nor a folder: refused.")


def _write(tar: tarfile.TarFile, *, member: tarfile.TarInfo, folder: Path) -> None:
    target = folder / member.name
    try:
        (target if member.isdir() else target.parent).mkdir(parents=True, exist_ok=True)
        if source := tar.extractfile(member):  # None for a folder
            with source, target.open("xb") as file:
                shutil.copyfileobj(source, file)
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"The archive's member {member.name!r} stands twice: refused.") from error
