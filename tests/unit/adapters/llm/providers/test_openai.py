"""Request as sent, answer as read, each failure by name. No sockets."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from baton.adapters.llm.http.wire import HttpReply
from baton.adapters.llm.providers.openai import chat_completions as openai
from baton.domain.errors import (
    LlmAnswerInvalid,
    LlmError,
    LlmRefused,
    LlmServerError,
    LlmThrottled,
    LlmTimeout,
)
from baton.domain.llm.calls import LlmAnswer, LlmCall

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
GOOD: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "small-1-0613",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Sweden."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15},
}
Build = Callable[..., LlmCall]


def reply(body: object, status: int = 200, **headers: str) -> HttpReply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpReply(status=status, headers={k.replace("_", "-"): v for k, v in headers.items()}, body=raw)


def saying(message: object, finish_reason: object = "stop", **more: object) -> dict[str, Any]:
    return {**GOOD, "choices": [{"message": message, "finish_reason": finish_reason}], **more}


# --- request -------------------------------------------------------------------------------------------------------


def test_a_bare_call_sends_model_and_prompt_and_nothing_else(a_call: Build) -> None:
    sent = openai.request(a_call(prompt="Grüße"))
    assert sent.url == "https://llm.example/v1/chat/completions"
    assert sent.headers["Authorization"] == "Bearer sk-test-0123456789"
    assert sent.headers["Content-Type"] == "application/json"
    assert json.loads(sent.body) == {"model": "small-1", "messages": [{"role": "user", "content": "Grüße"}]}
    assert "Grüße".encode() in sent.body


def test_every_setting_goes_where_the_api_wants_it_and_zero_is_a_value(a_call: Build) -> None:
    call = a_call(
        system="Be brief.",
        temperature=0,
        top_p=0.0,
        max_tokens=5,
        stop=("END",),
        seed=0,
        model="big-2",
        options={"top_k": 3, "response_format": {"type": "json_object"}},
    )
    body = json.loads(openai.request(call).body)
    assert body.pop("messages")[0] == {"role": "system", "content": "Be brief."}
    assert body == {
        "model": "big-2",
        "temperature": 0,
        "top_p": 0.0,
        "max_tokens": 5,
        "stop": ["END"],
        "seed": 0,
        "top_k": 3,
        "response_format": {"type": "json_object"},
    }


def test_text_is_what_a_server_answers_anyway(a_call: Build) -> None:
    assert openai.request(a_call(response_format="text")).body == openai.request(a_call()).body


@pytest.mark.parametrize(
    ("system", "prompt", "content"),
    [
        (None, "List three.", "List three.\n\nAnswer with JSON and nothing else."),
        (None, "List three as Json.", "List three as Json."),
        ("Speak json.", "List three.", "List three."),
    ],
)
def test_json_is_asked_for_and_the_word_is_said_since_openai_demands_it(
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
def test_a_schema_goes_out_with_a_name_and_strict_only_where_openai_takes_it_so(
    a_call: Build, schema: dict[str, Any], strict: dict[str, Any]
) -> None:
    body = json.loads(openai.request(a_call(response_format=schema)).body)
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": schema, **strict},
    }
    assert body["messages"] == [{"role": "user", "content": a_call().prompt}]


def test_an_option_wins_over_the_setting(a_call: Build) -> None:
    call = a_call(response_format="json", options={"response_format": {"type": "json_schema"}})
    assert json.loads(openai.request(call).body)["response_format"] == {"type": "json_schema"}


def test_options_that_baton_sets_itself_are_known_before_any_call(a_call: Build) -> None:
    (refusal,) = openai.unsupported_settings(
        a_call(options={"stream": True, "top_k": 1}, seed=1, temperature=2).settings
    )
    assert (refusal.setting, refusal.detail) == ("options", "'stream' can't be one: Baton sets it")


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("https://a.example/v1", "https://a.example/v1/chat/completions"),
        ("https://a.example/v1/", "https://a.example/v1/chat/completions"),
        (" https://a.example ", "https://a.example/chat/completions"),
        ("http://127.0.0.1:8080/v1?api-version=7", "http://127.0.0.1:8080/v1/chat/completions?api-version=7"),
        ("https://a.example/v1/chat/completions/", "https://a.example/v1/chat/completions"),
        ("https://a.example/v1#there", "https://a.example/v1/chat/completions"),
    ],
)
def test_the_path_is_joined_to_the_base_url(a_call: Build, base_url: str, url: str) -> None:
    assert openai.request(a_call(base_url=base_url)).url == url


@pytest.mark.parametrize("base_url", [None, "", "localhost:8080/v1", "ftp://a.example", "http://", "http://[::1"])
def test_a_base_url_that_is_none_is_refused(a_call: Build, base_url: str | None) -> None:
    with pytest.raises(LlmRefused, match=r"'demo'.*base URL"):
        openai.request(a_call(base_url=base_url))


@pytest.mark.parametrize("key", [None, "", "  "])
def test_without_a_key_there_is_no_authorization(a_call: Build, key: str | None) -> None:
    assert "Authorization" not in openai.request(a_call(api_key=key)).headers


def test_a_key_pasted_with_a_line_break_works_and_one_with_an_umlaut_is_refused_unseen(a_call: Build) -> None:
    assert openai.request(a_call(api_key="sk-1\n")).headers["Authorization"] == "Bearer sk-1"
    with pytest.raises(LlmRefused, match="API key") as caught:
        openai.request(a_call(api_key="sk-schlüssel"))
    assert "schl" not in str(caught.value)


@pytest.mark.parametrize("name", ["stream", "messages", "model"])
def test_an_option_that_baton_sets_itself_is_refused_by_name(a_call: Build, name: str) -> None:
    with pytest.raises(LlmRefused, match=name):
        openai.request(a_call(options={name: True}))


@pytest.mark.parametrize("value", [float("nan"), object(), {1, 2}])
def test_an_option_that_is_no_json_is_refused(a_call: Build, value: object) -> None:
    with pytest.raises(LlmRefused, match="JSON"):
        openai.request(a_call(options={"x": value}))


def test_a_lone_surrogate_in_the_prompt_is_sent_as_something_encodable(a_call: Build) -> None:
    assert json.loads(openai.request(a_call(prompt="a\ud800b")).body)["messages"][0]["content"] == "a?b"


def test_neither_key_nor_prompt_is_in_a_repr(a_call: Build) -> None:
    shown = repr(openai.request(a_call()))
    assert "sk-test" not in shown
    assert "relay" not in shown


# --- answer --------------------------------------------------------------------------------------------------------


def test_an_answer_is_read_whole(a_call: Build) -> None:
    assert openai.read(reply(GOOD), a_call(), NOW) == LlmAnswer(
        content="Sweden.", model="small-1-0613", prompt_tokens=12, completion_tokens=3, finish_reason="stop"
    )


@pytest.mark.parametrize(
    ("message", "content"),
    [
        ({"content": ""}, ""),
        ({"content": [{"type": "text", "text": "Swe"}, {"type": "text", "text": "den."}]}, "Sweden."),
        ({"content": [{"type": "thinking", "thinking": []}, {"type": "text", "text": "Sweden."}]}, "Sweden."),
        ({"content": "a\ud800b", "refusal": None}, "a\ufffdb"),
        ({"content": "\U0001f3c3"}, "\U0001f3c3"),
    ],
)
def test_text_is_found_and_made_encodable(a_call: Build, message: object, content: str) -> None:
    answer = openai.read(reply(saying(message)), a_call(), NOW)
    assert answer.content == content
    answer.content.encode("utf-8")


def test_a_cut_answer_says_so(a_call: Build) -> None:
    assert openai.read(reply(saying({"content": "Swe"}, "length")), a_call(), NOW).finish_reason == "length"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("stop", "stop"),
        ("eos", "stop"),
        ("eos_token", "stop"),
        ("STOP", "stop"),
        ("length", "length"),
        ("model_length", "length"),
        ("MAX_TOKENS", "length"),
        ("function_call", "tool_calls"),
        ("load", "load"),
        ("Odd One", "Odd One"),
        (None, None),
        (5, None),
    ],
)
def test_finish_reasons_come_in_one_form_and_unknown_ones_as_they_are(a_call: Build, said: Any, reason: Any) -> None:
    answer = openai.read(reply(saying({"content": "Swe"}, said)), a_call(), NOW)
    assert (answer.finish_reason, answer.truncated) == (reason, reason == "length")


@pytest.mark.parametrize("usage", [None, [], "many", {}, {"prompt_tokens": "12", "completion_tokens": True}])
def test_an_answer_without_counts_is_still_an_answer(a_call: Build, usage: object) -> None:
    answer = openai.read(reply({**GOOD, "usage": usage, "model": None}), a_call(), NOW)
    assert (answer.prompt_tokens, answer.completion_tokens, answer.model) == (None, None, "small-1")


def test_a_byte_order_mark_and_a_broken_byte_do_not_cost_the_answer(a_call: Build) -> None:
    raw = b"\xef\xbb\xbf" + json.dumps(GOOD).encode().replace(b"Sweden", b"Swed\xff")
    assert openai.read(reply(raw), a_call(), NOW).content == "Swed\ufffd."


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"", "isn't JSON"),
        (b'{"choices": [', "isn't JSON"),
        (b"[" * 100_000, "isn't JSON"),
        (b"<html>Sign in</html>", "a web page"),
        (b"null", "without body"),
        (b"[1]", "body is of type list"),
        ({}, "without choices"),
        ({"choices": {}}, "choices is of type dict, not list"),
        ({"choices": []}, "no choices"),
        ({"choices": [None]}, r"without choices\[0\]"),
        ({"choices": ["hello"]}, r"choices\[0\] is of type str"),
        ({"choices": [{}]}, r"without choices\[0\].message"),
        (saying("text"), "message is of type str"),
        (saying({"content": None}, {"secret": 1}), "without text, and without a reason"),
        (saying({"content": 5}), "content is of type int"),
        (saying({"content": [{"type": "image"}]}), r"without text \(finish reason stop\)"),
        ({"error": {"message": "Model crashed", "code": None}}, "an error instead: Model crashed"),
        ({"error": "Model crashed"}, "an error instead: Model crashed"),
    ],
)
def test_an_answer_of_the_wrong_shape_is_named(a_call: Build, body: object, named: str) -> None:
    with pytest.raises(LlmAnswerInvalid, match=f"'demo' sent an answer .*{named}"):
        openai.read(reply(body), a_call(), NOW)


@pytest.mark.parametrize(
    ("message", "finish_reason", "named"),
    [
        ({"content": None}, "content_filter", "content filter"),
        ({"content": ""}, "content_filter", "content filter"),
        ({"content": None, "refusal": "I can't help with relay races."}, "stop", "declines"),
    ],
)
def test_filtered_and_declined_answers_are_refusals(
    a_call: Build, message: object, finish_reason: str, named: str
) -> None:
    with pytest.raises(LlmRefused, match=named) as caught:
        openai.read(reply(saying(message, finish_reason)), a_call(), NOW)
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
def test_an_error_inside_a_success_counts_by_its_own_code(a_call: Build, body: object, kind: type[LlmError]) -> None:
    with pytest.raises(LlmError) as caught:
        openai.read(reply(body), a_call(), NOW)
    assert type(caught.value) is kind
