"""The cases of the provider contract for the Messages API."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from baton.adapters.llm.http.server_sent_events import Event
from baton.adapters.llm.providers.anthropic import messages as anthropic
from baton.domain.errors import LlmAnswerInvalid, LlmRefused, LlmServerError, LlmThrottled
from baton.domain.llm.calls import LlmAnswer
from tests.support.json_values import json_values, shaped
from tests.support.llm_endpoint import PROMPT
from tests.support.providers.contract import (
    ANTHROPIC_FINISH_REASONS,
    NOW,
    FuzzCases,
    ProviderCases,
    provider_settings,
    reply,
)

GOOD: dict[str, Any] = {
    "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-4-5-20251001",
    "content": [{"type": "text", "text": "Sweden."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 12,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": 6,
        "service_tier": "standard",
    },
}
STOP = {"type": "message_stop"}


def an_error(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy"}


def events_of(*values: dict[str, Any]) -> list[Event]:
    return [Event(json.dumps(value), value.get("type", "")) for value in values]


def start(**message: object) -> dict[str, Any]:
    return {"type": "message_start", "message": {"model": "small-1", "content": [], "stop_reason": None, **message}}


def text(content: object) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": content}}


def stop(reason: object, **usage: object) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}


@st.composite
def streamed_answers(draw: st.DrawFn) -> tuple[list[Event], object]:
    """A stream, and the body with the same content."""
    blocks = draw(st.lists(st.lists(st.text(max_size=4), min_size=1, max_size=3), max_size=3))
    reasons = ["end_turn", "max_tokens", "stop_sequence", "refusal", "tool_use", "pause_turn", "odd"]
    reason = draw(st.sampled_from(reasons))
    content = [{"type": "text", "text": "".join(texts)} for texts in blocks]
    usage = {"input_tokens": 2, "output_tokens": 3}
    whole = {"model": "small-1", "content": content, "stop_reason": reason, "usage": usage}
    deltas = [text(part) for texts in blocks for part in texts]
    return events_of(start(usage=usage), *deltas, stop(reason), STOP), whole


FIELDS = ["content", "type", "text", "error", "message", "usage", "input_tokens", "stop_reason"]
WORDS = ["text", "error", "refusal", "max_tokens", "overloaded_error", "tool_use"]
EVENT_TYPES = [
    "message_start",
    "content_block_start",
    "content_block_delta",
    "message_delta",
    "message_stop",
    "error",
]


def any_event() -> st.SearchStrategy[object]:
    """An event whose fields may have any values."""
    text = st.text() | json_values
    other = shaped(FIELDS, WORDS)
    return st.fixed_dictionaries(
        {"type": st.sampled_from(EVENT_TYPES) | json_values},
        optional={
            "message": st.just(GOOD) | other,
            "content_block": st.fixed_dictionaries({"type": st.just("text"), "text": text}) | other,
            "delta": st.fixed_dictionaries({"type": st.just("text_delta"), "text": text}) | other,
            "usage": other,
            "error": other,
        },
    )


TEXTS: list[Any] = [
    ([{"type": "text", "text": "Swe"}, {"type": "text", "text": "den."}], "Sweden."),
    ([{"type": "thinking", "thinking": "Hm.", "signature": "x"}, {"type": "text", "text": "Sweden."}], "Sweden."),
    ([{"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": "Sweden."}], "Sweden."),
    ([], ""),
    ([{"type": "text", "text": "a\ud800b"}], "a\ufffdb"),
]
FINISH_REASONS: list[Any] = [
    *ANTHROPIC_FINISH_REASONS,
    ("pause_turn", "length"),
]
CACHED_COUNTS: list[Any] = [
    ({"input_tokens": 2, "cache_creation_input_tokens": 30, "cache_read_input_tokens": 400}, (432, None)),
    ({"input_tokens": 2, "cache_read_input_tokens": None, "output_tokens": 0}, (2, 0)),
    ({"input_tokens": "2", "output_tokens": True}, (None, None)),
    (None, (None, None)),
    ([1], (None, None)),
]
UNFINISHED_STREAMS: list[Any] = [
    [],
    [start()],
    [start(), text("Swe")],
    [start(), text("Swe"), stop(None)],
    [{"content": [{"type": "text", "text": "Swe"}], "message": "Odd"}],
    [{"content": ["Swe"], "error": [None, "Odd"]}],
    [start(), text("Swe"), {"content": ["den."], "message": "Odd"}],
]
STREAM_ERRORS: list[Any] = [
    ({"type": "overloaded_error", "message": "Overloaded"}, LlmThrottled),
    ({"type": "rate_limit_error", "message": "Slow down"}, LlmThrottled),
    ({"type": "api_error", "message": "Internal server error"}, LlmServerError),
    ({"type": "invalid_request_error", "message": "Bad"}, LlmRefused),
    ({"type": "brand_new_error", "message": "New"}, LlmAnswerInvalid),
]
WRONG_STREAMS: list[Any] = [
    ([{"type": "message_start"}], "without message"),
    ([{"type": "message_start", "message": []}], "message is of type list"),
    ([{"type": "content_block_start"}], "without content_block"),
    ([{"type": "content_block_start", "content_block": {"type": "text"}}], "without text.text"),
    ([{"type": "content_block_delta", "delta": "Swe"}], "delta is of type str"),
    ([text(None)], "without text_delta.text"),
    ([text(5)], "text_delta.text is of type int"),
    ([{"type": "message_delta"}], "without delta"),
    ([start(), STOP], "without text, and without a reason"),
]

ANTHROPIC = ProviderCases(
    name="anthropic",
    request=lambda call: json.loads(anthropic.request(call).body),
    read=lambda body, call: anthropic.read(reply(body), call, NOW),
    read_reply=lambda reply, call: anthropic.read(reply, call, NOW),
    read_events=anthropic.read_events,
    unsupported_settings=anthropic.unsupported_settings,
    settings=provider_settings(
        model="big-2",
        options={"top_k": 3, "thinking": {"type": "disabled"}},
    ),
    settings_request={
        "model": "big-2",
        "max_tokens": 5,
        "system": "Be brief.",
        "messages": [{"role": "user", "content": PROMPT}],
        "temperature": 0,
        "top_p": 0.0,
        "stop_sequences": ["END"],
        "top_k": 3,
        "thinking": {"type": "disabled"},
    },
    unsupported=[
        ({"seed": 0}, [("seed", "is not supported by anthropic")]),
        ({"temperature": 1.01}, [("temperature", "must be between 0 and 1 for anthropic")]),
        ({"stop": ("END", " \n")}, [("stop", "anthropic rejects sequences of only spaces and line breaks")]),
        ({"temperature": 1, "top_p": 1, "stop": ("END",), "max_tokens": 1, "response_format": "json"}, []),
        ({}, []),
    ],
    whole=GOOD,
    whole_answer=LlmAnswer(
        content="Sweden.",
        model="claude-haiku-4-5-20251001",
        prompt_tokens=12,
        completion_tokens=6,
        finish_reason="stop",
    ),
    texts=[({**GOOD, "content": content}, text) for content, text in TEXTS],
    finish_reasons=[({**GOOD, "stop_reason": word}, reason) for word, reason in FINISH_REASONS],
    cached_counts=[({**GOOD, "usage": usage}, counts) for usage, counts in CACHED_COUNTS],
    wrong_shapes=[
        (b"", "isn't JSON"),
        (b'{"content": [', "isn't JSON"),
        (b"<html>Sign in</html>", "a web page"),
        (b"null", "without body"),
        (b"[1]", "body is of type list"),
        ({}, "without content"),
        ({**GOOD, "content": "Sweden."}, "content is of type str, not list"),
        ({**GOOD, "content": [], "stop_reason": None}, "without text, and without a reason"),
        (
            {**GOOD, "content": [None, {"text": 5, "type": "text"}], "stop_reason": "odd"},
            r"without text \(finish reason odd\)",
        ),
        (an_error("brand_new_error", "Something new"), "an error instead: Something new"),
        ({"error": {"type": [], "message": "Odd"}}, "an error instead: Odd"),
    ],
    url=lambda call: anthropic.request(call).url,
    urls=[
        ("https://a.example", "https://a.example/v1/messages"),
        ("https://a.example/v1/", "https://a.example/v1/messages"),
        ("https://a.example/v1/messages", "https://a.example/v1/messages"),
        ("https://a.example/v1/models", "https://a.example/v1/messages"),
        ("https://a.example/anthropic?x=1", "https://a.example/anthropic/v1/messages?x=1"),
    ],
    invalid_base_urls=["a.example/v1", "ftp://a.example", "http://", "http://[::1"],
    reserved_options=["stream", "messages", "model"],
    complete_stream=events_of(start(), text("Sweden."), stop("end_turn"), STOP),
    complete_stream_answer=LlmAnswer(content="Sweden.", model="small-1", finish_reason="stop"),
    unfinished_streams=[events_of(*sent) for sent in UNFINISHED_STREAMS],
    stream_errors=[
        (events_of(start(), text("Swe"), {"type": "error", "error": error}), kind, error["message"])
        for error, kind in STREAM_ERRORS
    ],
    wrong_streams=[(events_of(*sent), named) for sent, named in WRONG_STREAMS],
    streamed_answers=streamed_answers(),
    fuzz=FuzzCases(
        fields=FIELDS,
        values=WORDS,
        added_fields=["error"],
        replies=[reply(b'{"content": ' * 100_000), reply(b'{"error": {"type": {}}}')],
        answers=json_values.map(lambda value: {**GOOD, "content": [{"type": "text", "text": value}, value]}),
        events=any_event(),
        long_event=b'{"delta": ' * 100_000,
        streams=["anthropic"],
        finish_reasons={"stop": "end_turn"},
    ),
)
