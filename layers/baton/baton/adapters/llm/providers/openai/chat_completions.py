"""``/chat/completions`` of OpenAI and of the many servers that imitate it.

Source: https://platform.openai.com/docs/api-reference/chat. Replies are read leniently where imitators differ
(content as parts, no usage, an error inside a success), but an answer without text is an error.

A JSON Schema is sent as ``{"type": "json_schema", "json_schema": {"name", "schema"}}``, which OpenAI, Azure, vLLM,
llama.cpp, Ollama, LM Studio and OpenRouter all support. ``strict`` is sent only with a schema that meets OpenAI's
conditions, since OpenAI rejects others with it; vLLM and llama.cpp enforce every schema without ``"strict": false``.
``"json"`` is sent as ``{"type": "json_object"}``, which only LM Studio rejects; use a schema there.

With a listener, the answer is streamed, with its token counts. A server that rejects the request for counts is called
again without it. Some servers that can't stream send the whole answer instead; for others, turn off the setting
``stream``.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from baton.adapters.llm.formats import model_lists, request_parts, streaming
from baton.adapters.llm.formats.answer_text import Output, answer_text
from baton.adapters.llm.formats.error_bodies import is_error, message_without_answer
from baton.adapters.llm.formats.failures import failure_in_success, failure_of
from baton.adapters.llm.formats.finish_reasons import finish_reason
from baton.adapters.llm.formats.response_parts import (
    count_of,
    expect,
    invalid,
    is_text,
    joined_text,
    json_body,
    name_of,
    type_of,
)
from baton.adapters.llm.formats.schemas import instruction, is_strict
from baton.adapters.llm.http.http_transport import PUBLIC_ONLY, HttpTransport
from baton.adapters.llm.http.server_sent_events import Event
from baton.adapters.llm.http.wire import SUCCESSES, HttpReply, HttpRequest, encodable, timed_out
from baton.adapters.llm.providers.openai import base_urls as openai_base_urls
from baton.adapters.llm.providers.openai import stream_options as openai_stream_options
from baton.adapters.llm.providers.openai.dialects import MAX_COMPLETION_TOKENS, MAX_TOKENS, Dialect, dialect_of
from baton.adapters.llm.providers.openai.stream_options import StreamOptionsRejected
from baton.adapters.llm.providers.openai.streams import (
    REASONING_FIELDS,
    TOOL_CALL_FIELDS,
    Completion,
    has_content,
    has_reasoning,
    is_first,
    message_in,
)
from baton.domain.llm.calls import AnswerListener, LlmAnswer, LlmCall
from baton.domain.llm.settings import LlmSettings, ResponseFormat, UnsupportedSetting

type Clock = Callable[[], float]

PATH = "/chat/completions"
MODELS_PATH = "/models"
SETTINGS = ("temperature", "top_p", "stop", "seed")
THE_WORD_JSON = re.compile("json", re.ASCII | re.IGNORECASE)
SCHEMA_NAME = "answer"
"""The API requires a name for a schema; the model may see it."""


def unsupported_settings(settings: LlmSettings) -> Iterator[UnsupportedSetting]:
    """Only reserved options: servers differ, and return errors for settings that they lack."""
    return request_parts.unsupported_options(settings)


def complete(
    call: LlmCall,
    listener: AnswerListener | None = None,
    transport: HttpTransport = PUBLIC_ONLY,
    clock: Clock = time.monotonic,
) -> LlmAnswer:
    """Call the endpoint; if it rejects ``stream_options``, call it again without them in the call's remaining time.
    Raises ``LlmError``, and what the listener raises."""
    began = clock()
    url = _url(call)
    streamed = listener is not None
    with_counts = streamed and _requests_counts(call, url)
    form = streaming.AnswerForm(read=partial(read, with_counts=with_counts), read_events=read_events)
    try:
        return streaming.complete_call(request(call, streamed=streamed), call, form, listener, transport)
    except StreamOptionsRejected:
        seconds_left = call.timeout_seconds - (clock() - began)
    if seconds_left <= 0:
        raise timed_out(call.endpoint.instance_name, call.timeout_seconds)
    retry = replace(call, settings=replace(call.settings, timeout_seconds=seconds_left))
    form = streaming.AnswerForm(read=read, read_events=read_events)
    again = request(retry, streamed=streamed, with_counts=False)
    answer = streaming.complete_call(again, retry, form, listener, transport)
    openai_stream_options.remember(url)
    return answer


def check(call: LlmCall, transport: HttpTransport = PUBLIC_ONLY) -> tuple[str, ...] | None:
    """The models that the endpoint offers; ``None`` if it can be called but has no list. Raises ``LlmError``, which
    suggests another base URL if the API is found there."""
    return openai_base_urls.check(call, partial(_offered_models, transport=transport))


def _offered_models(call: LlmCall, transport: HttpTransport) -> tuple[str, ...] | None:
    listing = models_request(call)
    dialect = dialect_of(listing.url)
    if dialect.models == "none":
        _ask(_without_max_tokens(model_lists.question(call, call.timeout_seconds)), transport)
        return None
    ask = partial(_ask, transport=transport)
    model_check = model_lists.ModelCheck(listing=listing, ask=ask, list_is_public=dialect.models == "public")
    return model_lists.offered_models(model_check, call, transport)


def _without_max_tokens(call: LlmCall) -> LlmCall:
    return replace(call, settings=replace(call.settings, max_tokens=None))


def _ask(question: LlmCall, transport: HttpTransport) -> None:
    """Raises ``LlmError`` for a reply without a choice. A choice without text is enough: reasoning may use up
    ``max_tokens``."""
    form = streaming.BodyForm(read=_body, accumulator=Completion)
    sent = streaming.read_body(request(question), question, form, transport)
    _first_choice(_completion(sent, question), question)


def _url(call: LlmCall) -> str:
    return request_parts.url(call, call.endpoint.base_url or "", PATH)


def request(call: LlmCall, *, streamed: bool = False, with_counts: bool = True) -> HttpRequest:
    """The POST for this call; ``with_counts`` requests the token counts of a stream where the endpoint supports it.
    Raises ``LlmRefused`` for a base URL, key or option that could never be sent."""
    url = _url(call)
    counts = with_counts and _requests_counts(call, url)
    dialect = dialect_of(url)
    settings = {name: getattr(call.settings, name) for name in SETTINGS}
    wanted = _response_format(call.settings.response_format)
    body = {"model": call.model, "messages": _messages(call), **settings, "response_format": wanted}
    return HttpRequest(
        instance_name=call.endpoint.instance_name,
        url=url,
        headers=request_parts.JSON_HEADERS | request_parts.key_header(call, dialect.key_header),
        body=request_parts.encoded_body(
            call, body | _max_tokens(call, dialect) | _stream(streamed=streamed, counts=counts)
        ),
    )


def models_request(call: LlmCall) -> HttpRequest:
    """The GET for the list of models; raises as ``request`` does."""
    url = request_parts.url(call, call.endpoint.base_url or "", MODELS_PATH, PATH)
    return HttpRequest(
        instance_name=call.endpoint.instance_name,
        url=url,
        headers={"Accept": "application/json"} | request_parts.key_header(call, dialect_of(url).key_header),
        method="GET",
    )


def _max_tokens(call: LlmCall, dialect: Dialect) -> dict[str, int | None]:
    """``max_tokens`` under the host's name for it; empty if an option of either name is set."""
    if any(name in call.settings.options for name in (MAX_TOKENS, MAX_COMPLETION_TOKENS)):
        return {}
    return {dialect.max_tokens_name: call.settings.max_tokens}


def _stream(*, streamed: bool, counts: bool) -> dict[str, Any]:
    if not streamed:
        return {}
    return {"stream": True, openai_stream_options.NAME: openai_stream_options.INCLUDE_USAGE if counts else None}


def _requests_counts(call: LlmCall, url: str) -> bool:
    """Whether the request for a stream contains Baton's own ``stream_options``."""
    are_ours = openai_stream_options.are_ours(call)
    return are_ours and dialect_of(url).requests_usage and not openai_stream_options.are_rejected_by(url)


def _response_format(wanted: ResponseFormat | None) -> dict[str, Any] | None:
    if isinstance(wanted, Mapping):
        strict = {"strict": True} if is_strict(wanted) else {}
        return {"type": "json_schema", "json_schema": {"name": SCHEMA_NAME, "schema": wanted, **strict}}
    return {"type": "json_object"} if wanted == "json" else None


def _messages(call: LlmCall) -> list[dict[str, str]]:
    system = [{"role": "system", "content": call.settings.system}] if call.settings.system is not None else []
    return [*system, {"role": "user", "content": _prompt(call)}]


def _prompt(call: LlmCall) -> str:
    """OpenAI rejects ``json_object`` unless the word JSON is in a message."""
    texts = (call.settings.system or "", call.prompt)
    if call.settings.response_format != "json" or any(map(THE_WORD_JSON.search, texts)):
        return call.prompt
    return f"{call.prompt}\n\n{instruction('json')}"


def read(reply: HttpReply, call: LlmCall, now: datetime, *, with_counts: bool = False) -> LlmAnswer:
    """The answer in a reply. Raises ``LlmError`` by status, for an error inside a success, and for anything that
    isn't a chat completion; ``now`` is for ``Retry-After`` dates. Raises ``StreamOptionsRejected`` only if the request
    was ``with_counts``."""
    if with_counts and openai_stream_options.is_rejection(reply):
        raise StreamOptionsRejected
    return _answer(_body(reply, call, now), call)


def read_events(
    events: Iterable[Event], call: LlmCall, on_finish: streaming.OnFinish = streaming.ignore
) -> streaming.TextChunks[LlmAnswer]:
    """The answer in a stream of events; yields its text as it arrives. Raises as ``read``, ``LlmUnreachable`` for a
    stream that ends before the answer does, and whatever ``events`` raises."""
    body = yield from streaming.accumulate(events, Completion(call), call, on_finish)
    return _answer(body, call)


def _body(reply: HttpReply, call: LlmCall, now: datetime) -> object:
    if reply.status not in SUCCESSES:
        raise failure_of(reply, call, now)
    return json_body(reply, call)


def _answer(body: object, call: LlmCall) -> LlmAnswer:
    completion = _completion(body, call)
    choice = _first_choice(completion, call)
    usage = completion.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    return LlmAnswer(
        content=encodable(answer_text(_output(choice, counts, call), call)),
        model=name_of(completion.get("model")) or call.model,
        prompt_tokens=count_of(counts.get("prompt_tokens")),
        completion_tokens=count_of(counts.get("completion_tokens")),
        finish_reason=finish_reason(choice.get("finish_reason")),
    )


def _completion(body: object, call: LlmCall) -> dict[str, Any]:
    if is_error(body):
        raise failure_in_success(body, call)
    completion = expect(body, dict, "body", call)
    if not completion.get("choices") and message_without_answer(completion):
        raise failure_in_success(completion, call)
    return completion


def _first_choice(completion: dict[str, Any], call: LlmCall) -> dict[str, Any]:
    choices = expect(completion.get("choices"), list, "choices", call)
    if not choices:
        raise invalid(call, "with no choices")
    choice: dict[str, Any] = expect(next(filter(is_first, choices), choices[0]), dict, "choices[0]", call)
    if is_error(choice):  # OpenRouter: the upstream provider failed after the 200 was sent
        raise failure_in_success(choice, call)
    return choice


def _output(choice: dict[str, Any], counts: dict[str, Any], call: LlmCall) -> Output:
    whole = message_in(choice)
    message = expect(choice.get("delta") if whole is None else whole, dict, "choices[0].message", call)
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    text = joined_text(parts) if isinstance(content, list) else content
    return Output(
        text="" if text is None else expect(text, str, "choices[0].message.content", call),
        reason=choice.get("finish_reason"),
        declined=has_content(message.get("refusal")) or any(type_of(part) == "refusal" for part in parts),
        reasoning=any(has_content(message.get(name)) for name in REASONING_FIELDS)
        or has_reasoning(parts)
        or _has_reasoning_tokens(counts),
        tool_calls=any(has_content(message.get(name)) for name in TOOL_CALL_FIELDS),
        other_parts=not all(map(is_text, parts)),
    )


def _has_reasoning_tokens(counts: dict[str, Any]) -> bool:
    """Whether there were reasoning tokens: OpenAI returns only their number."""
    details = counts.get("completion_tokens_details")
    return isinstance(details, dict) and bool(count_of(details.get("reasoning_tokens")))
