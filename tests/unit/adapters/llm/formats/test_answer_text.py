"""The text of an answer, and the error if it has none."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from baton.adapters.llm.formats.answer_text import Output, answer_text, has_answer
from baton.adapters.llm.http.wire import HttpReply
from baton.adapters.llm.providers.anthropic import messages as anthropic
from baton.adapters.llm.providers.openai import chat_completions as openai
from baton.domain.errors import LlmAnswerInvalid, LlmError, LlmRefused, LlmServerError
from baton.domain.llm.calls import LlmCall

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
KEY = "sk-test-0123456789"
Build = Callable[..., LlmCall]


@pytest.mark.parametrize(
    ("output", "kind", "sentence"),
    [
        (
            Output(text="", reason="length", reasoning=True),
            LlmAnswerInvalid,
            "sent only reasoning, no answer; raise max_tokens.",
        ),
        (
            Output(text="<think>Hm", reason="stop"),
            LlmAnswerInvalid,
            "sent only reasoning, no answer; raise max_tokens.",
        ),
        (Output(text="", reason="tool_use", tool_calls=True), LlmAnswerInvalid, "sent only tool calls, no answer"),
        (Output(text="", reason="tool_calls"), LlmAnswerInvalid, "sent only tool calls, no answer"),
        (
            Output(text=" ", reason="MAX_TOKENS"),
            LlmAnswerInvalid,
            "was cut off before the first word of its answer (finish reason MAX_TOKENS); raise max_tokens.",
        ),
        (Output(text="", reason="stop", other_parts=True), LlmAnswerInvalid, "without text (finish reason stop)."),
        (Output(text="", reason="load"), LlmAnswerInvalid, "sent an answer without text (finish reason load)."),
        (Output(text="", reason=None), LlmAnswerInvalid, "without text, and without a reason why it stopped."),
        (Output(text="Swe", reason="network_error"), LlmServerError, "failed while it answered (finish reason net"),
        (Output(text="Swe", reason="SAFETY"), LlmRefused, "its content filter stopped this request (finish reason SA"),
        (Output(text="Swe", reason="stop", declined=True), LlmRefused, "the model declines this request (refusal)."),
        (Output(text="Swe", reason="refusal"), LlmRefused, "the model declines this request (refusal)."),
    ],
)
def test_the_error_names_what_was_sent_instead_of_an_answer(
    a_call: Build, output: Output, kind: type[LlmError], sentence: str
) -> None:
    with pytest.raises(LlmError) as caught:
        answer_text(output, a_call())
    assert type(caught.value) is kind
    assert str(caught.value).startswith("LLM instance 'demo' ")
    assert sentence in str(caught.value)


def test_the_key_is_removed_from_a_finish_reason(a_call: Build) -> None:
    with pytest.raises(LlmServerError) as caught:
        answer_text(Output(text="", reason=f"error {KEY}"), a_call())
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sweden.", True),
        ("<think>Hm.</think> Sweden.", True),
        ("Hm.</think>Sweden.", True),
        ("Use <think>, and end it with </think>", True),
        ("<thinking>a</thinking>\n<think>b</think>\nSweden.", True),
        ("<thin>", True),
        ("", False),
        (" \n\u3000", False),
        ("<think></think>", False),
        ("<think>\n\n</think>\n\n", False),
        ("<think>Hm", False),
        ("<think>a</think><think>b", False),
        ("Hm.\n</think>\n", False),
        ("<think>" * 200_000, False),
        ("<think></think>" * 100_000 + " " * 100_000, False),
    ],
)
def test_reasoning_is_not_an_answer(text: str, expected: bool) -> None:
    assert has_answer(text) is expected


REASONING: list[dict[str, Any]] = [
    {"content": "", "reasoning_content": "Hm."},
    {"content": None, "reasoning": "Hm."},
    {"content": "", "reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]},
    {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]},
    {"thinking": "Hm."},
]


@pytest.mark.parametrize("message", REASONING)
@pytest.mark.parametrize("reason", ["stop", "length"])
def test_each_servers_form_of_reasoning_is_recognised(a_call: Build, message: dict[str, Any], reason: str) -> None:
    body = {"choices": [{"message": message, "finish_reason": reason}]}
    with pytest.raises(LlmAnswerInvalid, match="only reasoning, no answer"):
        openai.read(HttpReply(status=200, headers={}, body=json.dumps(body).encode()), a_call(), NOW)


def test_reasoning_that_is_only_counted_is_recognised(a_call: Build) -> None:
    usage = {"completion_tokens": 64, "completion_tokens_details": {"reasoning_tokens": 64}}
    body = {"choices": [{"message": {"content": ""}, "finish_reason": "stop"}], "usage": usage}
    with pytest.raises(LlmAnswerInvalid, match="only reasoning, no answer"):
        openai.read(HttpReply(status=200, headers={}, body=json.dumps(body).encode()), a_call(), NOW)


@pytest.mark.parametrize("kind", ["thinking", "redacted_thinking"])
def test_thinking_of_anthropic_models_is_not_an_answer(a_call: Build, kind: str) -> None:
    body = {"content": [{"type": kind}], "stop_reason": "end_turn"}
    with pytest.raises(LlmAnswerInvalid, match="only reasoning, no answer"):
        anthropic.read(HttpReply(status=200, headers={}, body=json.dumps(body).encode()), a_call(), NOW)


@pytest.mark.parametrize("empty", [{"reasoning_content": ""}, {"reasoning": None}, {"tool_calls": []}, {"refusal": ""}])
def test_an_empty_reasoning_field_is_ignored(a_call: Build, empty: dict[str, Any]) -> None:
    body = {"choices": [{"message": {"content": None, **empty}, "finish_reason": "stop"}]}
    answer = openai.read(HttpReply(status=200, headers={}, body=json.dumps(body).encode()), a_call(), NOW)
    assert (answer.content, answer.empty, answer.finish_reason) == ("", True, "stop")


def test_an_error_text_instead_of_an_answer_is_quoted_without_key_and_prompt(a_call: Build) -> None:
    call = a_call(prompt="Tell me about the relay race of 1912.")
    message = f"flagged {KEY}: Tell me about the relay race of 1912."
    body = {"choices": None, "base_resp": {"status_code": 9, "status_msg": message}}
    for read in (openai.read, anthropic.read):
        with pytest.raises(LlmAnswerInvalid, match="flagged") as caught:
            read(HttpReply(status=200, headers={}, body=json.dumps(body).encode()), call, NOW)
        assert KEY not in str(caught.value)
        assert "relay" not in str(caught.value)
