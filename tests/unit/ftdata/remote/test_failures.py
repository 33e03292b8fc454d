"""Errors as the libraries raise them, whose classes are told by name: they need not be installed."""

import pytest

from ftdata.errors import UserError
from ftdata.remote.failures import Changed, Gone, Transient, judged

_URL = "s3://bucket/a.jpg"


def _of(module, name, text="", **attributes):
    """An error of a class that a library has."""
    error = type(name, (Exception,), {"__module__": module})(text)
    for attribute, value in attributes.items():
        setattr(error, attribute, value)
    return error


def _caused(error, cause):
    error.__cause__ = cause
    return error


def _boto(status, code):
    response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return _of("botocore.exceptions", "ClientError", f"An error occurred ({code})", response=response)


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (_caused(OSError(16, "slow"), _boto(503, "SlowDown")), Transient, "HTTP 503 Service Unavailable"),
        (_caused(OSError(22, "x"), _boto(412, "PreconditionFailed")), Changed, _URL),
        (_caused(FileNotFoundError("x"), _boto(404, "NoSuchKey")), Gone, _URL),
        (_caused(FileNotFoundError("x"), _boto(404, "NoSuchBucket")), UserError, "there is no bucket bucket"),
        (_caused(PermissionError("x"), _boto(403, "AccessDenied")), UserError, "must not be read with these"),
        (_of("botocore.exceptions", "NoCredentialsError", "no"), UserError, "no credentials for s3://bucket"),
        (_caused(FileNotFoundError("x"), _of("aiohttp", "ClientResponseError", status=500)), Transient, "HTTP 500"),
        (_of("aiohttp", "ClientPayloadError", "x", code=400), Transient, "the connection was cut"),
        (_of("gcsfs.retry", "HttpError", "x", code=429), Transient, "HTTP 429 Too Many Requests"),
        (OSError("Forbidden: https://host/a"), UserError, "must not be read with these credentials"),
        (TimeoutError(), Transient, "no answer in time"),
        (ConnectionRefusedError(111, "Connection refused"), Transient, "Connection refused"),
        (FileNotFoundError("x"), Gone, _URL),
        (_caused(OSError("x"), _boto(400, "ExpiredToken")), UserError, r"HTTP 400 \(An error occurred \(ExpiredToken"),
    ],
)
def test_an_error_is_told_by_its_status_and_class(error, kind, said):
    found = judged(error, _URL)
    assert type(found) is kind
    with pytest.raises(kind, match=said):
        raise found


def test_a_bug_stays_one():
    with pytest.raises(KeyError):
        judged(KeyError("x"), _URL)
