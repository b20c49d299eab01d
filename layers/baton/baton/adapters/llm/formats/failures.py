"""``LlmError`` from a status and an error body, the same for every provider over HTTP.

The statuses are those of docs/design.md. An error in a success is classified by its own code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus

from baton.adapters.llm.formats.error_bodies import error_in, error_message, status_in
from baton.adapters.llm.http.rate_limit_headers import retry_after
from baton.adapters.llm.http.wire import REDIRECTS, HttpReply, encodable
from baton.domain.errors import LlmAnswerInvalid, LlmError, LlmRefused, LlmServerError, LlmThrottled, LlmTimeout
from baton.domain.llm.calls import LlmCall

FAILURE_BY_STATUS: Mapping[int, type[LlmError]] = {
    408: LlmTimeout,
    429: LlmThrottled,
    503: LlmThrottled,
    529: LlmThrottled,
}
FAILURE_BY_HUNDRED: Mapping[int, type[LlmError]] = {3: LlmRefused, 4: LlmRefused, 5: LlmServerError}
"""For statuses that the first table doesn't contain; any other status is invalid HTTP."""

OUT_OF_QUOTA = "insufficient_quota"
"""OpenAI's code for a 429 because of missing credit: waiting doesn't help."""

MAX_MESSAGE_CHARACTERS = 300
MAX_SCANNED_CHARACTERS = 1_000
ECHO_CHARACTERS = 24
"""A message with this many consecutive characters of the prompt is quoting it."""


def failure_of(reply: HttpReply, call: LlmCall, now: datetime) -> LlmError:
    """The failure of a reply without success; ``now`` is for dates in its headers."""
    body = parsed(reply.body)
    return failure(call, reply.status, body, retry_after(reply.headers, now, error_in(body)))


def failure(call: LlmCall, status: int, body: object, wait: float | None = None) -> LlmError:
    """As ``failure_of``, for an error body that is parsed already (some providers send one with status 200)."""
    error = _failure(call, status, body, wait)
    error.status = status
    return error


def _failure(call: LlmCall, status: int, body: object, wait: float | None) -> LlmError:
    kind = FAILURE_BY_STATUS.get(status) or FAILURE_BY_HUNDRED.get(status // 100, LlmAnswerInvalid)
    detail = _detail(call, status, body)
    if kind is not LlmThrottled:
        return kind(detail)
    if OUT_OF_QUOTA in _codes(body):
        return LlmRefused(detail)
    return LlmThrottled(detail, wait)


def failure_in_success(body: object, call: LlmCall) -> LlmError:
    """The failure of an error with a success status; its own codes take the place of the status."""
    status = status_in(body)
    if status is not None:
        return failure(call, status, body)
    message = provider_message(body, call)
    what = "sent an answer that contains an error instead"
    return LlmAnswerInvalid(f"LLM instance {call.endpoint.instance_name!r} {what}{_suffix(message)}")


def parsed(body: bytes) -> object:
    """The body as JSON, else as text. Invalid UTF-8 is replaced and raw control characters are accepted, so that one
    bad byte doesn't lose the rest."""
    text = body.decode("utf-8-sig", "replace")
    try:
        value: object = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return text
    return value


def _detail(call: LlmCall, status: int, body: object) -> str:
    message = provider_message(body, call)
    hint = " Redirects are not followed; check the base URL." if status in REDIRECTS else ""
    reason = HTTPStatus(status).phrase if status in HTTPStatus else ""
    return (
        f"LLM instance {call.endpoint.instance_name!r} answered with status {status}{_suffix(message or reason)}{hint}"
    )


def _suffix(message: str) -> str:
    ending = "" if message.endswith((".", "!", "?", "…")) else "."
    return f": {message}{ending}" if message else "."


def provider_message(body: object, call: LlmCall) -> str:
    """The provider's own message on one line, shortened, without the key and without quotes from the prompt."""
    text = encodable(error_message(body))
    key = (call.api_key or "").strip()
    text = " ".join((text.replace(key, "[api key]") if key else text).split())[:MAX_SCANNED_CHARACTERS]
    for prompt in (call.prompt, call.settings.system or ""):
        text = _without_quote(text, " ".join(prompt.split()))
    return text if len(text) <= MAX_MESSAGE_CHARACTERS else text[: MAX_MESSAGE_CHARACTERS - 1] + "…"


def _without_quote(text: str, prompt: str) -> str:
    """``text`` up to where it begins to quote ``prompt``."""
    if prompt and len(prompt) < ECHO_CHARACTERS:
        quote = re.search(rf"(?<!\w){re.escape(prompt)}(?!\w)", text)
        return text[: quote.start()] + "…" if quote else text
    for start in range(len(text) - ECHO_CHARACTERS + 1):
        if text[start : start + ECHO_CHARACTERS] in prompt:
            return text[:start] + "…"
    return text


def _codes(body: object) -> tuple[object, object]:
    error = error_in(body)
    return error.get("code"), error.get("type")
