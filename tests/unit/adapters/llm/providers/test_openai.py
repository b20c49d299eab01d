"""Requests, answers and errors. No sockets."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from baton.adapters.llm.providers.openai import chat_completions as openai
from baton.domain.errors import (
    LlmAnswerInvalid,
    LlmError,
    LlmRefused,
    LlmServerError,
    LlmThrottled,
    LlmTimeout,
)
from baton.domain.llm.calls import LlmCall
from tests.support.providers.contract import NOW, reply
from tests.support.providers.openai import GOOD, answer_of

Build = Callable[..., LlmCall]


# --- request -------------------------------------------------------------------------------------------------------


def test_a_call_without_settings_sends_only_model_and_prompt(a_call: Build) -> None:
    sent = openai.request(a_call(prompt="Grüße"))
    assert sent.url == "https://llm.example/v1/chat/completions"
    assert sent.headers["Authorization"] == "Bearer sk-test-0123456789"
    assert sent.headers["Content-Type"] == "application/json"
    assert json.loads(sent.body) == {"model": "small-1", "messages": [{"role": "user", "content": "Grüße"}]}
    assert "Grüße".encode() in sent.body


def test_response_format_text_sends_nothing(a_call: Build) -> None:
    assert openai.request(a_call(response_format="text")).body == openai.request(a_call()).body


@pytest.mark.parametrize(
    ("system", "prompt", "content"),
    [
        (None, "List three.", "List three.\n\nAnswer with JSON and nothing else."),
        (None, "List three as Json.", "List three as Json."),
        ("Speak json.", "List three.", "List three."),
    ],
)
def test_json_is_requested_and_the_prompt_contains_the_word_as_openai_requires(
    a_call: Build, system: str | None, prompt: str, content: str
) -> None:
    body = json.loads(openai.request(a_call(response_format="json", system=system, prompt=prompt)).body)
    assert body["response_format"] == {"type": "json_object"}
    assert body["messages"][-1] == {"role": "user", "content": content}


STRICT = {
    "type": "object",
    "properties": {"a": {"type": "array", "items": {"type": "string"}}, "b": {"anyOf": [{"type": "null"}]}},
    "required": ["b", "a"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (STRICT, {"strict": True}),
        ({**STRICT, "required": ["a"]}, {}),
        ({**STRICT, "additionalProperties": True}, {}),
        ({**STRICT, "minProperties": 1}, {}),
        ({"type": "array", "items": STRICT}, {}),
        ({"type": "object", "properties": {"inner": {**STRICT, "required": []}}, "required": ["inner"]}, {}),
    ],
)
def test_a_schema_is_sent_with_a_name_and_strict_only_if_openai_supports_it(
    a_call: Build, schema: dict[str, Any], strict: dict[str, Any]
) -> None:
    body = json.loads(openai.request(a_call(response_format=schema)).body)
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": schema, **strict},
    }
    assert body["messages"] == [{"role": "user", "content": a_call().prompt}]


def test_an_option_overrides_the_setting(a_call: Build) -> None:
    call = a_call(response_format="json", options={"response_format": {"type": "json_schema"}})
    assert json.loads(openai.request(call).body)["response_format"] == {"type": "json_schema"}


@pytest.mark.parametrize("key", [None, "", "  "])
def test_without_a_key_there_is_no_authorization(a_call: Build, key: str | None) -> None:
    assert "Authorization" not in openai.request(a_call(api_key=key)).headers


def test_a_line_break_after_a_key_is_removed_and_a_non_ascii_key_is_rejected_without_quoting_it(a_call: Build) -> None:
    assert openai.request(a_call(api_key="sk-1\n")).headers["Authorization"] == "Bearer sk-1"
    with pytest.raises(LlmRefused, match="API key") as caught:
        openai.request(a_call(api_key="sk-schlüssel"))
    assert "schl" not in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), object(), {1, 2}])
def test_an_option_that_is_not_json_is_rejected(a_call: Build, value: object) -> None:
    with pytest.raises(LlmRefused, match="JSON"):
        openai.request(a_call(options={"x": value}))


def test_a_lone_surrogate_in_the_prompt_is_replaced(a_call: Build) -> None:
    assert json.loads(openai.request(a_call(prompt="a\ud800b")).body)["messages"][0]["content"] == "a?b"


def test_neither_key_nor_prompt_is_in_a_repr(a_call: Build) -> None:
    shown = repr(openai.request(a_call()))
    assert "sk-test" not in shown
    assert "relay" not in shown


# --- answer --------------------------------------------------------------------------------------------------------


def test_a_truncated_answer_has_finish_reason_length(a_call: Build) -> None:
    assert openai.read(reply(answer_of({"content": "Swe"}, "length")), a_call(), NOW).finish_reason == "length"


@pytest.mark.parametrize("usage", [None, [], "many", {}, {"prompt_tokens": "12", "completion_tokens": True}])
def test_an_answer_without_token_counts_is_valid(a_call: Build, usage: object) -> None:
    answer = openai.read(reply({**GOOD, "usage": usage, "model": None}), a_call(), NOW)
    assert (answer.prompt_tokens, answer.completion_tokens, answer.model) == (None, None, "small-1")


def test_a_byte_order_mark_is_removed_and_an_invalid_byte_replaced(a_call: Build) -> None:
    raw = b"\xef\xbb\xbf" + json.dumps(GOOD).encode().replace(b"Sweden", b"Swed\xff")
    assert openai.read(reply(raw), a_call(), NOW).content == "Swed\ufffd."


@pytest.mark.parametrize(
    ("message", "finish_reason", "named"),
    [
        ({"content": None}, "content_filter", "content filter"),
        ({"content": ""}, "content_filter", "content filter"),
        ({"content": None, "refusal": "I can't help with relay races."}, "stop", "declines"),
    ],
)
def test_filtered_and_declined_answers_fail(a_call: Build, message: object, finish_reason: str, named: str) -> None:
    with pytest.raises(LlmRefused, match=named) as caught:
        openai.read(reply(answer_of(message, finish_reason)), a_call(), NOW)
    assert "relay" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": {"code": 429, "message": "Slow down"}}, LlmThrottled),
        ([{"error": {"code": 429, "message": "Slow down", "status": "RESOURCE_EXHAUSTED"}}], LlmThrottled),
        ({"error": {"code": "502", "message": "Upstream"}}, LlmServerError),
        ({"error": {"code": 408, "message": "Too slow"}}, LlmTimeout),
        ({"error": {"code": 402, "message": "No credits"}}, LlmRefused),
        ({"object": "error", "code": 404, "message": "The model does not exist", "type": "NotFoundError"}, LlmRefused),
        ({"choices": [{"error": {"code": 503, "message": "Busy"}, "message": {"content": ""}}]}, LlmThrottled),
        ({"error": {"code": 200, "message": "Odd"}}, LlmAnswerInvalid),
    ],
)
def test_an_error_in_a_success_response_is_mapped_by_its_own_code(
    a_call: Build, body: object, kind: type[LlmError]
) -> None:
    with pytest.raises(LlmError) as caught:
        openai.read(reply(body), a_call(), NOW)
    assert type(caught.value) is kind
