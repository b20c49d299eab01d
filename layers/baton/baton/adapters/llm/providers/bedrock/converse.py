"""Amazon Bedrock's Converse API, the same for every text model of Bedrock.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html.

A call is made in the function's own region and with its role, so an instance has no base URL, and no
key is used. JSON and JSON Schemas are written into the system prompt: the API's own field for schemas works for some
models only, and Lambda's boto3 may not support it.

With a listener, the answer is streamed through ConverseStream.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from baton.adapters.llm.formats import request_parts, streaming
from baton.adapters.llm.formats.answer_text import Output, answer_text
from baton.adapters.llm.formats.error_bodies import error_in, is_error
from baton.adapters.llm.formats.finish_reasons import finish_reason
from baton.adapters.llm.formats.request_parts import refused
from baton.adapters.llm.formats.response_parts import count_of, expect, json_body
from baton.adapters.llm.formats.schemas import instruction
from baton.adapters.llm.http.http_transport import PUBLIC_ONLY, HttpTransport
from baton.adapters.llm.http.server_sent_events import Event
from baton.adapters.llm.http.wire import SUCCESSES, HttpReply, encodable
from baton.adapters.llm.providers.bedrock import streams as bedrock_streams
from baton.domain.llm.calls import AnswerListener, LlmAnswer, LlmCall
from baton.domain.llm.settings import LlmSettings, UnsupportedSetting

MAX_TEMPERATURE = 1
MAX_STOP_SEQUENCES = 2_500
INPUT_COUNTS = ("inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")
"""The first excludes the tokens that were read from and written to the prompt cache."""


def unsupported_settings(settings: LlmSettings) -> Iterator[UnsupportedSetting]:
    """Settings that Converse has for no model. For those that only some models lack, the API returns an error."""
    if settings.seed is not None:
        yield UnsupportedSetting("seed", "is not supported by bedrock")
    if settings.temperature is not None and settings.temperature > MAX_TEMPERATURE:
        yield UnsupportedSetting("temperature", "must be between 0 and 1 for bedrock")
    if "" in (settings.stop or ()):
        yield UnsupportedSetting("stop", "bedrock rejects empty sequences")
    if len(settings.stop or ()) > MAX_STOP_SEQUENCES:
        yield UnsupportedSetting("stop", f"bedrock accepts at most {MAX_STOP_SEQUENCES:,} sequences")
    yield from request_parts.unsupported_options(settings)


def complete(
    call: LlmCall, listener: AnswerListener | None = None, transport: HttpTransport = PUBLIC_ONLY
) -> LlmAnswer:
    """Call the model. Raises ``LlmError``, and what the listener raises."""
    from baton.adapters.llm.providers.bedrock import client as bedrock_client  # noqa: PLC0415 - cold start: only bedrock needs boto3

    if call.endpoint.base_url:
        raise refused(call, "has a base URL, which is not supported by bedrock; remove it")
    if listener is None:
        return read(bedrock_client.converse(request(call), call, transport), call)
    form = streaming.AnswerForm(
        read=read_reply,
        read_events=read_events,
        is_stream=bedrock_streams.is_stream,
        events=partial(bedrock_streams.events, call=call),
    )
    return streaming.complete_call(
        bedrock_client.sign_stream_request(request(call), call), call, form, listener, transport
    )


def request(call: LlmCall) -> dict[str, Any]:
    """The parameters of ``converse``. Raises ``LlmRefused`` for an option that could never be sent."""
    settings = call.settings
    config = {
        "maxTokens": settings.max_tokens,
        "temperature": settings.temperature,
        "topP": settings.top_p,
        "stopSequences": None if settings.stop is None else list(settings.stop),
    }
    system = _system(settings)
    parameters = {
        "modelId": call.model,
        "messages": [{"role": "user", "content": [{"text": encodable(call.prompt)}]}],
        "system": [{"text": encodable(system)}] if system else None,
        "inferenceConfig": {name: value for name, value in config.items() if value is not None},
        "additionalModelRequestFields": _options(call),
    }
    return {name: value for name, value in parameters.items() if value}


def _options(call: LlmCall) -> dict[str, Any]:
    options = dict(call.settings.options)
    try:
        json.dumps(options, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise refused(call, "has a setting or option that can't be written as JSON") from None
    return options


def _system(settings: LlmSettings) -> str:
    wanted = settings.response_format
    instructed = instruction(wanted) if wanted is not None and wanted != "text" else None
    return "\n\n".join(part for part in (settings.system, instructed) if part)


def read_reply(reply: HttpReply, call: LlmCall, now: datetime) -> LlmAnswer:
    """The answer in a reply that is no stream, although one was requested. Raises ``LlmError``."""
    from baton.adapters.llm.providers.bedrock.failures import reply_failure  # noqa: PLC0415 - cold start: others have no botocore

    if reply.status not in SUCCESSES:
        raise reply_failure(reply, call, now)
    return read(expect(json_body(reply, call), dict, "body", call), call)


def read_events(
    events: Iterable[Event], call: LlmCall, on_finish: streaming.OnFinish = streaming.ignore
) -> streaming.TextChunks[LlmAnswer]:
    """The answer in a stream of events; yields its text as it arrives. Raises as ``read``, ``LlmUnreachable`` for a
    stream that ends before the answer does, and whatever ``events`` raises."""
    from baton.adapters.llm.providers.bedrock.failures import event_failure  # noqa: PLC0415 - cold start: others have no botocore

    body = yield from streaming.accumulate(events, bedrock_streams.ConverseMessage(call), call, on_finish)
    if is_error(body):
        raise event_failure(error_in(body), call)
    return read(expect(body, dict, "body", call), call)


def read(answer: Mapping[str, Any], call: LlmCall) -> LlmAnswer:
    """The answer in what ``converse`` returned. The model is that of the call, since the API doesn't return it."""
    output = expect(answer.get("output"), dict, "output", call)
    message = expect(output.get("message"), dict, "output.message", call)
    blocks = expect(message.get("content"), list, "output.message.content", call)
    usage = answer.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    return LlmAnswer(
        content=encodable(answer_text(_output(blocks, answer.get("stopReason")), call)),
        model=call.model,
        prompt_tokens=_prompt_tokens(counts),
        completion_tokens=count_of(counts.get("outputTokens")),
        finish_reason=finish_reason(answer.get("stopReason")),
    )


def _output(blocks: list[Any], reason: object) -> Output:
    """The text blocks, joined, and which other blocks there are (``reasoningContent``, ``toolUse``)."""
    parts = [block for block in blocks if isinstance(block, dict)]
    kinds = {kind for part in parts for kind in part}
    return Output(
        text="".join(part["text"] for part in parts if isinstance(part.get("text"), str)),
        reason=reason,
        reasoning="reasoningContent" in kinds,
        tool_calls="toolUse" in kinds,
        other_parts=bool(kinds - {"text", "reasoningContent", "toolUse"}),
    )


def _prompt_tokens(counts: dict[str, Any]) -> int | None:
    known = [count for count in (count_of(counts.get(name)) for name in INPUT_COUNTS) if count is not None]
    return sum(known) if known else None
