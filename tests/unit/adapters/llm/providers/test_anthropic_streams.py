"""Streamed answers of the Messages API: asked for, read, and each failure by name. No sockets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baton.adapters.llm.http.server_sent_events import Event, events
from baton.adapters.llm.http.wire import HttpReply
from baton.adapters.llm.providers.anthropic import messages as anthropic
from baton.domain.errors import LlmAnswerInvalid, LlmError, LlmRefused, LlmServerError, LlmThrottled, LlmUnreachable
from baton.domain.llm.calls import LlmAnswer, LlmCall
from tests.support.llm_endpoint import pieces_and_answer

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RECORDED = (Path(__file__).parent / "streams" / "anthropic.sse").read_bytes()
Build = Callable[..., LlmCall]


def read(sent: Iterable[Event], call: LlmCall) -> tuple[list[str], LlmAnswer]:
    return pieces_and_answer(anthropic.read_events(sent, call))


def told(*values: dict[str, Any]) -> list[Event]:
    return [Event(json.dumps(value), value.get("type", "")) for value in values]


def start(**message: object) -> dict[str, Any]:
    return {"type": "message_start", "message": {"model": "small-1", "content": [], "stop_reason": None, **message}}


def text(said: object) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": said}}


def stop(reason: object, **usage: object) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}


STOP = {"type": "message_stop"}


def test_an_answer_that_is_listened_to_is_asked_for_as_a_stream(a_call: Build) -> None:
    asked = json.loads(anthropic.request(a_call(), streamed=True).body)
    assert asked == json.loads(anthropic.request(a_call()).body) | {"stream": True}
    for stream in (False, True):
        assert anthropic.request(a_call(stream=stream)) == anthropic.request(a_call())


def test_what_the_api_sends_is_heard_in_pieces_without_the_thinking_and_read_whole(a_call: Build) -> None:
    assert read(events([RECORDED]), a_call()) == (
        ["Sweden", " won, in", " 3:16.6."],
        LlmAnswer(
            content="Sweden won, in 3:16.6.",
            model="claude-sonnet-4-5-20250929",
            prompt_tokens=442,
            completion_tokens=34,
            finish_reason="stop",
        ),
    )


def test_counts_are_the_latest_and_what_is_not_told_again_stays(a_call: Build) -> None:
    begun = start(usage={"input_tokens": 12, "cache_read_input_tokens": 5, "output_tokens": 1})
    sent = [begun, text("Sweden."), stop(None, output_tokens=2), stop("max_tokens", output_tokens=7, input_tokens=None)]
    answer = read(told(*sent, STOP), a_call())[1]
    assert (answer.prompt_tokens, answer.completion_tokens, answer.finish_reason) == (17, 7, "length")


def test_a_text_block_that_begins_with_text_loses_none_of_it(a_call: Build) -> None:
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "Swe"}}
    assert read(told(start(), block, text("den."), stop("end_turn"), STOP), a_call())[0] == ["Swe", "den."]


def test_events_and_deltas_that_are_not_known_are_passed_over(a_call: Build) -> None:
    new: list[dict[str, Any]] = [
        {"type": "ping"},
        {"type": "something_new", "delta": 5},
        {},
        {"type": ["odd"]},
        {"type": "content_block_delta", "delta": {"type": "citations_delta", "text": "p. 3"}},
        {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": "{"}},
    ]
    assert read(told(start(), *new, text("Sweden."), *new, stop("end_turn"), STOP), a_call())[0] == ["Sweden."]


def test_nothing_is_read_after_the_end(a_call: Build) -> None:
    def sent() -> Iterator[Event]:
        yield from told(start(), text("Sweden."), stop("end_turn"), STOP)
        raise AssertionError("read on")

    assert read(sent(), a_call())[1].content == "Sweden."


def test_a_stream_that_breaks_after_the_stop_reason_costs_no_answer(a_call: Build) -> None:
    sent = told(start(), text("Sweden."), stop("end_turn", output_tokens=3))
    assert read(sent, a_call())[1].completion_tokens == 3


@pytest.mark.parametrize("sent", [[], [start()], [start(), text("Swe")], [start(), text("Swe"), stop(None)]])
def test_a_stream_without_an_end_is_broken_off(a_call: Build, sent: list[dict[str, Any]]) -> None:
    with pytest.raises(LlmUnreachable, match=r"^LLM instance 'demo' broke off its answer\.$"):
        read(told(*sent), a_call())


reasons = st.sampled_from(["end_turn", "max_tokens", "stop_sequence", "refusal", "tool_use", "pause_turn", "odd"])


@given(blocks=st.lists(st.lists(st.text(max_size=4), min_size=1, max_size=3), max_size=3), reason=reasons)
def test_streamed_or_not_it_is_the_same_answer_or_the_same_failure(
    a_call: Build, blocks: list[list[str]], reason: str
) -> None:
    content = [{"type": "text", "text": "".join(texts)} for texts in blocks]
    usage = {"input_tokens": 2, "output_tokens": 3}
    whole = {"model": "small-1", "content": content, "stop_reason": reason, "usage": usage}
    sent = told(start(usage=usage), *(text(said) for texts in blocks for said in texts), stop(reason), STOP)

    def outcome(ask: Callable[[], LlmAnswer]) -> object:
        try:
            return ask()
        except LlmError as error:
            return type(error), str(error)

    unstreamed = HttpReply(status=200, headers={}, body=json.dumps(whole).encode())
    assert outcome(lambda: read(sent, a_call())[1]) == outcome(lambda: anthropic.read(unstreamed, a_call(), NOW))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"type": "overloaded_error", "message": "Overloaded"}, LlmThrottled),
        ({"type": "rate_limit_error", "message": "Slow down"}, LlmThrottled),
        ({"type": "api_error", "message": "Internal server error"}, LlmServerError),
        ({"type": "invalid_request_error", "message": "Bad"}, LlmRefused),
        ({"type": "brand_new_error", "message": "New"}, LlmAnswerInvalid),
    ],
)
def test_an_error_in_the_stream_counts_as_it_does_in_a_reply(
    a_call: Build, error: dict[str, Any], kind: type[LlmError]
) -> None:
    with pytest.raises(LlmError, match=error["message"]) as caught:
        read(told(start(), text("Swe"), {"type": "error", "error": error}), a_call())
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("sent", "named"),
    [
        ([{"type": "message_start"}], "without message"),
        ([{"type": "message_start", "message": []}], "message is of type list"),
        ([{"type": "content_block_start"}], "without content_block"),
        ([{"type": "content_block_start", "content_block": {"type": "text"}}], "without text.text"),
        ([{"type": "content_block_delta", "delta": "Swe"}], "delta is of type str"),
        ([text(None)], "without text_delta.text"),
        ([text(5)], "text_delta.text is of type int"),
        ([{"type": "message_delta"}], "without delta"),
        ([start(), STOP], "without text, and without a reason"),
    ],
)
def test_what_the_api_does_not_promise_is_named_by_its_place(
    a_call: Build, sent: list[dict[str, Any]], named: str
) -> None:
    with pytest.raises(LlmAnswerInvalid, match=f"^LLM instance 'demo' sent an answer .*{named}"):
        read(told(*sent), a_call())


@pytest.mark.parametrize("raw", ["<html>", "5", "[]", "null"])
def test_an_event_that_is_no_object_is_named(a_call: Build, raw: str) -> None:
    with pytest.raises(LlmAnswerInvalid, match="event"):
        read([Event(raw)], a_call())
