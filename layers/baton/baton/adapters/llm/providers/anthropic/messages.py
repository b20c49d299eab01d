"""Anthropic's Messages API.

Source: https://platform.claude.com/docs/en/api/messages.

A JSON Schema with supported keywords is sent as ``output_config.format``, which the API enforces (Claude 4.5 and
later; its objects are closed first, since the API accepts no others). Any other schema, and ``"json"``, is written into
the system prompt. Either way the answer is validated.

With a listener, the answer is streamed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from baton.adapters.llm.formats import model_lists, request_parts, streaming
from baton.adapters.llm.formats.answer_text import Output, answer_text
from baton.adapters.llm.formats.error_bodies import is_error, message_without_answer
from baton.adapters.llm.formats.failures import failure_in_success, failure_of
from baton.adapters.llm.formats.finish_reasons import LENGTH, finish_reason
from baton.adapters.llm.formats.response_parts import (
    count_of,
    expect,
    is_text,
    joined_text,
    json_body,
    name_of,
    type_of,
)
from baton.adapters.llm.formats.schemas import closed, instruction, is_plain
from baton.adapters.llm.http.http_transport import PUBLIC_ONLY, HttpTransport
from baton.adapters.llm.http.server_sent_events import Event
from baton.adapters.llm.http.wire import SUCCESSES, HttpReply, HttpRequest, encodable
from baton.adapters.llm.providers.anthropic.streams import Message
from baton.domain.llm.calls import AnswerListener, LlmAnswer, LlmCall
from baton.domain.llm.settings import LlmSettings, UnsupportedSetting

BASE_URL = "https://api.anthropic.com"
"""The default base URL."""

PATH = "/v1/messages"
MODELS_PATH = "/v1/models"
KEY_HEADER = "x-api-key"
VERSION = "2023-06-01"
DEFAULT_MAX_TOKENS = 4096
"""The API requires ``max_tokens``; this is the highest value that every model accepts."""

MAX_TEMPERATURE = 1
INPUT_COUNTS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
"""The first excludes the tokens that were written to and read from the prompt cache."""


def unsupported_settings(settings: LlmSettings) -> Iterator[UnsupportedSetting]:
    """Settings that no Anthropic model supports. For those that only some models lack, the API returns an error."""
    if settings.seed is not None:
        yield UnsupportedSetting("seed", "is not supported by anthropic")
    if settings.temperature is not None and settings.temperature > MAX_TEMPERATURE:
        yield UnsupportedSetting("temperature", "must be between 0 and 1 for anthropic")
    if any(not text.strip() for text in settings.stop or ()):
        yield UnsupportedSetting("stop", "anthropic rejects sequences of only spaces and line breaks")
    yield from request_parts.unsupported_options(settings)


def complete(
    call: LlmCall, listener: AnswerListener | None = None, transport: HttpTransport = PUBLIC_ONLY
) -> LlmAnswer:
    """Call the endpoint. Raises ``LlmError``, and what the listener raises."""
    form = streaming.AnswerForm(read=read, read_events=read_events)
    return streaming.complete_call(request(call, streamed=listener is not None), call, form, listener, transport)


def check(call: LlmCall, transport: HttpTransport = PUBLIC_ONLY) -> tuple[str, ...] | None:
    """The models that the endpoint offers; ``None`` if it can be called but has no list, as some gateways have none.
    Raises ``LlmError``."""
    model_check = model_lists.ModelCheck(listing=models_request(call), ask=partial(_ask, transport=transport))
    return model_lists.offered_models(model_check, call, transport)


def _ask(question: LlmCall, transport: HttpTransport) -> None:
    """Raises ``LlmError`` for a reply that is no answer; reasoning that uses up ``max_tokens`` counts as one."""
    form = streaming.BodyForm(read=_body, accumulator=Message)
    sent = streaming.read_body(request(question), question, form, transport)
    output = _output(_message(sent, question), question)
    if not output.reasoning and finish_reason(output.reason) != LENGTH:
        answer_text(output, question)


def request(call: LlmCall, *, streamed: bool = False) -> HttpRequest:
    """The POST for this call. Raises ``LlmRefused`` for a base URL, key or option that could never be sent."""
    settings = call.settings
    body = {
        "model": call.model,
        "max_tokens": DEFAULT_MAX_TOKENS if settings.max_tokens is None else settings.max_tokens,
        "system": _system(settings),
        "messages": [{"role": "user", "content": call.prompt}],
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "stop_sequences": settings.stop,
        "output_config": _output_config(settings),
        "stream": streamed or None,
    }
    return HttpRequest(
        instance_name=call.endpoint.instance_name,
        url=request_parts.url(call, call.endpoint.base_url or BASE_URL, PATH, MODELS_PATH, "/v1"),
        headers=request_parts.JSON_HEADERS | _headers(call),
        body=request_parts.encoded_body(call, body),
    )


def models_request(call: LlmCall) -> HttpRequest:
    """The GET for the list of models, on one page; raises as ``request`` does."""
    parts = urlsplit(request_parts.url(call, call.endpoint.base_url or BASE_URL, MODELS_PATH, PATH, "/v1"))
    query = "&".join(filter(None, (parts.query, f"limit={model_lists.MAX_MODELS}")))
    return HttpRequest(
        instance_name=call.endpoint.instance_name,
        url=parts._replace(query=query).geturl(),
        headers={"Accept": "application/json"} | _headers(call),
        method="GET",
    )


def _headers(call: LlmCall) -> dict[str, str]:
    return {"anthropic-version": VERSION} | request_parts.key_header(call, KEY_HEADER)


def _output_config(settings: LlmSettings) -> dict[str, Any] | None:
    """The API's own field for the schema; not if an option of the same name replaces it."""
    wanted = settings.response_format
    if isinstance(wanted, Mapping) and is_plain(wanted) and "output_config" not in settings.options:
        return {"format": {"type": "json_schema", "schema": closed(wanted)}}
    return None


def _system(settings: LlmSettings) -> str | None:
    """The system prompt, with the response format where the API has no field for it; ``None`` if empty."""
    wanted = settings.response_format
    instructed = wanted not in (None, "text") and _output_config(settings) is None
    parts = [settings.system, instruction(wanted) if instructed and wanted is not None else None]
    return "\n\n".join(part for part in parts if part) or None


def read(reply: HttpReply, call: LlmCall, now: datetime) -> LlmAnswer:
    """The answer in a reply. Raises ``LlmError`` by status, for an error inside a success, and for anything that
    isn't a message; ``now`` is for ``Retry-After`` dates."""
    return _answer(_body(reply, call, now), call)


def read_events(
    events: Iterable[Event], call: LlmCall, on_finish: streaming.OnFinish = streaming.ignore
) -> streaming.TextChunks[LlmAnswer]:
    """The answer in a stream of events; yields its text as it arrives. Raises as ``read``, ``LlmUnreachable`` for a
    stream that ends before the answer does, and whatever ``events`` raises."""
    body = yield from streaming.accumulate(events, Message(call), call, on_finish)
    return _answer(body, call)


def _body(reply: HttpReply, call: LlmCall, now: datetime) -> object:
    if reply.status not in SUCCESSES:
        raise failure_of(reply, call, now)
    return json_body(reply, call)


def _message(body: object, call: LlmCall) -> dict[str, Any]:
    if is_error(body):
        raise failure_in_success(body, call)
    message: dict[str, Any] = expect(body, dict, "body", call)
    if not message.get("content") and message_without_answer(message):
        raise failure_in_success(message, call)
    return message


def _answer(body: object, call: LlmCall) -> LlmAnswer:
    message = _message(body, call)
    usage = message.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    return LlmAnswer(
        content=encodable(answer_text(_output(message, call), call)),
        model=name_of(message.get("model")) or call.model,
        prompt_tokens=_prompt_tokens(counts),
        completion_tokens=count_of(counts.get("output_tokens")),
        finish_reason=finish_reason(message.get("stop_reason")),
    )


def _output(message: dict[str, Any], call: LlmCall) -> Output:
    """The joined text blocks, and which other blocks the message has."""
    blocks = expect(message.get("content"), list, "content", call)
    kinds = [type_of(block) for block in blocks]
    return Output(
        text=joined_text(blocks) or "",
        reason=message.get("stop_reason"),
        reasoning=any("thinking" in kind for kind in kinds),
        tool_calls=any("tool" in kind for kind in kinds),
        other_parts=not all(map(is_text, blocks)),
    )


def _prompt_tokens(counts: dict[str, Any]) -> int | None:
    known = [count for count in (count_of(counts.get(name)) for name in INPUT_COUNTS) if count is not None]
    return sum(known) if known else None
