"""Streamed answers of the Messages API: requests, answers and errors. No sockets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from baton.adapters.llm.http.server_sent_events import Event, events
from baton.adapters.llm.providers.anthropic import messages as anthropic
from baton.domain.errors import LlmAnswerInvalid
from baton.domain.llm.calls import LlmAnswer, LlmCall
from tests.support.providers.anthropic import ANTHROPIC, STOP, events_of, start, stop, text

read_stream = ANTHROPIC.read_stream
RECORDED = (Path(__file__).parent / "streams" / "anthropic.sse").read_bytes()
Build = Callable[..., LlmCall]


def test_with_a_listener_a_stream_is_requested(a_call: Build) -> None:
    sent = json.loads(anthropic.request(a_call(), streamed=True).body)
    assert sent == json.loads(anthropic.request(a_call()).body) | {"stream": True}
    for stream in (False, True):
        assert anthropic.request(a_call(stream=stream)) == anthropic.request(a_call())


def test_a_recorded_stream_yields_its_texts_without_thinking_and_the_whole_answer(a_call: Build) -> None:
    assert read_stream(events([RECORDED]), a_call()) == (
        ["Sweden", " won, in", " 3:16.6."],
        LlmAnswer(
            content="Sweden won, in 3:16.6.",
            model="claude-sonnet-4-5-20250929",
            prompt_tokens=442,
            completion_tokens=34,
            finish_reason="stop",
        ),
    )


def test_the_latest_counts_are_used_and_missing_ones_do_not_overwrite(a_call: Build) -> None:
    first = start(usage={"input_tokens": 12, "cache_read_input_tokens": 5, "output_tokens": 1})
    sent = [first, text("Sweden."), stop(None, output_tokens=2), stop("max_tokens", output_tokens=7, input_tokens=None)]
    answer = read_stream(events_of(*sent, STOP), a_call())[1]
    assert (answer.prompt_tokens, answer.completion_tokens, answer.finish_reason) == (17, 7, "length")


def test_text_at_the_start_of_a_block_is_included(a_call: Build) -> None:
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "Swe"}}
    assert read_stream(events_of(start(), block, text("den."), stop("end_turn"), STOP), a_call())[0] == ["Swe", "den."]


def test_unknown_events_and_deltas_are_ignored(a_call: Build) -> None:
    new: list[dict[str, Any]] = [
        {"type": "ping"},
        {"type": "something_new", "delta": 5},
        {},
        {"type": ["odd"]},
        {"type": "content_block_delta", "delta": {"type": "citations_delta", "text": "p. 3"}},
        {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": "{"}},
    ]
    sent = events_of(start(), *new, text("Sweden."), *new, stop("end_turn"), STOP)
    assert read_stream(sent, a_call())[0] == ["Sweden."]


def test_a_stream_that_breaks_after_the_stop_reason_is_an_answer(a_call: Build) -> None:
    sent = events_of(start(), text("Sweden."), stop("end_turn", output_tokens=3))
    assert read_stream(sent, a_call())[1].completion_tokens == 3


@pytest.mark.parametrize("raw", ["<html>", "5", "[]", "null"])
def test_an_event_that_is_not_an_object_is_an_llm_error(a_call: Build, raw: str) -> None:
    with pytest.raises(LlmAnswerInvalid, match="event"):
        read_stream([Event(raw)], a_call())
