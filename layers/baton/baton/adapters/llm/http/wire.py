"""What a provider hands to the one POST, and what it gets back. Knows no HTTP library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

SUCCESSES = range(200, 300)
REDIRECTS = range(300, 400)
FAILURES = range(300, 600)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One POST; or a GET, which has no body. Headers stay out of ``repr``: they hold the key.

    ``instance_name`` is for the sentences of failures.
    """

    instance_name: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    method: Literal["GET", "POST"] = "POST"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpReply:
    """Any status, redirects too. Header names are in lower case; the body of a failure may be cut."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


def encodable(text: str) -> str:
    r"""The same text with U+FFFD for each lone surrogate, which JSON allows (``"\ud800"``) and UTF-8 does not."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
