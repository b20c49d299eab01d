"""Checks of an endpoint by its list of models, for every provider that has one over HTTP.

The list costs nothing and needs no model. Where there is none, one short question is sent instead; an answer proves
that the host, the key and the model are valid.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice

from baton.adapters.llm.formats.failures import failure_of, parsed
from baton.adapters.llm.formats.response_parts import name_of
from baton.adapters.llm.http.http_transport import HttpTransport
from baton.adapters.llm.http.wire import SUCCESSES, HttpReply, HttpRequest, timed_out
from baton.domain.llm.calls import LlmCall

type Clock = Callable[[], float]
"""Seconds, monotonic."""

QUESTION = "Answer with the word yes, and nothing else."
MAX_QUESTION_TOKENS = 16
MAX_MODELS = 1_000

NO_LIST = (401, 403, 404, 405, 501)
"""Statuses of an endpoint that doesn't list its models, or not for this key: OpenAI answers 401 to a key without the
scope for it. If the key is invalid, the question shows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCheck:
    """How an endpoint is checked: the request for its list of models, and how a question is asked. The list of a
    public endpoint (``list_is_public``) doesn't prove that the key is valid."""

    listing: HttpRequest
    ask: Callable[[LlmCall], object]
    list_is_public: bool = False


def offered_models(
    check: ModelCheck, call: LlmCall, transport: HttpTransport, clock: Clock = time.monotonic
) -> tuple[str, ...] | None:
    """The models in the list; ``None`` if there is no list, but the question was answered. Both end within the call's
    timeout. Raises ``LlmError``."""
    began = clock()
    reply = transport.send(check.listing, call.timeout_seconds)
    if reply.status not in SUCCESSES and reply.status not in NO_LIST:
        raise failure_of(reply, call, datetime.now(UTC))
    models = models_in(reply) if reply.status in SUCCESSES else None
    if models is None or check.list_is_public:
        check.ask(question(call, call.timeout_seconds - (clock() - began)))
    return models


def models_in(reply: HttpReply) -> tuple[str, ...] | None:
    """The names in a list of models; ``None`` if it isn't one."""
    body = parsed(reply.body)
    entries = body.get("data") if isinstance(body, dict) else body
    if not isinstance(entries, list):
        return None
    names = (name_of(entry.get("id")) for entry in entries if isinstance(entry, dict))
    models = tuple(islice(filter(None, names), MAX_MODELS))
    return models if models or not entries else None


def question(call: LlmCall, seconds: float) -> LlmCall:
    """The call with a short question and cheap settings; raises ``LlmTimeout`` if no time is left."""
    if seconds <= 0:
        raise timed_out(call.endpoint.instance_name, call.timeout_seconds)
    settings = replace(
        call.settings, max_tokens=MAX_QUESTION_TOKENS, stop=None, response_format=None, timeout_seconds=seconds
    )
    return replace(call, prompt=QUESTION, settings=settings)
