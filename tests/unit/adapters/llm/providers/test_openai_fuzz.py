"""Whatever an endpoint sends, whole or as a stream, reading it ends in an answer or in a named failure."""

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
from baton.adapters.llm.providers.openai import chat_completions as openai
from baton.domain.errors import LlmError, LlmUnreachable
from baton.domain.llm.calls import LlmCall
from tests.support.llm_endpoint import pieces_and_answer

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
GOOD: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "small-1-0613",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Sweden."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15},
}
Build = Callable[..., LlmCall]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
likely = st.sampled_from(
    ["choices", "message", "content", "error", "usage", "code", "finish_reason", "refusal", "type"]
)
shaped = st.recursive(
    json_values,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(likely, inner, max_size=4),
    max_leaves=12,
)
cut = st.integers(min_value=0, max_value=len(json.dumps(GOOD))).map(lambda end: json.dumps(GOOD).encode()[:end])
bodies = st.binary() | cut | shaped.map(lambda value: json.dumps(value).encode())
headers = st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms"]), st.text(max_size=40))


@given(body=bodies, status=st.integers(100, 999) | st.just(200), said=headers)
@example(body=b"9" * 5000, status=200, said={})
@example(body=b'{"error": ' * 9000, status=500, said={"retry-after": "Fri, 31 Dec 999999 99:99:99 GMT"})
def test_any_response_is_an_answer_or_a_named_failure(
    a_call: Build, body: bytes, status: int, said: dict[str, str]
) -> None:
    try:
        answer = openai.read(HttpReply(status=status, headers=said, body=body), a_call(), NOW)
    except LlmError as error:
        sentence = str(error)
    else:
        assert status in SUCCESSES
        sentence = repr(answer)[:400]
    assert len(sentence.encode("utf-8")) < 1500


@given(at=st.lists(st.sampled_from(["choices", 0, "message", "content", "usage", "model"]), max_size=4), to=json_values)
def test_any_single_value_of_the_wrong_type_is_handled(a_call: Build, at: list[Any], to: object) -> None:
    body = json.loads(json.dumps(GOOD))
    place = body
    for step in at[:-1]:
        place = place[step] if isinstance(place, dict) and step in place else place
    if isinstance(place, dict) and at:
        place[at[-1]] = to
    with contextlib.suppress(LlmError):
        openai.read(HttpReply(status=200, headers={}, body=json.dumps(body).encode()), a_call(), NOW)


# --- streams -------------------------------------------------------------------------------------------------------

RECORDED = [path for path in (Path(__file__).parent / "streams").glob("*.sse") if path.stem != "anthropic"]
streamed_shapes = st.recursive(
    json_values | st.sampled_from([0, "stop", "tool_calls", "error"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(likely | st.sampled_from(["delta", "index", "model"]), inner, max_size=4)
    ),
    max_leaves=12,
)


def as_event(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda path: path.stem)
def test_a_stream_cut_before_its_finish_reason_is_unreachable_and_after_it_is_an_answer(
    a_call: Build, recorded: Path
) -> None:
    whole = recorded.read_bytes()
    _, answer = pieces_and_answer(openai.read_events(events([whole]), a_call()))
    end = whole.index(b"}\n\n", whole.index(f'"{answer.finish_reason}"'.encode())) + len(b"}")
    for cut in range(len(whole)):
        pieces = openai.read_events(events([whole[:cut]]), a_call())
        if cut < end:
            with pytest.raises(LlmUnreachable):
                pieces_and_answer(pieces)
        else:
            assert pieces_and_answer(pieces)[1].content == answer.content


@given(raw=st.lists(st.binary() | streamed_shapes.map(as_event) | st.just(as_event(GOOD)), max_size=5))
@example(raw=[b"9" * 5000])
@example(raw=[b"data: " + b'{"choices": ' * 9000 + b"\n\n"])
def test_any_stream_is_an_answer_or_a_named_failure(a_call: Build, raw: list[bytes]) -> None:
    with contextlib.suppress(LlmError):
        pieces, answer = pieces_and_answer(openai.read_events(events(raw), a_call()))
        assert answer.content == encodable("".join(pieces))
