"""``stream_options``, which asks for the counts of a streamed answer, and the servers that refuse it.

Servers that hold their requests strictly (FastAPI models with ``extra="forbid"``, older vLLM, TGI, Mistral) answer 400
or 422 and name it. Which ones did is remembered for the life of the process.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from baton.adapters.llm.formats.failures import parsed
from baton.adapters.llm.http.wire import HttpReply
from baton.domain.llm.calls import LlmCall

NAME = "stream_options"
ASKED = {"include_usage": True}
STATUSES = (400, 422)
NAMED = re.compile(r"stream[\s_-]*options|include[\s_-]*usage", re.IGNORECASE)
ECHOES = ("input", "body", "request", "ctx")
"""Names under which a server repeats what it was sent."""

MAX_REMEMBERED = 1_000
_refusing: dict[str, None] = {}
"""The URLs, without their queries, that have refused it, the latest last."""


class StreamOptionsRejected(Exception):
    """The endpoint refuses a call for its ``stream_options``; asked again without them, it may answer."""


def is_rejection(reply: HttpReply) -> bool:
    """Whether a reply refuses it by name."""
    return reply.status in STATUSES and any(NAMED.search(text) for text in _texts(parsed(reply.body)))


def are_ours(call: LlmCall) -> bool:
    """Whether they are not an option of the user's own, which is sent as it is."""
    return NAME not in call.settings.options


def are_rejected_by(url: str) -> bool:
    """Whether this endpoint has refused it before."""
    return _place(url) in _refusing


def remember(url: str) -> None:
    """That this endpoint answers without it."""
    _refusing[_place(url)] = None
    while len(_refusing) > MAX_REMEMBERED:
        del _refusing[next(iter(_refusing))]


def forget() -> None:
    """All of it."""
    _refusing.clear()


def _place(url: str) -> str:
    return urlsplit(url)._replace(query="", fragment="").geturl()


def _texts(body: object) -> Iterator[str]:
    """All names and texts, however deep, but for what only repeats the request."""
    left = [body]
    while left:
        part = left.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, list):
            left += part
        elif isinstance(part, dict):
            said = {name: inner for name, inner in part.items() if name not in ECHOES}
            left += [*said, *said.values()]
