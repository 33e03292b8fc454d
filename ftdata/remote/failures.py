"""What the libraries that read a store raise, by what is to be done about it: try again, or say what is wrong.

Each library has errors of its own, and wraps those of others. So they are told by the status of HTTP and the names of
classes that are found in an error or in what has caused it, without importing any of the libraries.
"""

import asyncio
import http
import os
from collections.abc import Iterator

from ftdata.errors import UserError

_AGAIN = frozenset((408, 425, 429))  # and 500 and above
_CHANGED = frozenset((409, 412))
_NO_CREDENTIALS = frozenset(
    ("NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError", "ProfileNotFound", "NoAuthTokenError")
)
_CUT = frozenset(
    ("ClientPayloadError", "TransferEncodingError", "ContentLengthError", "IncompleteRead", "IncompleteReadError")
)
_LIBRARIES = ("aiohttp", "botocore", "aiobotocore", "requests", "urllib3", "google", "gcsfs", "s3fs", "fsspec")
_NO_BUCKET = ("NoSuchBucket", "The specified bucket does not exist")
_AUTHORITIES = {"s3": "AWS_CA_BUNDLE"}
_HTTP = """set FSSPEC_HTTP='{"headers": {"Authorization": "..."}}' where a server asks for that"""
_HINTS = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; for a public bucket FSSPEC_S3_ANON=true",
    "gs": "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS; for a public bucket "
    "FSSPEC_GS_TOKEN=anon",
    "https": _HTTP,
    "http": _HTTP,
}


class Transient(Exception):
    """What may go away if it is tried again; the text says what it was, in a few words."""


class Gone(Exception):
    """There is no such file, or not any more."""


class Changed(Exception):
    """The file is another one than was asked for."""


def judged(error: BaseException, url: str) -> Exception:
    """What an error means: Transient, Gone, Changed or a UserError with the way out.

    Args:
      error: as a library raised it.
      url: what was asked for.
    """
    chain = list(_chain(error))
    status = next((code for code in map(_status, chain) if code), None)
    text, scheme = _said(chain), url.partition(":")[0]
    bucket = url.partition("://")[2].partition("/")[0]
    if any(type(cause).__name__ in _NO_CREDENTIALS for cause in chain):
        return UserError(f"no credentials for {scheme}://{bucket} ({text}): {_HINTS[scheme]}")
    if any(word in text for word in _NO_BUCKET) and scheme in ("s3", "gs"):
        return UserError(f"there is no bucket {bucket} ({url}): check its name, and the endpoint if it is your own")
    if status in (401, 403) or (status is None and (_is(chain, PermissionError) or text.startswith("Forbidden"))):
        return UserError(f"{url} must not be read with these credentials ({text}): {_HINTS[scheme]}")
    if status in _CHANGED or _is(chain, FileExistsError):
        return Changed(url)
    if status in (404, 410):
        return Gone(url)
    if status is not None and (status in _AGAIN or status >= 500):
        return Transient(f"HTTP {status} {_phrase(status)}".strip())
    if status is not None:
        return UserError(f"{url} cannot be read: HTTP {status} ({text})")
    return _without_status(chain, url, text)


def _without_status(chain: list[BaseException], url: str, text: str) -> Exception:
    if _is(chain, (asyncio.TimeoutError, TimeoutError)) or any("Timeout" in type(cause).__name__ for cause in chain):
        return Transient("no answer in time")
    if any(type(cause).__name__ in _CUT for cause in chain):
        return Transient("the connection was cut")
    if (of_tls := _of_tls(" ".join(map(str, chain)), url.partition(":")[0])) is not None:
        return UserError(f"{url} cannot be read: {text}{of_tls}")
    from_library = any(type(cause).__module__.partition(".")[0] in _LIBRARIES for cause in chain)
    if _is(chain, FileNotFoundError) and not from_library:
        return Gone(url)
    if from_library or _is(chain, (OSError, EOFError)):
        return Transient(text or type(chain[-1]).__name__)
    raise chain[0]


def _of_tls(said: str, scheme: str) -> str | None:
    """The way out where a server is not trusted or speaks no TLS, None where it is something else."""
    variable = _AUTHORITIES.get(scheme, "SSL_CERT_FILE")
    named = os.environ.get(variable)
    if named and not os.path.exists(named) and ("CERTIFICATE_VERIFY_FAILED" in said or "[Errno 2]" in said):
        return f": {variable}={named} does not exist"
    if "CERTIFICATE_VERIFY_FAILED" in said:
        is_of_others = any(word in said for word in ("self-signed", "self signed", "unable to get"))
        return f": set {variable} to the file of the authority that has signed it, if you trust it" * is_of_others
    if "WRONG_VERSION_NUMBER" in said:
        return ": there is a server that speaks no TLS: its addresses begin with http://"
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _is(chain: list[BaseException], kinds: type | tuple[type, ...]) -> bool:
    return any(isinstance(cause, kinds) for cause in chain)


def _status(error: BaseException) -> int | None:
    """The status of HTTP that an error holds, as aiohttp, botocore, gcsfs or requests keep it."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        of_google = type(error).__module__.partition(".")[0] in ("gcsfs", "google")
        found = getattr(error, "code", None) if of_google else getattr(error, "status", None)
        found = found or getattr(response, "status_code", None)
    return int(found) if str(found).isdecimal() and 400 <= int(found) < 600 else None


def _said(chain: list[BaseException]) -> str:
    """One line of what the innermost error says; its name where it says nothing."""
    texts = [str(cause).strip().partition("\n")[0] for cause in chain]
    return next((text[:160] for text in reversed(texts) if text), type(chain[-1]).__name__)


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return ""
