"""Where the API lies, when it isn't at the base URL that was given: below ``/v1``, as a rule.

Ollama, vLLM, LM Studio and most vendors have it there, and a base URL without it is the commonest mistake. It is only
said, never done: an instance calls what it was told to call.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from urllib.parse import SplitResult, urlsplit

from baton.adapters.llm.http.wire import REDIRECTS
from baton.domain.errors import LlmAnswerInvalid, LlmError, LlmRefused
from baton.domain.llm.calls import LlmCall

type Models = tuple[str, ...] | None

ELSEWHERE = (*REDIRECTS, 404, 405)
"""Statuses of a host at which the API isn't at this path."""

THERE = (400, 401, 403, 422, 429)
"""Statuses of an API that is there, but not for this key, model or moment."""

VERSION = "/v1"
PATH = "/chat/completions"
"""At the end of a base URL it is known, and left out."""

ENDPOINT = re.compile(r"/(?:completions|chat|generate|messages|responses)$")
"""What else is pasted along with a base URL."""

NATIVE = "/api"
"""Where Ollama has an API of its own; OpenRouter has the ``/v1`` below it."""

HAS_VERSION = re.compile(r"/v\d")


def check(call: LlmCall, offered: Callable[[LlmCall], Models], clock: Callable[[], float] = time.monotonic) -> Models:
    """What is offered at the base URL. Where that is no API, other places are tried, all within the call's time-out;
    the failure names the one that is."""
    began = clock()
    try:
        return offered(call)
    except LlmError as error:
        if error.status not in ELSEWHERE and not isinstance(error, LlmAnswerInvalid):
            raise
        for base_url in _others(call.endpoint.base_url or ""):
            left = call.timeout_seconds - (clock() - began)
            if left > 0 and (found := _found(_moved(call, base_url, left), offered)) is not None:
                place = _shown(base_url)
                raise LlmRefused(f"{error} It answers at {place}{found}: set base_url to {place}.") from None
        raise


def _found(call: LlmCall, offered: Callable[[LlmCall], Models]) -> str | None:
    """How it answers there, to stand after the place; ``None`` if it doesn't."""
    try:
        offered(call)
    except LlmError as error:
        return f" (with status {error.status})" if error.status in THERE else None
    return ""


def _others(base_url: str) -> Iterator[str]:
    parts = urlsplit(base_url.strip())
    given = parts.path.rstrip("/").removesuffix(PATH)
    path = ENDPOINT.sub("", given)
    if HAS_VERSION.search(path):
        if path != given:
            yield parts._replace(path=path).geturl()
        return
    yield parts._replace(path=path + VERSION).geturl()
    if path.endswith(NATIVE):
        yield parts._replace(path=path.removesuffix(NATIVE) + VERSION).geturl()


def _moved(call: LlmCall, base_url: str, seconds: float) -> LlmCall:
    return replace(
        call,
        endpoint=replace(call.endpoint, base_url=base_url),
        settings=replace(call.settings, timeout_seconds=seconds),
    )


def _shown(base_url: str) -> str:
    """Without a user or a query, either of which may hold a key."""
    parts = urlsplit(base_url)
    shown = SplitResult(parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "").geturl()
    return f"{shown} (with the same query)" if parts.query else shown
