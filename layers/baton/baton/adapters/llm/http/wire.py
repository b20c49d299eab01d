"""HTTP requests and replies as plain values, independent of any HTTP library."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from baton.domain.errors import LlmTimeout

SUCCESSES = range(200, 300)
REDIRECTS = range(300, 400)
FAILURES = range(300, 600)

SURROGATE = re.compile("[\ud800-\udfff]")
"""A half of a pair; Python's strings have none, unless JSON contained one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A POST, or a GET without a body. Headers are not in ``repr``, since they contain the key.

    ``instance_name`` is for error texts.
    """

    instance_name: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    method: Literal["GET", "POST"] = "POST"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpReply:
    """A reply with any status, redirects included. Header names are in lower case; the body of a failure may be cut."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


def encodable(text: str) -> str:
    r"""The same text with U+FFFD for each lone surrogate, which JSON allows (``"\ud800"``) and UTF-8 does not."""
    if not SURROGATE.search(text):
        return text  # no copies of a long answer
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def timed_out(instance_name: str, seconds: float) -> LlmTimeout:
    """The failure of a call without a complete answer within its timeout."""
    return LlmTimeout(f"LLM instance {instance_name!r} sent no complete answer within {seconds:g} s.")
