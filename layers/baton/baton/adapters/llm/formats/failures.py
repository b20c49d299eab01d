"""From a status and an error body to a named failure, the same for every provider that speaks HTTP.

The statuses are DESIGN §8's table. An error that comes with a success counts by its own code.
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
"""For what the first table leaves out; any other status is an answer that HTTP doesn't promise."""

OUT_OF_QUOTA = "insufficient_quota"
"""OpenAI's code for a 429 that means: nothing left to pay with."""

MAX_MESSAGE_CHARACTERS = 300
MAX_SCANNED_CHARACTERS = 1_000
ECHO_CHARACTERS = 24
"""A message that repeats so much of the prompt in one piece is quoting it."""


def failure_of(reply: HttpReply, call: LlmCall, now: datetime) -> LlmError:
    """The failure that a reply without success stands for; ``now`` is what its dates count from."""
    body = parsed(reply.body)
    return failure(call, reply.status, body, retry_after(reply.headers, now, error_in(body)))


def failure(call: LlmCall, status: int, body: object, wait: float | None = None) -> LlmError:
    """As ``failure_of``, for an error body that was read already (some providers send one with status 200)."""
    error = _failure(call, status, body, wait)
    error.status = status
    return error


def _failure(call: LlmCall, status: int, body: object, wait: float | None) -> LlmError:
    kind = FAILURE_BY_STATUS.get(status) or FAILURE_BY_HUNDRED.get(status // 100, LlmAnswerInvalid)
    sentence = _sentence(call, status, body)
    if kind is not LlmThrottled:
        return kind(sentence)
    if OUT_OF_QUOTA in _codes(body):
        return LlmRefused(sentence)
    return LlmThrottled(sentence, wait)


def failure_in_success(body: object, call: LlmCall) -> LlmError:
    """For an error that came with a success: what it says of itself stands for the status."""
    status = status_in(body)
    if status is not None:
        return failure(call, status, body)
    said = provider_message(body, call)
    what = "sent an answer that holds an error instead"
    return LlmAnswerInvalid(f"LLM instance {call.endpoint.instance_name!r} {what}{_joined(said)}")


def timed_out(instance_name: str, seconds: float) -> LlmTimeout:
    """No complete answer within the time that the call may take."""
    return LlmTimeout(f"LLM instance {instance_name!r} gave no complete answer within {seconds:g} s.")


def parsed(body: bytes) -> object:
    """The body as JSON, else as text. Broken UTF-8 is replaced, and raw control
    characters are taken: one bad byte should not cost the rest."""
    text = body.decode("utf-8-sig", "replace")
    try:
        value: object = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return text
    return value


def _sentence(call: LlmCall, status: int, body: object) -> str:
    said = provider_message(body, call)
    hint = " Redirects are not followed; check the base URL." if status in REDIRECTS else ""
    reason = HTTPStatus(status).phrase if status in HTTPStatus else ""
    return f"{_answered(call, status)}{_joined(said or reason)}{hint}"


def _answered(call: LlmCall, status: int) -> str:
    return f"LLM instance {call.endpoint.instance_name!r} answered with status {status}"


def _joined(said: str) -> str:
    ending = "" if said.endswith((".", "!", "?", "…")) else "."
    return f": {said}{ending}" if said else "."


def provider_message(body: object, call: LlmCall) -> str:
    """The provider's own words on one line, shortened, without the key and without what it quotes of the prompt."""
    text = encodable(error_message(body))
    key = (call.api_key or "").strip()
    text = " ".join((text.replace(key, "[api key]") if key else text).split())[:MAX_SCANNED_CHARACTERS]
    for own in (call.prompt, call.settings.system or ""):
        text = _without_echo(text, " ".join(own.split()))
    return text if len(text) <= MAX_MESSAGE_CHARACTERS else text[: MAX_MESSAGE_CHARACTERS - 1] + "…"


def _without_echo(text: str, own: str) -> str:
    """Cut where ``text`` begins to quote ``own``."""
    if own and len(own) < ECHO_CHARACTERS:
        quote = re.search(rf"(?<!\w){re.escape(own)}(?!\w)", text)
        return text[: quote.start()] + "…" if quote else text
    for start in range(len(text) - ECHO_CHARACTERS + 1):
        if text[start : start + ECHO_CHARACTERS] in own:
            return text[:start] + "…"
    return text


def _codes(body: object) -> tuple[object, object]:
    error = error_in(body)
    return error.get("code"), error.get("type")
