"""Errors of LLM calls: the class for each status, and what the message may contain."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from baton.adapters.llm.formats.failures import failure_of
from baton.adapters.llm.http.wire import HttpReply
from baton.domain.errors import LlmAnswerInvalid, LlmError, LlmRefused, LlmServerError, LlmThrottled, LlmTimeout
from baton.domain.llm.calls import LlmCall

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
KEY = "sk-test-0123456789"
Build = Callable[..., LlmCall]


def failed(call: LlmCall, status: int, body: object = b"", **headers: str) -> LlmError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return failure_of(HttpReply(status=status, headers=named, body=raw), call, NOW)


@pytest.mark.parametrize(
    ("statuses", "kind"),
    [
        ((429, 503, 529), LlmThrottled),
        ((500, 501, 502, 504, 520, 524, 599), LlmServerError),
        ((408,), LlmTimeout),
        ((400, 401, 402, 403, 404, 405, 409, 413, 418, 422, 499), LlmRefused),
        ((300, 301, 302, 304, 307, 308), LlmRefused),
        ((101, 600, 999), LlmAnswerInvalid),
    ],
)
def test_each_status_maps_to_a_failure(a_call: Build, statuses: tuple[int, ...], kind: type[LlmError]) -> None:
    for status in statuses:
        error = failed(a_call(), status)
        assert type(error) is kind
        assert f"'demo' answered with status {status}" in str(error)


@pytest.mark.parametrize("where", ["code", "type"])
def test_an_empty_account_is_not_retried(a_call: Build, where: str) -> None:
    error = failed(a_call(), 429, {"error": {"message": "You exceeded your quota", where: "insufficient_quota"}})
    assert type(error) is LlmRefused


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"error": {"message": "Incorrect API key provided", "type": "invalid_request_error"}},
            "Incorrect API key pro",
        ),
        ({"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, "Loading model"),
        ([{"error": {"code": 400, "message": "API key not valid", "status": "INVALID"}}], "API key not valid"),
        ({"error": "model 'x' not found, try pulling it first"}, "model 'x' not found, try pulling it first"),
        ({"object": "error", "message": "The model `x` does not exist.", "code": 404}, "The model `x` does not exist."),
        ({"detail": "Not Found"}, "Not Found"),
        ({"detail": [{"loc": ["body", "n"], "msg": "Field required", "input": "a secret"}]}, "n: Field required"),
        (
            {"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "Not permitted"}]},
            "stream_options: Not permitted",
        ),
        (
            {"detail": [{"loc": ["body", "messages", 0, "content"], "msg": "Too long", "input": "a secret"}]},
            "messages.0.content: Too long",
        ),
        (
            {"detail": [{"loc": ["body", "n"], "msg": "A"}, {"loc": ["query", "v"], "msg": "B"}]},
            "n: A; v: B",
        ),
        ({"detail": [{"loc": ["body"], "msg": "Field required"}]}, "body: Field required"),
        ({"detail": [{"loc": "odd", "msg": "Field required"}]}, "Field required"),
        ({"detail": {"message": "No such model"}}, "No such model"),
        ({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}, "insufficient balance"),
        ({"error_code": 17, "error_msg": "Daily limit"}, "Daily limit"),
        ({"Response": {"Error": {"Code": "AuthFailure", "Message": "No such key"}}}, "No such key"),
        ({"output": {"message": "Out of credits"}}, "Out of credits"),
        ({"errors": ["Out of credits", {"message": "Pay"}]}, "Out of credits; Pay"),
        ({"output": {"text": "a secret"}, "response": "a secret"}, "Bad Gateway"),
        ({"message": "Forbidden"}, "Forbidden"),
        (b"no healthy upstream", "no healthy upstream"),
        (b"<html><h1>502</h1></html>", "Bad Gateway"),
        (b"", "Bad Gateway"),
        ({"error": {"message": None}}, "Bad Gateway"),
        ({"error": {"message": "Odd \ud800 text"}}, "Odd \ufffd text"),
    ],
)
def test_the_providers_message_is_found(a_call: Build, body: object, message: str) -> None:
    text = str(failed(a_call(), 502, body))
    assert text.startswith(f"LLM instance 'demo' answered with status 502: {message}")
    assert "secret" not in text


def test_a_long_message_is_shortened_and_put_on_one_line(a_call: Build) -> None:
    text = str(failed(a_call(), 400, {"error": {"message": "too\n\tlong " * 100}}))
    assert "too long too" in text
    assert text.endswith("…")
    assert len(text) < 360


def test_an_echoed_key_is_removed_even_from_a_shortened_message(a_call: Build) -> None:
    for padding in range(270, 310):
        assert "sk-test" not in str(failed(a_call(), 401, {"error": {"message": "x" * padding + KEY}}))


def test_a_key_with_a_line_break_is_removed_as_it_was_sent(a_call: Build) -> None:
    assert KEY not in str(failed(a_call(api_key=KEY + "\n"), 401, {"error": f"Bad key {KEY}"}))


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("Tell me about\nthe relay race of 1912.", "Flagged: Tell me about the relay race of 1912."),
        ("Tell me about the relay race of 1912.", "Flagged: '…about the relay race of 191'"),
        ("the relay", "Flagged: 'the relay'."),
    ],
)
def test_a_quoted_prompt_is_removed(a_call: Build, prompt: str, message: str) -> None:
    for call in (a_call(prompt=prompt), a_call(prompt="x", system=prompt)):
        text = str(failed(call, 400, {"error": {"message": message}}))
        assert "Flagged" in text
        assert "relay" not in text


def test_a_redirect_error_names_the_target(a_call: Build) -> None:
    assert "not followed; check the base URL" in str(failed(a_call(), 302))


def test_retry_after_is_read_from_headers_and_from_the_body(a_call: Build) -> None:
    retry_info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "38s"}
    gemini = [{"error": {"code": 429, "message": "Quota exceeded", "details": [retry_info]}}]
    for error, seconds in (
        (failed(a_call(), 429, retry_after="2"), 2.0),
        (failed(a_call(), 529, gemini), 38.0),
        (failed(a_call(), 503, gemini, retry_after="Fri, 02 Jan 2026 03:04:35 GMT"), 30.0),
        (failed(a_call(), 429, b"Slow down"), None),
    ):
        assert isinstance(error, LlmThrottled)
        assert error.retry_after == seconds
