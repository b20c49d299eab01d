"""Headers that may carry an instance's API key."""

from __future__ import annotations

import re

HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A token, RFC 9110, 5.6.2."""

HEADERS_OF_HTTP = frozenset(
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
"""These say where a request ends and whom it is for: with a key of one's own choice in them, it could be another's."""


def objection_to(name: str) -> str | None:
    """Why a key can't stand in a header of this name, to be said after the name."""
    if not HEADER_NAME.fullmatch(name):
        return "is no name of a header"
    return "is a header that a request needs for itself" if name.lower() in HEADERS_OF_HTTP else None
