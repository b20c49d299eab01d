"""OpenAI's ``/chat/completions``, as OpenAI and the many servers that imitate it speak it.

Source: https://platform.openai.com/docs/api-reference/chat. Read leniently where imitators differ (content as parts,
no usage, an error inside a success) and strictly where a run would go on with nothing: no text is a named failure.

A JSON Schema goes out as ``{"type": "json_schema", "json_schema": {"name", "schema"}}``, which OpenAI, Azure, vLLM,
llama.cpp, Ollama, LM Studio and OpenRouter read alike. ``strict`` is sent only with a schema that OpenAI can hold
strictly: it refuses others with it, and vLLM and llama.cpp hold every schema that doesn't say ``"strict": false``.
``"json"`` goes out as ``{"type": "json_object"}``, which LM Studio alone refuses; give it a schema.

An answer that somebody listens to is asked for as a stream, with its counts of tokens. A server that can't, says so, or
answers as a whole all the same; for one that refuses there is the setting ``stream``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from baton.adapters.llm import checks, streaming, writing
from baton.adapters.llm.failures import error_in, failure, failure_of
from baton.adapters.llm.finish_reasons import finish_reason
from baton.adapters.llm.openai_dialects import MAX_COMPLETION_TOKENS, MAX_TOKENS, Dialect, dialect_of
from baton.adapters.llm.openai_streams import Completion
from baton.adapters.llm.reading import (
    count_of,
    expect,
    invalid,
    is_error,
    joined_text,
    json_body,
    name_of,
    unknown_error,
)
from baton.adapters.llm.schemas import instruction, is_strict
from baton.adapters.llm.server_sent_events import Event
from baton.adapters.llm.wire import FAILURES, SUCCESSES, HttpReply, HttpRequest, encodable
from baton.adapters.llm.writing import refused
from baton.domain.errors import LlmError
from baton.domain.llm import LlmAnswer, LlmCall, LlmSettings, Refusal, ResponseFormat

PATH = "/chat/completions"
MODELS_PATH = "/models"
SETTINGS = ("temperature", "top_p", "stop", "seed")
SCHEMA_NAME = "answer"
"""The API demands a name for a schema; the model may see it."""

FINISH_REASONS = ("stop", "length", "content_filter", "tool_calls", "function_call", "error")
STATUS_BY_CODE = {str(status): status for status in FAILURES}
"""For an error's own code, be it a number or a text."""

STATUS_BY_NAME: Mapping[str, int] = {
    "invalid_request_error": 400,
    "context_length_exceeded": 400,
    "content_filter": 400,
    "invalid_api_key": 401,
    "authentication_error": 401,
    "permission_error": 403,
    "model_not_found": 404,
    "not_found_error": 404,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "insufficient_quota": 429,
    "server_error": 500,
    "api_error": 500,
    "overloaded_error": 503,
    "unavailable_error": 503,
}
"""For an error without a number: its code, else its type. OpenAI's own are so once a stream has begun."""


def refusals(settings: LlmSettings) -> Iterator[Refusal]:
    """Servers differ too much for more: what one of them lacks, it says itself."""
    return writing.option_refusals(settings)


def complete(call: LlmCall) -> LlmAnswer:
    """Ask the endpoint. Raises ``LlmError``, and what the call's listener raises."""
    return streaming.ask(request(call), call, read, read_events)


def check(call: LlmCall) -> tuple[str, ...] | None:
    """The models that the endpoint offers; ``None`` if it can be called but has no list. Raises ``LlmError``."""
    listing = models_request(call)
    dialect = dialect_of(listing.url)
    if dialect.models == "none":
        _prove(_unbounded(checks.question(call, call.timeout_seconds)))
        return None
    return checks.models_offered(listing, call, _prove, list_is_public=dialect.models == "public")


def _unbounded(call: LlmCall) -> LlmCall:
    return replace(call, settings=replace(call.settings, max_tokens=None))


def _prove(question: LlmCall) -> None:
    """That there is a choice is enough: a model that thinks may use up the question's bound without a word."""
    from baton.adapters.llm.transport import send  # noqa: PLC0415 - cold start: only a check needs it here

    reply = send(request(question), question.timeout_seconds)
    _first_choice(_completion(_body(reply, question, datetime.now(UTC)), question), question)


def request(call: LlmCall) -> HttpRequest:
    """The POST for this call. Raises ``LlmRefused`` for a base URL, key or option that could never be sent."""
    url = writing.url(call, call.endpoint.base_url or "", PATH)
    dialect = dialect_of(url)
    settings = {name: getattr(call.settings, name) for name in SETTINGS}
    wanted = _response_format(call.settings.response_format)
    body = {"model": call.model, "messages": _messages(call), **settings, "response_format": wanted}
    return HttpRequest(
        instance_name=call.endpoint.instance_name,
        url=url,
        headers=writing.JSON_HEADERS | writing.key_header(call, dialect.key_header),
        body=writing.json_body(call, body | _bound(call, dialect) | _stream(call, dialect)),
    )


def models_request(call: LlmCall) -> HttpRequest:
    """The GET for the list of models; raises as ``request`` does."""
    url = writing.url(call, call.endpoint.base_url or "", MODELS_PATH, PATH)
    return HttpRequest(
        instance_name=call.endpoint.instance_name,
        url=url,
        headers={"Accept": "application/json"} | writing.key_header(call, dialect_of(url).key_header),
        method="GET",
    )


def _bound(call: LlmCall, dialect: Dialect) -> dict[str, int | None]:
    """By the name that the host knows; an option of either name is its user's own word."""
    if any(name in call.settings.options for name in (MAX_TOKENS, MAX_COMPLETION_TOKENS)):
        return {}
    return {dialect.bound: call.settings.max_tokens}


def _stream(call: LlmCall, dialect: Dialect) -> dict[str, Any]:
    if streaming.listener_of(call) is None:
        return {}
    return {"stream": True, "stream_options": {"include_usage": True} if dialect.asks_for_usage else None}


def _response_format(wanted: ResponseFormat | None) -> dict[str, Any] | None:
    if isinstance(wanted, Mapping):
        strict = {"strict": True} if is_strict(wanted) else {}
        return {"type": "json_schema", "json_schema": {"name": SCHEMA_NAME, "schema": wanted, **strict}}
    return {"type": "json_object"} if wanted == "json" else None


def _messages(call: LlmCall) -> list[dict[str, str]]:
    system = [{"role": "system", "content": call.settings.system}] if call.settings.system is not None else []
    return [*system, {"role": "user", "content": _prompt(call)}]


def _prompt(call: LlmCall) -> str:
    """OpenAI refuses ``json_object`` unless the word JSON is said somewhere."""
    said = f"{call.settings.system} {call.prompt}".lower()
    if call.settings.response_format != "json" or "json" in said:
        return call.prompt
    return f"{call.prompt}\n\n{instruction('json')}"


def read(reply: HttpReply, call: LlmCall, now: datetime) -> LlmAnswer:
    """The answer in a reply. Raises ``LlmError`` by status, for an error inside a success, and for anything that
    isn't a chat completion; ``now`` is what a ``Retry-After`` date counts from."""
    return _answer(_body(reply, call, now), call)


def read_events(events: Iterable[Event], call: LlmCall) -> streaming.Pieces[LlmAnswer]:
    """The same answer, or the same failure, out of a stream of chunks; yields its text as it comes. Raises
    ``LlmUnreachable`` besides, for a stream that ends before its answer does, and whatever ``events`` raises."""
    body = yield from streaming.accumulate(events, Completion(call), call)
    return _answer(body, call)


def _body(reply: HttpReply, call: LlmCall, now: datetime) -> object:
    if reply.status not in SUCCESSES:
        raise failure_of(reply, call, now)
    return json_body(reply, call)


def _answer(body: object, call: LlmCall) -> LlmAnswer:
    completion = _completion(body, call)
    choice = _first_choice(completion, call)
    message = expect(choice.get("message"), dict, "choices[0].message", call)
    usage = completion.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    return LlmAnswer(
        content=encodable(_content(message, choice, call)),
        model=name_of(completion.get("model")) or call.model,
        prompt_tokens=count_of(counts.get("prompt_tokens")),
        completion_tokens=count_of(counts.get("completion_tokens")),
        finish_reason=finish_reason(choice.get("finish_reason")),
    )


def _completion(body: object, call: LlmCall) -> dict[str, Any]:
    if is_error(body):
        raise _error_inside(body, call)
    return expect(body, dict, "body", call)


def _first_choice(completion: dict[str, Any], call: LlmCall) -> dict[str, Any]:
    choices = expect(completion.get("choices"), list, "choices", call)
    if not choices:
        raise invalid(call, "with no choices")
    choice: dict[str, Any] = expect(choices[0], dict, "choices[0]", call)
    if is_error(choice):  # OpenRouter: the upstream provider failed after the 200 was sent
        raise _error_inside(choice, call)
    return choice


def _error_inside(body: object, call: LlmCall) -> LlmError:
    """An error that came with status 200: what it says of itself stands for the status."""
    error = error_in(body)
    code, kind = str(error.get("code")), str(error.get("type"))
    status = STATUS_BY_CODE.get(code) or STATUS_BY_NAME.get(code) or STATUS_BY_NAME.get(kind)
    return failure(call, status, body) if status is not None else unknown_error(body, call)


def _content(message: dict[str, Any], choice: dict[str, Any], call: LlmCall) -> str:
    if message.get("refusal"):
        raise refused(call, "answered that the model declines this request (refusal)")
    content = message.get("content")
    if isinstance(content, list):
        content = joined_text(content)
    reason = choice.get("finish_reason")
    if not content and reason == "content_filter":
        raise refused(call, "answered that its content filter stopped this request")
    if content is None and reason in FINISH_REASONS:
        raise invalid(call, f"without text in choices[0].message.content (finish_reason {reason})")
    return expect(content, str, "choices[0].message.content", call)
