"""Streamed answers of servers with OpenAI's API: requests, answers and errors. No sockets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from baton.adapters.llm.http.server_sent_events import Event, events
from baton.adapters.llm.providers.openai import chat_completions as openai
from baton.domain.errors import (
    LlmError,
    LlmRefused,
    LlmTimeout,
    LlmUnreachable,
)
from baton.domain.llm.calls import LlmAnswer, LlmCall
from tests.support.providers.openai import OPENAI, chunk, events_of

read_stream = OPENAI.read_stream
STREAMS = Path(__file__).parent / "streams"
Build = Callable[..., LlmCall]


def body(call: LlmCall, *, streamed: bool = True) -> dict[str, Any]:
    sent: dict[str, Any] = json.loads(openai.request(call, streamed=streamed).body)
    return sent


# --- request -------------------------------------------------------------------------------------------------------


def test_with_a_listener_a_stream_with_token_counts_is_requested(a_call: Build) -> None:
    sent = body(a_call())
    assert sent == body(a_call(), streamed=False) | {"stream": True, "stream_options": {"include_usage": True}}


@pytest.mark.parametrize("stream", [False, True, None])
def test_without_a_listener_no_stream_is_requested_whatever_the_setting(a_call: Build, stream: bool | None) -> None:
    assert openai.request(a_call(stream=stream)) == openai.request(a_call())
    assert "stream" not in body(a_call(stream=stream), streamed=False)


def test_a_stream_options_option_overrides_the_default(a_call: Build) -> None:
    assert body(a_call(options={"stream_options": {}}))["stream_options"] == {}


def test_no_stream_options_are_sent_to_mistral(a_call: Build) -> None:
    sent = body(a_call(base_url="https://api.mistral.ai/v1"))
    assert sent["stream"] is True
    assert "stream_options" not in sent


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
def test_each_recorded_stream_yields_its_texts_and_the_whole_answer(
    a_call: Build, name: str, pieces: list[str], answer: tuple[Any, ...]
) -> None:
    model, prompt_tokens, completion_tokens, finish_reason = answer
    assert read_stream(events([(STREAMS / f"{name}.sse").read_bytes()]), a_call()) == (
        pieces,
        LlmAnswer(
            content="".join(pieces),
            model=model,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            finish_reason=finish_reason,
        ),
    )


def test_of_several_choices_the_first_is_used(a_call: Build) -> None:
    both = {"choices": [{"index": 1, "delta": {"content": "No"}}, {"index": 0, "delta": {"content": "Swe"}}]}
    other = {"choices": [{"index": 1, "delta": {"content": "rway"}, "finish_reason": "stop"}]}
    last = chunk({"content": "den."}, "stop")
    pieces, answer = read_stream(events_of(both, other, last, "[DONE]"), a_call())
    assert (pieces, answer.content) == (["Swe", "den."], "Sweden.")


def test_empty_fields_of_later_chunks_do_not_overwrite(a_call: Build) -> None:
    known = chunk({"content": "Sweden."}, "stop", usage={"prompt_tokens": 1, "completion_tokens": 2})
    empty = {"model": "", "usage": None, "choices": None}
    answer = read_stream(events_of(known, empty, chunk(None, None, model=""), "[DONE]"), a_call(model="asked"))[1]
    assert (answer.model, answer.prompt_tokens, answer.completion_tokens, answer.finish_reason) == (
        "small-1",
        1,
        2,
        "stop",
    )


@pytest.mark.parametrize("error", [LlmUnreachable("Broken."), LlmTimeout("Late.")])
def test_a_failure_after_the_finish_reason_is_ignored_and_before_it_is_raised(a_call: Build, error: LlmError) -> None:
    def sent(*values: object) -> Iterator[Event]:
        yield from events_of(*values)
        raise error

    assert read_stream(sent(chunk({"content": "Sweden."}, "stop")), a_call())[1].content == "Sweden."
    with pytest.raises(type(error), match=str(error)):
        read_stream(sent(chunk({"content": "Sweden."})), a_call())


# --- failures ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [b'error: {"code":400,"message":"Too long"}', b'event: error\ndata: {"code":400}'])
def test_an_event_named_error_is_an_error(a_call: Build, raw: bytes) -> None:
    with pytest.raises(LlmRefused, match="status 400"):
        read_stream(events([raw + b"\n\ndata: [DONE]\n\n"]), a_call())
