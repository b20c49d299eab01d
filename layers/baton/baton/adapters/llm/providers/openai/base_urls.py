"""Suggests another base URL if the API is not at the instance's own: usually ``/v1`` is missing.

Ollama, vLLM, LM Studio and most vendors have the API below ``/v1``; a base URL without it is a common mistake.
The error only suggests the other URL: an instance never calls another one than its own.
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

NO_API_STATUSES = (*REDIRECTS, 404, 405)
"""Statuses of a host without the API at this path."""

API_STATUSES = (400, 401, 403, 422, 429)
"""Statuses that prove that the API is at this path, although it rejects the key, the model or the call."""

VERSION = "/v1"
PATH = "/chat/completions"
"""Accepted at the end of a base URL, and removed."""

ENDPOINT = re.compile(r"/(?:completions|chat|generate|messages|responses)$")
"""Other paths that users paste along with a base URL."""

NATIVE = "/api"
"""Ollama has an API of its own there; OpenRouter has ``/v1`` below it."""

HAS_VERSION = re.compile(r"/v\d")


def check(call: LlmCall, offered: Callable[[LlmCall], Models], clock: Callable[[], float] = time.monotonic) -> Models:
    """The models offered at the base URL. If the API isn't there, other URLs are tried within the call's timeout, and
    the error suggests the one that works."""
    began = clock()
    try:
        return offered(call)
    except LlmError as error:
        if error.status not in NO_API_STATUSES and not isinstance(error, LlmAnswerInvalid):
            raise
        for base_url in _alternatives(call.endpoint.base_url or ""):
            seconds_left = call.timeout_seconds - (clock() - began)
            if seconds_left <= 0:
                break
            if (status := _status_phrase(_with_base_url(call, base_url, seconds_left), offered)) is not None:
                shown = _shown(base_url)
                raise LlmRefused(f"{error} The API answers at {shown}{status}: set base_url to {shown}.") from None
        raise


def _status_phrase(call: LlmCall, offered: Callable[[LlmCall], Models]) -> str | None:
    """The status with which the API rejects the call at this base URL, as a phrase; ``""`` if it accepts the call.

    ``None`` if the API is not at this URL.
    """
    try:
        offered(call)
    except LlmError as error:
        return f" (with status {error.status})" if error.status in API_STATUSES else None
    return ""


def _alternatives(base_url: str) -> Iterator[str]:
    parts = urlsplit(base_url.strip())
    original = parts.path.rstrip("/").removesuffix(PATH)
    path = ENDPOINT.sub("", original)
    if HAS_VERSION.search(path):
        if path != original:
            yield parts._replace(path=path).geturl()
        return
    yield parts._replace(path=path + VERSION).geturl()
    if path.endswith(NATIVE):
        yield parts._replace(path=path.removesuffix(NATIVE) + VERSION).geturl()


def _with_base_url(call: LlmCall, base_url: str, seconds: float) -> LlmCall:
    return replace(
        call,
        endpoint=replace(call.endpoint, base_url=base_url),
        settings=replace(call.settings, timeout_seconds=seconds),
    )


def _shown(base_url: str) -> str:
    """The URL to show in an error: without user and query, either of which may contain a key."""
    parts = urlsplit(base_url)
    shown = SplitResult(parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "").geturl()
    return f"{shown} (with the same query)" if parts.query else shown
