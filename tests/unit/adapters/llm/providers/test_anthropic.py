"""Request as sent, answer as read, each failure by name, on bodies as the Messages API sends them. No sockets."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from baton.adapters.llm.http.wire import HttpReply
from baton.adapters.llm.providers.anthropic import messages as anthropic
from baton.domain.errors import LlmAnswerInvalid, LlmError, LlmRefused, LlmServerError, LlmThrottled
from baton.domain.llm.calls import LlmAnswer, LlmCall

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
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
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "description": "Short."},
        "items": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}},
        "size": {"anyOf": [{"enum": ["s", "l"]}, {"type": "object", "required": []}]},
    },
    "required": ["title"],
}
CLOSED: dict[str, Any] = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "description": "Short."},
        "items": {
            "type": "array",
            "items": {"type": "object", "properties": {"n": {"type": "integer"}}, "additionalProperties": False},
        },
        "size": {"anyOf": [{"enum": ["s", "l"]}, {"type": "object", "required": [], "additionalProperties": False}]},
    },
    "required": ["title"],
    "additionalProperties": False,
}
Build = Callable[..., LlmCall]


def reply(body: object, status: int = 200, **headers: str) -> HttpReply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpReply(status=status, headers={k.replace("_", "-"): v for k, v in headers.items()}, body=raw)


def an_error(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy"}


def sent(call: LlmCall) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(anthropic.request(call).body)
    return body


# --- request -------------------------------------------------------------------------------------------------------


def test_a_bare_call_sends_model_prompt_and_the_bound_that_the_api_demands(a_call: Build) -> None:
    request = anthropic.request(a_call(base_url=None, prompt="Grüße"))
    assert request.url == "https://api.anthropic.com/v1/messages"
    assert dict(request.headers) == {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "x-api-key": "sk-test-0123456789",
        "anthropic-version": "2023-06-01",
    }
    assert json.loads(request.body) == {
        "model": "small-1",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": "Grüße"}],
    }
    assert "Grüße".encode() in request.body
    assert "sk-test" not in repr(request)


def test_every_setting_goes_where_the_api_wants_it_and_zero_is_a_value(a_call: Build) -> None:
    call = a_call(
        system="Be brief.",
        temperature=0,
        top_p=0.0,
        max_tokens=5,
        stop=("END",),
        model="big-2",
        options={"top_k": 3, "thinking": {"type": "disabled"}},
    )
    assert sent(call) == {
        "model": "big-2",
        "max_tokens": 5,
        "system": "Be brief.",
        "messages": [{"role": "user", "content": call.prompt}],
        "temperature": 0,
        "top_p": 0.0,
        "stop_sequences": ["END"],
        "top_k": 3,
        "thinking": {"type": "disabled"},
    }


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("https://a.example", "https://a.example/v1/messages"),
        ("https://a.example/v1/", "https://a.example/v1/messages"),
        ("https://a.example/v1/messages", "https://a.example/v1/messages"),
        ("https://a.example/v1/models", "https://a.example/v1/messages"),
        ("https://a.example/anthropic?x=1", "https://a.example/anthropic/v1/messages?x=1"),
    ],
)
def test_the_path_is_joined_to_the_base_url(a_call: Build, base_url: str, url: str) -> None:
    assert anthropic.request(a_call(base_url=base_url)).url == url


@pytest.mark.parametrize("base_url", ["a.example/v1", "ftp://a.example", "http://", "http://[::1"])
def test_a_base_url_that_is_none_is_refused(a_call: Build, base_url: str) -> None:
    with pytest.raises(LlmRefused, match=r"'demo'.*base URL"):
        anthropic.request(a_call(base_url=base_url))


def test_without_a_key_there_is_no_header_for_it_and_one_with_an_umlaut_is_refused_unseen(a_call: Build) -> None:
    assert "x-api-key" not in anthropic.request(a_call(api_key=None)).headers
    with pytest.raises(LlmRefused, match="API key") as caught:
        anthropic.request(a_call(api_key="sk-schlüssel"))
    assert "schl" not in str(caught.value)


@pytest.mark.parametrize("name", ["stream", "messages", "model"])
def test_an_option_that_baton_sets_itself_is_refused_by_name(a_call: Build, name: str) -> None:
    with pytest.raises(LlmRefused, match=name):
        anthropic.request(a_call(options={name: True}))
    (refusal,) = anthropic.unsupported_settings(a_call(options={name: True}).settings)
    assert refusal.setting == "options"
    assert name in refusal.detail


def test_a_plain_schema_goes_out_in_the_apis_own_form_with_its_objects_closed(a_call: Build) -> None:
    body = sent(a_call(response_format=SCHEMA, system="Be brief."))
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": CLOSED}}
    assert body["system"] == "Be brief."
    assert "additionalProperties" not in SCHEMA, "the settings themselves stay as they are"


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {"type": "string"}},
        {**SCHEMA, "minProperties": 1},
        {**SCHEMA, "additionalProperties": {"type": "string"}},
        {**SCHEMA, "properties": {"a": {"$ref": "#"}}},
        {**SCHEMA, "properties": {"a": {"type": ["string", "null"]}}},
        {**SCHEMA, "properties": {"a": {"type": "string", "maxLength": 9}}},
        {**SCHEMA, "properties": {"a": {"enum": [{}]}}},
        {**SCHEMA, "properties": {"a": {}}},
        {**SCHEMA, "properties": {"a": True}},
    ],
)
def test_a_schema_that_the_api_would_refuse_is_written_into_the_system_prompt(
    a_call: Build, schema: dict[str, Any]
) -> None:
    body = sent(a_call(response_format=schema, system="Be brief."))
    assert "output_config" not in body
    assert body["system"] == (
        "Be brief.\n\nAnswer with JSON that follows this JSON Schema, and with nothing else:\n" + json.dumps(schema)
    )


def test_an_output_config_of_ones_own_moves_the_schema_into_the_system_prompt(a_call: Build) -> None:
    body = sent(a_call(response_format=SCHEMA, options={"output_config": {"effort": "low"}}))
    assert body["output_config"] == {"effort": "low"}
    assert json.dumps(SCHEMA) in body["system"]


def test_json_without_a_schema_is_asked_for_in_the_system_prompt(a_call: Build) -> None:
    assert sent(a_call(response_format="json"))["system"] == "Answer with JSON and nothing else."
    assert "system" not in sent(a_call(response_format="text"))
    assert "system" not in sent(a_call(system=""))


@pytest.mark.parametrize(
    ("settings", "refused"),
    [
        ({"seed": 0}, [("seed", "anthropic has no such setting")]),
        ({"temperature": 1.01}, [("temperature", "anthropic takes 0 to 1")]),
        ({"stop": ("END", " \n")}, [("stop", "anthropic takes no sequence of spaces and line breaks alone")]),
        ({"temperature": 1, "top_p": 1, "stop": ("END",), "max_tokens": 1, "response_format": "json"}, []),
        ({}, []),
    ],
)
def test_what_the_api_lacks_is_known_before_any_call(a_call: Build, settings: Any, refused: Any) -> None:
    found = [
        (refusal.setting, refusal.detail) for refusal in anthropic.unsupported_settings(a_call(**settings).settings)
    ]
    assert found == refused


# --- answer --------------------------------------------------------------------------------------------------------


def test_an_answer_is_read_whole(a_call: Build) -> None:
    assert anthropic.read(reply(GOOD), a_call(), NOW) == LlmAnswer(
        content="Sweden.",
        model="claude-haiku-4-5-20251001",
        prompt_tokens=12,
        completion_tokens=6,
        finish_reason="stop",
    )


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "text", "text": "Swe"}, {"type": "text", "text": "den."}], "Sweden."),
        ([{"type": "thinking", "thinking": "Hm.", "signature": "x"}, {"type": "text", "text": "Sweden."}], "Sweden."),
        ([{"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": "Sweden."}], "Sweden."),
        ([], ""),
        ([{"type": "text", "text": "a\ud800b"}], "a\ufffdb"),
    ],
)
def test_text_blocks_are_joined_and_others_left_out(a_call: Build, content: object, text: str) -> None:
    assert anthropic.read(reply({**GOOD, "content": content}), a_call(), NOW).content == text


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("pause_turn", "length"),
        (None, None),
        ([], None),
    ],
)
def test_stop_reasons_come_in_one_form(a_call: Build, said: Any, reason: str | None) -> None:
    answer = anthropic.read(reply({**GOOD, "stop_reason": said}), a_call(), NOW)
    assert (answer.finish_reason, answer.truncated) == (reason, reason == "length")


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"input_tokens": 2, "cache_creation_input_tokens": 30, "cache_read_input_tokens": 400}, (432, None)),
        ({"input_tokens": 2, "cache_read_input_tokens": None, "output_tokens": 0}, (2, 0)),
        ({"input_tokens": "2", "output_tokens": True}, (None, None)),
        (None, (None, None)),
        ([1], (None, None)),
    ],
)
def test_counts_include_what_went_through_the_prompt_cache(a_call: Build, usage: object, counts: object) -> None:
    answer = anthropic.read(reply({**GOOD, "usage": usage}), a_call(), NOW)
    assert (answer.prompt_tokens, answer.completion_tokens) == counts


@pytest.mark.parametrize(
    ("body", "named"),
    [
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
)
def test_an_answer_of_the_wrong_shape_is_named(a_call: Build, body: object, named: str) -> None:
    with pytest.raises(LlmAnswerInvalid, match=f"'demo' sent an answer .*{named}"):
        anthropic.read(reply(body), a_call(), NOW)


@pytest.mark.parametrize("content", [[], [{"type": "text", "text": "I can't help with relay races."}]])
def test_a_declined_request_is_a_refusal_that_quotes_nothing(a_call: Build, content: object) -> None:
    with pytest.raises(LlmRefused, match="declines") as caught:
        anthropic.read(reply({**GOOD, "content": content, "stop_reason": "refusal"}), a_call(), NOW)
    assert "relay" not in str(caught.value)


FAILURES = [
    (400, "invalid_request_error", "max_tokens: 9999999 > 64000, which is the maximum allowed", LlmRefused),
    (400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API.", LlmRefused),
    (401, "authentication_error", "invalid x-api-key", LlmRefused),
    (402, "billing_error", "There's an issue with your billing", LlmRefused),
    (403, "permission_error", "Your API key does not have permission to use the specified resource.", LlmRefused),
    (404, "not_found_error", "model: claude-nope", LlmRefused),
    (413, "request_too_large", "Request exceeds the maximum size", LlmRefused),
    (429, "rate_limit_error", "This request would exceed your organization's rate limit", LlmThrottled),
    (500, "api_error", "Internal server error", LlmServerError),
    (504, "timeout_error", "Request timed out", LlmServerError),
    (529, "overloaded_error", "Overloaded", LlmThrottled),
]


@pytest.mark.parametrize(("status", "kind", "message", "failure"), FAILURES)
def test_each_failure_has_its_class_and_the_providers_own_words(
    a_call: Build, status: int, kind: str, message: str, failure: type[LlmError]
) -> None:
    for told in (status, 200):
        with pytest.raises(LlmError) as caught:
            anthropic.read(reply(an_error(kind, message), told), a_call(), NOW)
        assert type(caught.value) is failure
        assert f"status {status}: {message}" in str(caught.value)


def test_a_web_page_in_front_of_the_api_says_its_status(a_call: Build) -> None:
    with pytest.raises(LlmRefused, match=r"status 413\b"):
        anthropic.read(reply(b"<html><h1>413 Request Entity Too Large</h1></html>", 413), a_call(), NOW)


def test_a_rate_limit_says_how_long_to_wait(a_call: Build) -> None:
    headers = {"retry_after": "17", "anthropic_ratelimit_requests_remaining": "0"}
    with pytest.raises(LlmThrottled) as caught:
        anthropic.read(reply(an_error("rate_limit_error", "Slow down"), 429, **headers), a_call(), NOW)
    assert caught.value.retry_after == 17


def test_a_failure_shows_no_key(a_call: Build) -> None:
    body = an_error("authentication_error", "invalid x-api-key sk-test-0123456789")
    with pytest.raises(LlmRefused) as caught:
        anthropic.read(reply(body, 401), a_call(), NOW)
    assert "sk-test" not in str(caught.value)
