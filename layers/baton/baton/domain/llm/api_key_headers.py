"""Headers that may contain an instance's API key."""

from __future__ import annotations

import re

HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A token, RFC 9110, 5.6.2."""

RESERVED_HEADERS = frozenset(
    {
        "accept",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""These define the framing and the target of a request: a chosen value in one of them could forge another request."""


def header_name_error(name: str) -> str | None:
    """Why a header of this name can't contain a key, to follow the name in a detail; ``None`` if it can."""
    if not HEADER_NAME.fullmatch(name):
        return "is not a valid header name"
    return "is a header that HTTP itself uses" if name.lower() in RESERVED_HEADERS else None
