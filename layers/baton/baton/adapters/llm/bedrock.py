"""Amazon Bedrock's Converse API, in whose one form every text model of Bedrock is asked.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html.

A call is made in the function's own region and with its role, so an instance has no base URL, and a key that is left of
another provider isn't used. JSON and JSON Schemas are written into the system prompt: the API's own form for schemas
holds for some models only, and the boto3 that Lambda brings along may not know it. The answer comes in one piece, also
where somebody listens.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from baton.adapters.llm import writing
from baton.adapters.llm.finish_reasons import finish_reason
from baton.adapters.llm.reading import count_of, expect, invalid
from baton.adapters.llm.schemas import instruction
from baton.adapters.llm.wire import encodable
from baton.adapters.llm.writing import refused
from baton.domain.llm import LlmAnswer, LlmCall, LlmSettings, Refusal

MAX_TEMPERATURE = 1
MAX_STOP_SEQUENCES = 2_500
MALFORMED = ("malformed_model_output", "malformed_tool_use")
INPUT_COUNTS = ("inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")
"""The first leaves out what was read from and written to the prompt cache."""


def refusals(settings: LlmSettings) -> Iterator[Refusal]:
    """Settings that Converse has for no model. What only some models lack, the API says itself."""
    if settings.seed is not None:
        yield Refusal("seed", "bedrock has no such setting")
    if settings.temperature is not None and settings.temperature > MAX_TEMPERATURE:
        yield Refusal("temperature", "bedrock takes 0 to 1")
    if "" in (settings.stop or ()):
        yield Refusal("stop", "bedrock takes no empty sequence")
    if len(settings.stop or ()) > MAX_STOP_SEQUENCES:
        yield Refusal("stop", f"bedrock takes at most {MAX_STOP_SEQUENCES:,} sequences")
    yield from writing.option_refusals(settings)


def complete(call: LlmCall) -> LlmAnswer:
    """Ask the model. Raises nothing but ``LlmError``."""
    from baton.adapters.llm.bedrock_client import converse  # noqa: PLC0415 - cold start: others never import requests

    if call.endpoint.base_url:
        raise refused(call, "is of bedrock, which is called in this deployment's own region: it takes no base URL")
    return read(converse(request(call), call), call)


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


def read(answer: Mapping[str, Any], call: LlmCall) -> LlmAnswer:
    """The answer in what ``converse`` returned. It doesn't tell the model, so that is the one that was asked for."""
    output = expect(answer.get("output"), dict, "output", call)
    message = expect(output.get("message"), dict, "output.message", call)
    if answer.get("stopReason") in MALFORMED:
        raise invalid(call, f"that the model malformed (stopReason {answer['stopReason']})")
    reason = finish_reason(answer.get("stopReason"))
    usage = answer.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    return LlmAnswer(
        content=encodable(_content(message, reason, call)),
        model=call.model,
        prompt_tokens=_prompt_tokens(counts),
        completion_tokens=count_of(counts.get("outputTokens")),
        finish_reason=reason,
    )


def _content(message: dict[str, Any], reason: str | None, call: LlmCall) -> str:
    """The text blocks, joined. A model may end its turn, or reach its bound, without a word: an empty answer.

    What a guardrail puts in place of an answer is none, and looks no different from an answer that it only masked.
    """
    if reason == "content_filter":
        raise refused(call, "answered that a content filter or a guardrail stopped this request")
    text = _text(expect(message.get("content"), list, "output.message.content", call))
    if text is None and reason == "tool_calls":
        raise invalid(call, "without text in output.message.content (stopReason tool_use)")
    if text is None and reason not in ("stop", "length"):
        raise invalid(call, "without text in output.message.content")
    return text or ""


def _text(blocks: list[Any]) -> str | None:
    """None if no block is text; one of another kind (``reasoningContent``) is not the answer."""
    texts = [block.get("text") for block in blocks if isinstance(block, dict)]
    said = [text for text in texts if isinstance(text, str)]
    return "".join(said) if said else None


def _prompt_tokens(counts: dict[str, Any]) -> int | None:
    known = [count for count in (count_of(counts.get(name)) for name in INPUT_COUNTS) if count is not None]
    return sum(known) if known else None
