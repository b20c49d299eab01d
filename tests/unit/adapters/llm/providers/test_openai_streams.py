"""Streamed answers of servers that speak OpenAI's API: asked for, read, and each failure by name. No sockets."""

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
from baton.adapters.llm.providers.openai import chat_completions as openai
from baton.domain.errors import (
    LlmAnswerInvalid,
    LlmError,
    LlmRefused,
    LlmServerError,
    LlmThrottled,
    LlmTimeout,
    LlmUnreachable,
)
from baton.domain.llm.calls import LlmAnswer, LlmCall
from tests.support.llm_endpoint import pieces_and_answer

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STREAMS = Path(__file__).parent / "streams"
Build = Callable[..., LlmCall]


def read(sent: Iterable[Event], call: LlmCall) -> tuple[list[str], LlmAnswer]:
    return pieces_and_answer(openai.read_events(sent, call))


def told(*values: object) -> list[Event]:
    return [Event(value if isinstance(value, str) else json.dumps(value)) for value in values]


def chunk(delta: object, finish_reason: object = None, **more: object) -> dict[str, Any]:
    return {"model": "small-1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}], **more}


def body(call: LlmCall, *, streamed: bool = True) -> dict[str, Any]:
    sent: dict[str, Any] = json.loads(openai.request(call, streamed=streamed).body)
    return sent


# --- request -------------------------------------------------------------------------------------------------------


def test_an_answer_that_is_listened_to_is_asked_for_as_a_stream_with_its_counts(a_call: Build) -> None:
    asked = body(a_call())
    assert asked == body(a_call(), streamed=False) | {"stream": True, "stream_options": {"include_usage": True}}


@pytest.mark.parametrize("stream", [False, True, None])
def test_without_a_listener_no_stream_is_requested_whatever_the_setting(a_call: Build, stream: bool | None) -> None:
    assert openai.request(a_call(stream=stream)) == openai.request(a_call())
    assert "stream" not in body(a_call(stream=stream), streamed=False)


def test_stream_options_of_ones_own_win(a_call: Build) -> None:
    assert body(a_call(options={"stream_options": {}}))["stream_options"] == {}


def test_mistral_is_not_asked_for_what_it_refuses(a_call: Build) -> None:
    asked = body(a_call(base_url="https://api.mistral.ai/v1"))
    assert asked["stream"] is True
    assert "stream_options" not in asked


# --- answer --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "pieces", "answer"),
    [
        ("openai", ["Sweden", " won", ", in 3:16.6."], ("gpt-4o-mini-2024-07-18", 18, 11, "stop")),
        ("vllm", ["Schweden", " führte, 3", ":16,6."], ("Qwen/Qwen3-8B", 24, 37, "stop")),
        ("llama_cpp", ["Sweden", " won", "."], ("gemma-3-1b-it-q4_0.gguf", 21, 4, "stop")),
        ("openrouter", ["Sweden", " won", "."], ("openai/gpt-4o-mini", 18, 3, "length")),
        ("azure", ["Sweden", " won."], ("gpt-4o-2024-11-20", 18, 4, "stop")),
        ("mistral", ["Sweden", " won."], ("magistral-small-2509", 18, 22, "stop")),
        ("koboldcpp", ["Sweden", " won."], ("koboldcpp/tiny", None, None, "stop")),
    ],
)
def test_what_each_server_sends_is_heard_in_pieces_and_read_whole(
    a_call: Build, name: str, pieces: list[str], answer: tuple[Any, ...]
) -> None:
    model, prompt_tokens, completion_tokens, finish_reason = answer
    assert read(events([(STREAMS / f"{name}.sse").read_bytes()]), a_call()) == (
        pieces,
        LlmAnswer(
            content="".join(pieces),
            model=model,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            finish_reason=finish_reason,
        ),
    )


def test_of_several_choices_the_first_counts(a_call: Build) -> None:
    both = {"choices": [{"index": 1, "delta": {"content": "No"}}, {"index": 0, "delta": {"content": "Swe"}}]}
    other = {"choices": [{"index": 1, "delta": {"content": "rway"}, "finish_reason": "stop"}]}
    last = chunk({"content": "den."}, "stop")
    heard, answer = read(told(both, other, last, "[DONE]"), a_call())
    assert (heard, answer.content) == (["Swe", "den."], "Sweden.")


def test_what_a_later_chunk_leaves_empty_stays_known(a_call: Build) -> None:
    known = chunk({"content": "Sweden."}, "stop", usage={"prompt_tokens": 1, "completion_tokens": 2})
    empty = {"model": "", "usage": None, "choices": None}
    answer = read(told(known, empty, chunk(None, None, model=""), "[DONE]"), a_call(model="asked"))[1]
    assert (answer.model, answer.prompt_tokens, answer.completion_tokens, answer.finish_reason) == (
        "small-1",
        1,
        2,
        "stop",
    )


def test_nothing_is_read_after_the_end(a_call: Build) -> None:
    def sent() -> Iterator[Event]:
        yield from told(chunk({"content": "Sweden."}), "[DONE]")
        raise AssertionError("read on")

    assert read(sent(), a_call())[1] == LlmAnswer(content="Sweden.", model="small-1")


@pytest.mark.parametrize("error", [LlmUnreachable("Broken."), LlmTimeout("Late.")])
def test_what_breaks_after_the_model_came_to_its_end_costs_no_answer_and_before_it_does(
    a_call: Build, error: LlmError
) -> None:
    def sent(*values: object) -> Iterator[Event]:
        yield from told(*values)
        raise error

    assert read(sent(chunk({"content": "Sweden."}, "stop")), a_call())[1].content == "Sweden."
    with pytest.raises(type(error), match=str(error)):
        read(sent(chunk({"content": "Sweden."})), a_call())


@pytest.mark.parametrize("sent", [[], [chunk({"content": "Swe"})], [chunk({"role": "assistant"}), {"choices": []}]])
def test_a_stream_without_an_end_is_broken_off(a_call: Build, sent: list[object]) -> None:
    with pytest.raises(LlmUnreachable, match=r"^LLM instance 'demo' broke off its answer\.$"):
        read(told(*sent), a_call())


pieces_of_text = st.lists(st.text(max_size=4), max_size=5)
reasons = st.sampled_from(["stop", "length", "content_filter", "tool_calls", "STOP", "odd"])


@given(texts=pieces_of_text, reason=reasons, refused=st.booleans(), counted=st.booleans())
def test_streamed_or_not_it_is_the_same_answer_or_the_same_failure(
    a_call: Build, texts: list[str], reason: str, refused: bool, counted: bool
) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2} if counted else None
    refusal = "I can't." if refused else None
    content = "".join(texts) or (None if not texts or reason == "tool_calls" else "")
    message = {"content": content, "refusal": refusal}
    whole = {"model": "small-1", "choices": [{"message": message, "finish_reason": reason}], "usage": usage}
    deltas = [chunk({"content": text}) for text in texts]
    sent = told(*deltas, chunk({"refusal": refusal}), chunk({}, reason), {"choices": [], "usage": usage}, "[DONE]")

    def outcome(ask: Callable[[], LlmAnswer]) -> object:
        try:
            return ask()
        except LlmError as error:
            return type(error), str(error)

    unstreamed = HttpReply(status=200, headers={}, body=json.dumps(whole).encode())
    assert outcome(lambda: read(sent, a_call())[1]) == outcome(lambda: openai.read(unstreamed, a_call(), NOW))


# --- failures ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        ([{"error": {"code": 429, "message": "Slow down"}}], LlmThrottled),
        ([chunk({"content": "Swe"}), {"error": {"code": "502", "message": "Upstream"}}], LlmServerError),
        ([chunk({"content": "Swe"}), chunk({}, "error", error={"code": 502, "message": "Gone"})], LlmServerError),
        ([{"choices": [{"delta": {}, "error": {"code": 503, "message": "Busy"}}]}], LlmThrottled),
        (
            [chunk({"content": "Swe"}), {"error": {"message": "Sorry", "type": "server_error", "code": None}}],
            LlmServerError,
        ),
        ([{"error": {"message": "Slow", "type": "tokens", "code": "rate_limit_exceeded"}}], LlmThrottled),
        ([{"error": {"message": "Broke", "type": "insufficient_quota", "code": "insufficient_quota"}}], LlmRefused),
        ([{"error": {"message": "Filtered", "code": "content_filter", "status": 400}}], LlmRefused),
        ([[{"error": {"code": 400, "message": "Bad"}}]], LlmRefused),
        ([{"error": {"message": "Crashed"}}], LlmAnswerInvalid),
        ([{"error": "Crashed"}], LlmAnswerInvalid),
    ],
)
def test_an_error_in_the_stream_counts_as_it_does_in_a_reply(
    a_call: Build, sent: list[object], kind: type[LlmError]
) -> None:
    with pytest.raises(LlmError) as caught:
        read(told(*sent, "[DONE]"), a_call())
    assert type(caught.value) is kind


@pytest.mark.parametrize("raw", [b'error: {"code":400,"message":"Too long"}', b'event: error\ndata: {"code":400}'])
def test_an_event_that_is_an_error_by_its_name_is_one(a_call: Build, raw: bytes) -> None:
    with pytest.raises(LlmRefused, match="status 400"):
        read(events([raw + b"\n\ndata: [DONE]\n\n"]), a_call())


@pytest.mark.parametrize(
    ("sent", "named"),
    [
        (["<html>"], "an event that isn't JSON"),
        (["[" * 100_000], "an event that isn't JSON"),
        (["5"], "whose event is of type int, not dict"),
        (["[1]"], "whose event is of type list, not dict"),
        (["null"], "without event"),
        ([{"choices": {"0": 1}}], "choices is of type dict, not list"),
        ([{"choices": ["text"]}], r"choices\[0\] is of type str, not dict"),
        ([{"choices": [{"delta": "text"}]}], r"choices\[0\].delta is of type str, not dict"),
        ([chunk({"content": 5})], r"choices\[0\].delta.content is of type int, not str"),
        (["[DONE]"], "with no choices"),
    ],
)
def test_what_the_api_does_not_promise_is_named_by_its_place(a_call: Build, sent: list[object], named: str) -> None:
    with pytest.raises(LlmAnswerInvalid, match=f"^LLM instance 'demo' sent an answer .*{named}"):
        read(told(*sent), a_call())
