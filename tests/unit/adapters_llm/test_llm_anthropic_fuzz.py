"""Whatever an endpoint sends, reading it as a message ends in an answer or in a named failure."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from baton.adapters.llm import anthropic
from baton.adapters.llm.wire import SUCCESSES, HttpReply
from baton.domain.errors import LlmError
from baton.domain.llm import LlmCall

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
GOOD: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "model": "claude-haiku-4-5-20251001",
    "content": [{"type": "text", "text": "Sweden."}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 12, "output_tokens": 3},
}
Build = Callable[..., LlmCall]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
likely = st.sampled_from(["content", "type", "text", "error", "message", "usage", "input_tokens", "stop_reason"])
words = st.sampled_from(["text", "error", "refusal", "max_tokens", "overloaded_error", "tool_use"])
shaped = st.recursive(
    json_values | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(likely, inner, max_size=4),
    max_leaves=12,
)
cut = st.integers(min_value=0, max_value=len(json.dumps(GOOD))).map(lambda end: json.dumps(GOOD).encode()[:end])
bodies = st.binary() | cut | shaped.map(lambda value: json.dumps(value).encode())
headers = st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms"]), st.text(max_size=40))


@given(body=bodies, status=st.integers(100, 999) | st.just(200), said=headers)
@example(body=b'{"content": ' * 9000, status=200, said={})
@example(body=b'{"error": {"type": {}}}', status=200, said={})
def test_nothing_but_a_named_failure_or_an_answer(
    a_call: Build, body: bytes, status: int, said: dict[str, str]
) -> None:
    try:
        answer = anthropic.read(HttpReply(status=status, headers=said, body=body), a_call(), NOW)
    except LlmError as error:
        sentence = str(error)
    else:
        assert status in SUCCESSES
        sentence = repr(answer)[:400]
    assert len(sentence.encode("utf-8")) < 1500


@given(at=st.sampled_from([*GOOD, "error"]), to=json_values)
def test_any_one_value_of_the_wrong_type_is_survived(a_call: Build, at: str, to: object) -> None:
    with contextlib.suppress(LlmError):
        anthropic.read(HttpReply(status=200, headers={}, body=json.dumps({**GOOD, at: to}).encode()), a_call(), NOW)
    block = {**GOOD, "content": [{"type": "text", "text": to}, to]}
    with contextlib.suppress(LlmError):
        anthropic.read(HttpReply(status=200, headers={}, body=json.dumps(block).encode()), a_call(), NOW)
