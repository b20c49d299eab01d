"""Requests, answers and errors, with bodies of the Messages API. No sockets."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from baton.adapters.llm.providers.anthropic import messages as anthropic
from baton.domain.errors import LlmError, LlmRefused, LlmServerError, LlmThrottled
from baton.domain.llm.calls import LlmCall
from tests.support.providers.anthropic import GOOD, an_error
from tests.support.providers.contract import NOW, reply

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


def sent(call: LlmCall) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(anthropic.request(call).body)
    return body


# --- request -------------------------------------------------------------------------------------------------------


def test_a_call_without_settings_sends_model_prompt_and_the_required_max_tokens(a_call: Build) -> None:
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


def test_without_a_key_no_header_is_sent_and_a_non_ascii_key_is_rejected_without_quoting_it(a_call: Build) -> None:
    assert "x-api-key" not in anthropic.request(a_call(api_key=None)).headers
    with pytest.raises(LlmRefused, match="API key") as caught:
        anthropic.request(a_call(api_key="sk-schlüssel"))
    assert "schl" not in str(caught.value)


def test_a_supported_schema_is_sent_as_output_format_with_closed_objects(a_call: Build) -> None:
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
def test_an_unsupported_schema_is_sent_in_the_system_prompt(a_call: Build, schema: dict[str, Any]) -> None:
    body = sent(a_call(response_format=schema, system="Be brief."))
    assert "output_config" not in body
    assert body["system"] == (
        "Be brief.\n\nAnswer with JSON that follows this JSON Schema, and with nothing else:\n" + json.dumps(schema)
    )


def test_an_output_config_option_moves_the_schema_into_the_system_prompt(a_call: Build) -> None:
    body = sent(a_call(response_format=SCHEMA, options={"output_config": {"effort": "low"}}))
    assert body["output_config"] == {"effort": "low"}
    assert json.dumps(SCHEMA) in body["system"]


def test_json_without_a_schema_is_requested_in_the_system_prompt(a_call: Build) -> None:
    assert sent(a_call(response_format="json"))["system"] == "Answer with JSON and nothing else."
    assert "system" not in sent(a_call(response_format="text"))
    assert "system" not in sent(a_call(system=""))


# --- answer --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [[], [{"type": "text", "text": "I can't help with relay races."}]])
def test_a_declined_request_fails_without_being_quoted(a_call: Build, content: object) -> None:
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
def test_each_failure_has_its_class_and_the_providers_message(
    a_call: Build, status: int, kind: str, message: str, failure: type[LlmError]
) -> None:
    for sent_status in (status, 200):
        with pytest.raises(LlmError) as caught:
            anthropic.read(reply(an_error(kind, message), sent_status), a_call(), NOW)
        assert type(caught.value) is failure
        assert f"status {status}: {message}" in str(caught.value)


def test_a_web_page_instead_of_json_is_reported_with_its_status(a_call: Build) -> None:
    with pytest.raises(LlmRefused, match=r"status 413\b"):
        anthropic.read(reply(b"<html><h1>413 Request Entity Too Large</h1></html>", 413), a_call(), NOW)


def test_a_rate_limit_returns_its_retry_after(a_call: Build) -> None:
    headers = {"retry_after": "17", "anthropic_ratelimit_requests_remaining": "0"}
    with pytest.raises(LlmThrottled) as caught:
        anthropic.read(reply(an_error("rate_limit_error", "Slow down"), 429, **headers), a_call(), NOW)
    assert caught.value.retry_after == 17


def test_a_failure_does_not_contain_the_key(a_call: Build) -> None:
    body = an_error("authentication_error", "invalid x-api-key sk-test-0123456789")
    with pytest.raises(LlmRefused) as caught:
        anthropic.read(reply(body, 401), a_call(), NOW)
    assert "sk-test" not in str(caught.value)
