"""The cases of the provider contract for Bedrock's Converse."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from baton.adapters.llm.providers.bedrock import converse as bedrock
from baton.domain.llm.calls import LlmAnswer
from tests.support.json_values import json_values, shaped
from tests.support.llm_endpoint import PROMPT
from tests.support.providers.contract import (
    ANTHROPIC_FINISH_REASONS,
    FuzzCases,
    ProviderCases,
    provider_settings,
    reply,
)

MODEL = "eu.anthropic.claude-haiku-4-5-20251001-v1:0"
GOOD: dict[str, Any] = {
    "ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {"content-type": "application/json"}},
    "output": {"message": {"role": "assistant", "content": [{"text": "Sweden."}]}},
    "stopReason": "end_turn",
    "usage": {
        "inputTokens": 12,
        "outputTokens": 6,
        "totalTokens": 18,
        "cacheReadInputTokens": 0,
        "cacheWriteInputTokens": 0,
    },
    "metrics": {"latencyMs": 551},
}


def answer_of(*blocks: object, reason: object = "end_turn") -> dict[str, Any]:
    return {**GOOD, "output": {"message": {"role": "assistant", "content": list(blocks)}}, "stopReason": reason}


FIELDS = ["output", "message", "content", "text", "role", "reasoningContent", "redactedContent", "stopReason", "usage"]
FIELDS += ["inputTokens", "metrics", "latencyMs", "trace", "__type", "Message", "code", "image", "bytes", "citations"]
WORDS = ["end_turn", "max_tokens", "tool_use", "guardrail_intervened", "malformed_tool_use", "a:b#c"]
EVENT_TYPES = ["messageStart", "contentBlockStart", "contentBlockDelta", "messageStop", "metadata", "odd"]


def any_event() -> st.SearchStrategy[object]:
    """An event whose fields may have any values."""
    other = shaped(FIELDS, WORDS)
    return st.fixed_dictionaries(
        {"type": st.sampled_from(EVENT_TYPES) | json_values},
        optional={
            "delta": st.fixed_dictionaries({"text": st.text() | json_values}) | other,
            "start": other,
            "stopReason": st.sampled_from(["end_turn", "max_tokens"]) | other,
            "output": st.just(GOOD["output"]) | other,
            "usage": other,
            "message": other,
            "error": other,
        },
    )


TEXTS: list[Any] = [
    ([{"text": "Swe"}, {"text": "den."}], "Sweden."),
    ([{"reasoningContent": {"reasoningText": {"text": "Hm."}}}, {"text": "Sweden."}], "Sweden."),
    ([{"SDK_UNKNOWN_MEMBER": {"name": "new"}}, {"text": "Sweden."}], "Sweden."),
    ([{"toolUse": {"toolUseId": "t", "name": "f", "input": {}}}, {"text": "Sweden."}], "Sweden."),
    ([], ""),
    ([{"text": "a\ud800b"}], "a\ufffdb"),
]
FINISH_REASONS: list[Any] = [
    *ANTHROPIC_FINISH_REASONS,
    ("brand_new", "brand_new"),
]
CACHED_COUNTS: list[Any] = [
    ({"inputTokens": 2, "cacheReadInputTokens": 400, "cacheWriteInputTokens": 30}, (432, None)),
    ({"inputTokens": 2, "cacheReadInputTokens": None, "outputTokens": 0}, (2, 0)),
    ({"inputTokens": "2", "outputTokens": True}, (None, None)),
    (None, (None, None)),
    ([1], (None, None)),
]

BEDROCK = ProviderCases(
    name="bedrock",
    request=bedrock.request,
    read=bedrock.read,
    read_events=bedrock.read_events,
    unsupported_settings=bedrock.unsupported_settings,
    model=MODEL,
    settings=provider_settings(
        model=MODEL,
        options={"top_k": 3, "thinking": {"type": "disabled"}},
    ),
    settings_request={
        "modelId": MODEL,
        "messages": [{"role": "user", "content": [{"text": PROMPT}]}],
        "system": [{"text": "Be brief."}],
        "inferenceConfig": {"maxTokens": 5, "temperature": 0, "topP": 0.0, "stopSequences": ["END"]},
        "additionalModelRequestFields": {"top_k": 3, "thinking": {"type": "disabled"}},
    },
    unsupported=[
        ({"seed": 0}, [("seed", "is not supported by bedrock")]),
        ({"temperature": 1.01}, [("temperature", "must be between 0 and 1 for bedrock")]),
        ({"stop": ("END", "")}, [("stop", "bedrock rejects empty sequences")]),
        ({"stop": ("END",) * 2501}, [("stop", "bedrock accepts at most 2,500 sequences")]),
        ({"options": {"stream": True}}, [("options", "'stream' is set by Baton; remove it")]),
        ({"temperature": 1, "top_p": 1, "stop": ("\n",), "max_tokens": 1, "response_format": "json"}, []),
        ({"stream": True}, []),
        ({}, []),
    ],
    whole=GOOD,
    whole_answer=LlmAnswer(content="Sweden.", model=MODEL, prompt_tokens=12, completion_tokens=6, finish_reason="stop"),
    texts=[(answer_of(*blocks), text) for blocks, text in TEXTS],
    finish_reasons=[(answer_of({"text": "Sweden."}, reason=word), reason) for word, reason in FINISH_REASONS],
    cached_counts=[({**GOOD, "usage": usage}, counts) for usage, counts in CACHED_COUNTS],
    wrong_shapes=[
        ({}, "without output"),
        ({**GOOD, "output": None}, "without output"),
        ({**GOOD, "output": "Sweden."}, "output is of type str"),
        ({**GOOD, "output": {"SDK_UNKNOWN_MEMBER": {"name": "new"}}}, "without output.message"),
        ({**GOOD, "output": {"message": {"role": "assistant"}}}, "without output.message.content"),
        (answer_of(reason=None), "without text, and without a reason why it stopped"),
        (answer_of({"text": 5}, None, reason="odd"), r"without text \(finish reason odd\)"),
    ],
    fuzz=FuzzCases(
        fields=FIELDS,
        values=WORDS,
        added_fields=["trace", "performanceConfig"],
        headers=["Retry-After", "x-amzn-ErrorType", "x-amzn-RequestId", "Date"],
        header_values=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30),
        min_status=200,
        replies=[
            reply(b'{"output": ' * 100_000),
            reply(b'{"message": ' * 100_000, 500),
            reply(b'{"__type": 5, "message": {}}', 429),
            reply(b"<html>" + b"x" * 1000, x_amzn_ErrorType="#:"),
            reply(b'{"output": {"message": {"content": [{"text": "\\ud800"}]}}}'),
        ],
        answers=json_values.map(lambda value: answer_of(value, {"text": value}, {"reasoningContent": value})),
        events=any_event(),
        long_event=b'{"delta": ' * 100_000,
    ),
)
