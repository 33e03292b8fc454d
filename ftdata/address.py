"""Places that are a path on this machine or an address such as `s3://bucket/folder`. Standard library only."""

import os
import re

STORES = ("s3", "gs", "https", "http")  # the schemes of addresses that can be read
_SCHEME = re.compile(r"([A-Za-z][\w+.-]*)://")


def scheme_of(place: str | None) -> str | None:
    """`s3` of `s3://bucket/folder`, in small letters; None for a path."""
    found = _SCHEME.match(place or "")
    return found[1].lower() if found else None


def whole(place: str) -> str:
    """The same place from everywhere: an absolute path, or an address without slashes at its end."""
    scheme = scheme_of(place)
    if scheme is None:
        return os.path.abspath(os.path.expanduser(place))
    return f"{scheme}://{place.partition('://')[2].rstrip('/')}"


def real(place: str) -> str:
    """As `whole`, with links followed."""
    return os.path.realpath(whole(place)) if scheme_of(place) is None else whole(place)
