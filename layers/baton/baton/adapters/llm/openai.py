"""OpenAI's ``/chat/completions``, as OpenAI and the many servers that imitate it speak it.

Source: https://platform.openai.com/docs/api-reference/chat. Read leniently where imitators differ (content as parts,
no usage, an error inside a success) and strictly where a run would go on with nothing: no text is a named failure.

A JSON Schema goes out as ``{"type": "json_schema", "json_schema": {"name", "schema"}}``, which OpenAI, Azure, vLLM,
llama.cpp, Ollama, LM Studio and OpenRouter read alike. ``strict`` is sent only with a schema that OpenAI can hold
strictly: it refuses others with it, and vLLM and llama.cpp hold every schema that doesn't say ``"strict": false``.
``"json"`` goes out as ``{"type": "json_object"}``, which LM Studio alone refuses; give it a schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from baton.adapters.llm import writing
from baton.adapters.llm.failures import error_in, failure, failure_of
from baton.adapters.llm.finish import finish_reason
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
from baton.adapters.llm.wire import FAILURES, SUCCESSES, HttpReply, HttpRequest, encodable
from baton.adapters.llm.writing import refused
from baton.domain.errors import LlmError
from baton.domain.llm import LlmAnswer, LlmCall, LlmSettings, Refusal, ResponseFormat

PATH = "/chat/completions"
SETTINGS = ("temperature", "top_p", "max_tokens", "stop", "seed")
SCHEMA_NAME = "answer"
"""The API demands a name for a schema; the model may see it."""

FINISH_REASONS = ("stop", "length", "content_filter", "tool_calls", "function_call", "error")
STATUS_BY_CODE = {str(status): status for status in FAILURES}
"""For an error's own code, be it a number or a text."""


def refusals(settings: LlmSettings) -> Iterator[Refusal]:
    """Servers differ too much for more: what one of them lacks, it says itself."""
    return writing.option_refusals(settings)


def complete(call: LlmCall) -> LlmAnswer:
    """Ask the endpoint. Raises nothing but ``LlmError``."""
    from baton.adapters.llm.transport import send  # noqa: PLC0415 - cold start: simulated runs never import requests

    reply = send(request(call), call.timeout_seconds)
    return read(reply, call, datetime.now(UTC))


def request(call: LlmCall) -> HttpRequest:
    """The POST for this call. Raises ``LlmRefused`` for a base URL, key or option that could never be sent."""
    url = writing.url(call, call.endpoint.base_url or "", PATH)
    key = writing.api_key(call)
    settings = {name: getattr(call.settings, name) for name in SETTINGS}
    wanted = _response_format(call.settings.response_format)
    body = {"model": call.model, "messages": _messages(call), **settings, "response_format": wanted}
    return HttpRequest(
        instance_name=call.endpoint.instance_name,
        url=url,
        headers=writing.JSON_HEADERS | ({"Authorization": f"Bearer {key}"} if key else {}),
        body=writing.json_body(call, body),
    )


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
    if reply.status not in SUCCESSES:
        raise failure_of(reply, call, now)
    body = json_body(reply, call)
    if is_error(body):
        raise _error_inside(body, call)
    completion = expect(body, dict, "body", call)
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


def _first_choice(body: dict[str, Any], call: LlmCall) -> dict[str, Any]:
    choices = expect(body.get("choices"), list, "choices", call)
    if not choices:
        raise invalid(call, "with no choices")
    choice: dict[str, Any] = expect(choices[0], dict, "choices[0]", call)
    if is_error(choice):  # OpenRouter: the upstream provider failed after the 200 was sent
        raise _error_inside(choice, call)
    return choice


def _error_inside(body: object, call: LlmCall) -> LlmError:
    """An error that came with status 200: its own code is the status, if it has one."""
    status = STATUS_BY_CODE.get(str(error_in(body).get("code")))
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
