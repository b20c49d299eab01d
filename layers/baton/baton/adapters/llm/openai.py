"""OpenAI's ``/chat/completions``, as OpenAI and the many servers that imitate it speak it.

Source: https://platform.openai.com/docs/api-reference/chat. Read leniently where imitators differ (content as parts,
no usage, an error inside a success) and strictly where a run would go on with nothing: no text is a named failure.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from baton.adapters.llm.failures import error_in, failure, failure_of, parsed, provider_message
from baton.adapters.llm.wire import FAILURES, SUCCESSES, HttpReply, HttpRequest, encodable
from baton.domain.errors import LlmAnswerInvalid, LlmError, LlmRefused
from baton.domain.llm import LlmAnswer, LlmCall

PATH = "/chat/completions"
SETTINGS = ("temperature", "top_p", "max_tokens", "stop", "seed")
OURS = ("model", "messages", "stream")
"""Body keys that no option may set: the first two are the call itself, and a streamed answer couldn't be read."""

FINISH_REASONS = ("stop", "length", "content_filter", "tool_calls", "function_call", "error")
STATUS_BY_CODE = {str(status): status for status in FAILURES}
"""For an error's own code, be it a number or a text."""

MAX_NAME_CHARACTERS = 200
MAX_TOKENS = 10**12
"""Beyond this a count is nonsense, and would not fit where it is stored."""


def complete(call: LlmCall) -> LlmAnswer:
    """Ask the endpoint. Raises nothing but ``LlmError``."""
    from baton.adapters.llm.transport import post  # noqa: PLC0415 - cold start: simulated runs never import requests

    reply = post(request(call), call.timeout_seconds)
    return read(reply, call, datetime.now(UTC))


def request(call: LlmCall) -> HttpRequest:
    """The POST for this call. Raises ``LlmRefused`` for a base URL, key or option that could never be sent."""
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    return HttpRequest(
        instance_name=call.endpoint.instance_name,
        url=_url(call),
        headers=headers | _authorization(call),
        body=_body(call),
    )


def _url(call: LlmCall) -> str:
    """The base URL with the path joined on; its query stays (Azure's ``?api-version=``)."""
    try:
        parts = urlsplit((call.endpoint.base_url or "").strip())
    except ValueError:
        raise _refused(call, "has a base URL that can't be read") from None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise _refused(call, "needs a base URL that begins with http:// or https://")
    path = parts.path.rstrip("/").removesuffix(PATH) + PATH
    return parts._replace(path=path, fragment="").geturl()


def _authorization(call: LlmCall) -> dict[str, str]:
    key = (call.api_key or "").strip()
    if not (key.isascii() and key.isprintable()):
        raise _refused(call, "has an API key with a character that no header can carry")
    return {"Authorization": f"Bearer {key}"} if key else {}


def _body(call: LlmCall) -> bytes:
    """UTF-8 without escapes, which keeps prompts of other scripts short. A setting left open is not sent."""
    for name in OURS:
        if name in call.settings.options:
            raise _refused(call, f"can't be given the option {name!r}: Baton sets it")
    said = {name: getattr(call.settings, name) for name in SETTINGS}
    settings = {name: value for name, value in said.items() if value is not None}
    body = {"model": call.model, "messages": _messages(call), **settings, **call.settings.options}
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
    except (TypeError, ValueError, RecursionError):
        raise _refused(call, "has a setting or option that can't be written as JSON") from None


def _messages(call: LlmCall) -> list[dict[str, str]]:
    system = [{"role": "system", "content": call.settings.system}] if call.settings.system is not None else []
    return [*system, {"role": "user", "content": call.prompt}]


def read(reply: HttpReply, call: LlmCall, now: datetime) -> LlmAnswer:
    """The answer in a reply. Raises ``LlmError`` by status, for an error inside a success, and for anything that
    isn't a chat completion; ``now`` is what a ``Retry-After`` date counts from."""
    if reply.status not in SUCCESSES:
        raise failure_of(reply, call, now)
    body = _object(reply, call)
    choice = _first_choice(body, call)
    message = _expect(choice.get("message"), dict, "choices[0].message", call)
    usage = body.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    return LlmAnswer(
        content=encodable(_content(message, choice, call)),
        model=_name(body.get("model")) or call.model,
        prompt_tokens=_count(counts.get("prompt_tokens")),
        completion_tokens=_count(counts.get("completion_tokens")),
        finish_reason=_name(choice.get("finish_reason")),
    )


def _object(reply: HttpReply, call: LlmCall) -> dict[str, Any]:
    body = parsed(reply.body)
    if isinstance(body, str):
        what = "that is a web page" if body.lstrip().startswith("<") else "that isn't JSON"
        raise _invalid(call, f"{what}; check the base URL")
    if error_in(body):
        raise _error_inside(body, call)
    return _expect(body, dict, "body", call)


def _first_choice(body: dict[str, Any], call: LlmCall) -> dict[str, Any]:
    choices = _expect(body.get("choices"), list, "choices", call)
    if not choices:
        raise _invalid(call, "with no choices")
    choice = _expect(choices[0], dict, "choices[0]", call)
    if error_in(choice):  # OpenRouter: the upstream provider failed after the 200 was sent
        raise _error_inside(choice, call)
    return choice


def _error_inside(body: object, call: LlmCall) -> LlmError:
    """An error that came with status 200: its own code is the status, if it has one."""
    status = STATUS_BY_CODE.get(str(error_in(body).get("code")))
    if status is not None:
        return failure(call, status, body)
    said = provider_message(body, call)
    return _invalid(call, "that holds an error instead" + (f": {said.rstrip('.')}" if said else ""))


def _content(message: dict[str, Any], choice: dict[str, Any], call: LlmCall) -> str:
    if message.get("refusal"):
        raise _refused(call, "answered that the model declines this request (refusal)")
    content = message.get("content")
    if isinstance(content, list):
        content = _joined_parts(content)
    reason = choice.get("finish_reason")
    if not content and reason == "content_filter":
        raise _refused(call, "answered that its content filter stopped this request")
    if content is None and reason in FINISH_REASONS:
        raise _invalid(call, f"without text in choices[0].message.content (finish_reason {reason})")
    return _expect(content, str, "choices[0].message.content", call)


def _joined_parts(parts: list[Any]) -> str | None:
    """The text parts, joined; a part of another type (``thinking``) is not the answer."""
    texts = [part.get("text") for part in parts if isinstance(part, dict) and part.get("type") == "text"]
    said = [text for text in texts if isinstance(text, str)]
    return "".join(said) if said else None


def _expect[T](value: object, kind: type[T], path: str, call: LlmCall) -> T:
    """The value, if it is of this kind; else a failure that names the place and the kinds, never the value."""
    if value is None:
        raise _invalid(call, f"without {path}")
    if not isinstance(value, kind):
        raise _invalid(call, f"whose {path} is of type {type(value).__name__}, not {kind.__name__}")
    return value


def _count(value: object) -> int | None:
    """A count of tokens, or None: an answer that was paid for is not thrown away over its bookkeeping."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_TOKENS else None


def _name(value: object) -> str | None:
    return encodable(value)[:MAX_NAME_CHARACTERS] if isinstance(value, str) else None


def _refused(call: LlmCall, what: str) -> LlmRefused:
    return LlmRefused(f"LLM instance {call.endpoint.instance_name!r} {what}.")


def _invalid(call: LlmCall, what: str) -> LlmAnswerInvalid:
    return LlmAnswerInvalid(f"LLM instance {call.endpoint.instance_name!r} sent an answer {what}.")
