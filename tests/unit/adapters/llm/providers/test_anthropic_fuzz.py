"""Whatever an endpoint sends, whole or as a stream, reading it as a message ends in an answer or a named failure."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from baton.adapters.llm.http.server_sent_events import events
from baton.adapters.llm.http.wire import SUCCESSES, HttpReply, encodable
from baton.adapters.llm.providers.anthropic import messages as anthropic
from baton.domain.errors import LlmError, LlmUnreachable
from baton.domain.llm.calls import LlmCall
from tests.support.llm_endpoint import pieces_and_answer

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
def test_any_response_is_an_answer_or_a_named_failure(
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
def test_any_single_value_of_the_wrong_type_is_handled(a_call: Build, at: str, to: object) -> None:
    with contextlib.suppress(LlmError):
        anthropic.read(HttpReply(status=200, headers={}, body=json.dumps({**GOOD, at: to}).encode()), a_call(), NOW)
    block = {**GOOD, "content": [{"type": "text", "text": to}, to]}
    with contextlib.suppress(LlmError):
        anthropic.read(HttpReply(status=200, headers={}, body=json.dumps(block).encode()), a_call(), NOW)


# --- streams -------------------------------------------------------------------------------------------------------

RECORDED = (Path(__file__).parent / "streams" / "anthropic.sse").read_bytes()
KINDS = ["message_start", "content_block_start", "content_block_delta", "message_delta", "message_stop", "error"]
told = st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS) | json_values},
    optional={
        "message": st.just(GOOD) | shaped,
        "content_block": st.fixed_dictionaries({"type": st.just("text"), "text": st.text() | json_values}) | shaped,
        "delta": st.fixed_dictionaries({"type": st.just("text_delta"), "text": st.text() | json_values}) | shaped,
        "usage": shaped,
        "error": shaped,
    },
)


def as_event(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def test_a_stream_cut_before_its_finish_reason_is_unreachable_and_after_it_is_an_answer(a_call: Build) -> None:
    end = RECORDED.index(b"}\n\n", RECORDED.index(b'"end_turn"')) + len(b"}")
    for cut in range(len(RECORDED)):
        pieces = anthropic.read_events(events([RECORDED[:cut]]), a_call())
        if cut < end:
            with pytest.raises(LlmUnreachable):
                pieces_and_answer(pieces)
        else:
            assert pieces_and_answer(pieces)[1].content == "Sweden won, in 3:16.6."


@given(raw=st.lists(st.binary() | (told | shaped).map(as_event), max_size=6))
@example(raw=[b"9" * 5000])
@example(raw=[b"data: " + b'{"delta": ' * 9000 + b"\n\n"])
def test_any_stream_is_an_answer_or_a_named_failure(a_call: Build, raw: list[bytes]) -> None:
    with contextlib.suppress(LlmError):
        pieces, answer = pieces_and_answer(anthropic.read_events(events(raw), a_call()))
        assert answer.content == encodable("".join(pieces))
