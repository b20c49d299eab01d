"""``stream_options``, which requests the token counts of a streamed answer, and the servers that reject it.

Strict servers (FastAPI models with ``extra="forbid"``, older vLLM, TGI, Mistral) answer 400 or 422 and name the field.
The URLs that did are remembered for the life of the process.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from baton.adapters.llm.formats.failures import parsed
from baton.adapters.llm.http.wire import HttpReply
from baton.domain.llm.calls import LlmCall

NAME = "stream_options"
INCLUDE_USAGE = {"include_usage": True}
STATUSES = (400, 422)
NAMED = re.compile(r"stream[\s_-]*options|include[\s_-]*usage", re.IGNORECASE)
ECHOES = ("input", "body", "request", "ctx")
"""Names of fields in which a server repeats the request."""

MAX_REMEMBERED = 1_000
_rejecting: dict[str, None] = {}
"""The URLs, without queries, that have rejected it; the latest last."""


class StreamOptionsRejected(Exception):
    """The endpoint rejected a call because of its ``stream_options``; a call without them may work."""


def is_rejection(reply: HttpReply) -> bool:
    """Whether a reply rejects ``stream_options`` by name."""
    return reply.status in STATUSES and any(NAMED.search(text) for text in _texts(parsed(reply.body)))


def are_ours(call: LlmCall) -> bool:
    """Whether Baton sets ``stream_options``: an option of this name in the call's settings is sent unchanged."""
    return NAME not in call.settings.options


def are_rejected_by(url: str) -> bool:
    """Whether this endpoint has rejected ``stream_options`` before."""
    return _without_query(url) in _rejecting


def remember(url: str) -> None:
    """Remember that this endpoint rejects ``stream_options`` and answers without them."""
    _rejecting[_without_query(url)] = None
    while len(_rejecting) > MAX_REMEMBERED:
        del _rejecting[next(iter(_rejecting))]


def forget() -> None:
    """Forget all endpoints; for tests."""
    _rejecting.clear()


def _without_query(url: str) -> str:
    return urlsplit(url)._replace(query="", fragment="").geturl()


def _texts(body: object) -> Iterator[str]:
    """All names and texts at any depth, without fields that repeat the request."""
    parts = [body]
    while parts:
        part = parts.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, list):
            parts += part
        elif isinstance(part, dict):
            fields = {name: inner for name, inner in part.items() if name not in ECHOES}
            parts += [*fields, *fields.values()]
