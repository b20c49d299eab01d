"""The simulated provider, option by option."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baton.adapters.llm.providers.simulated import simulation as simulated
from baton.domain.errors import LlmError, LlmRefused, LlmServerError, LlmThrottled, LlmTimeout
from baton.domain.llm.calls import LlmAnswer, LlmCall
from tests.support.llm_calls import complete
from tests.support.llm_endpoint import RecordingListener

Build = Callable[..., LlmCall]


def test_the_same_call_has_the_same_answer_which_shows_the_prompt(a_call: Build) -> None:
    first = simulated.complete(a_call())
    assert first == simulated.complete(a_call(tries=3))
    assert first.content == (
        "small-1 read 11 words, from “Tell me about the relay race of 1912 …” "
        "to “… the relay race of 1912 in one sentence.”."
    )
    assert (first.model, first.prompt_tokens, first.finish_reason) == ("small-1", 11, "stop")
    assert first.completion_tokens == len(first.content.split())


@pytest.mark.parametrize(
    ("prompt", "content"),
    [("", "m was given an empty prompt."), ("Hi", "m read 1 word: “Hi”."), ("a b", "m read 2 words: “a b”.")],
)
def test_short_prompts_are_quoted_in_full(a_call: Build, prompt: str, content: str) -> None:
    assert simulated.complete(a_call(prompt=prompt, model="m")).content == content


def test_prompt_tokens_include_the_system_prompt(a_call: Build) -> None:
    assert simulated.complete(a_call(system="Be brief.")).prompt_tokens == 13


@pytest.mark.parametrize(
    ("max_tokens", "content", "reason"),
    [(None, "one\n two", "stop"), (2, "one\n two", "stop"), (1, "one", "length"), (0, "", "length")],
)
def test_max_tokens_truncates_the_answer_with_finish_reason_length(
    a_call: Build, max_tokens: int | None, content: str, reason: str
) -> None:
    answer = simulated.complete(a_call(max_tokens=max_tokens, options={"answer": "one\n two"}))
    assert answer == LlmAnswer(
        content=content,
        model="small-1",
        prompt_tokens=11,
        completion_tokens=len(content.split()),
        finish_reason=reason,
    )


def test_the_delay_ends_at_the_timeout(a_call: Build) -> None:
    slept: list[float] = []
    simulated.complete(a_call(options={"delay_seconds": 2.5}), sleep=slept.append)
    simulated.complete(a_call(options={"delay_seconds": 2.5}, timeout_seconds=2.5), sleep=slept.append)
    with pytest.raises(LlmTimeout, match="within 1 s"):
        simulated.complete(a_call(options={"delay_seconds": 2.5}, timeout_seconds=1), sleep=slept.append)
    assert slept == [2.5, 2.5, 1]


class TimedListener(RecordingListener):
    """Records each text with the time slept before it."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []
        self.at: list[tuple[str, float]] = []

    def on_text(self, piece: str) -> None:
        super().on_text(piece)
        self.at.append((piece, sum(self.slept)))


def test_words_are_streamed_evenly_over_the_delay(a_call: Build) -> None:
    listener = TimedListener()
    call = a_call(options={"answer": " one\n two  three four ", "delay_seconds": 2})
    answer = simulated.complete(call, listener, sleep=listener.slept.append)
    assert answer == simulated.complete(a_call(options={"answer": call.settings.options["answer"]}))
    assert listener.at == [(" ", 0.4), ("one\n ", 0.8), ("two  ", 1.2000000000000002), ("three ", 1.6), ("four ", 2.0)]


def test_without_a_delay_words_are_streamed_at_once_and_without_streaming_not_at_all(a_call: Build) -> None:
    listener = TimedListener()
    options = {"answer": "one two"}
    simulated.complete(a_call(options=options), listener, sleep=listener.slept.append)
    complete(a_call(provider="simulated", options=options, stream=False), listener)
    simulated.complete(a_call(options={"answer": ""}), listener, sleep=listener.slept.append)
    assert (listener.answers, listener.slept) == ([["one two"], []], [])


def test_an_empty_answer_has_the_same_delay(a_call: Build) -> None:
    listener = TimedListener()
    simulated.complete(a_call(options={"answer": "", "delay_seconds": 2}), listener, sleep=listener.slept.append)
    assert (listener.answers, listener.slept) == ([[]], [2])


@pytest.mark.parametrize(
    ("seconds", "expected"), [(1, ["a ", "b "]), (0.4, []), (0.5, ["a "]), (2, ["a ", "b ", "c ", "d"])]
)
def test_words_after_the_timeout_are_not_streamed(a_call: Build, seconds: float, expected: list[str]) -> None:
    listener = TimedListener()
    call = a_call(timeout_seconds=seconds, options={"answer": "a b c d", "delay_seconds": 2})
    with pytest.raises(LlmTimeout) if seconds < 2 else nullcontext():
        simulated.complete(call, listener, sleep=listener.slept.append)
    assert (listener.pieces, sum(listener.slept)) == (expected, seconds)


@pytest.mark.parametrize("options", [{"throttle_tries": 1}, {"fail_status": 500, "delay_seconds": 2}])
def test_a_scripted_failure_starts_an_answer_without_text(a_call: Build, options: dict[str, Any]) -> None:
    listener = TimedListener()
    with pytest.raises(LlmError):
        simulated.complete(a_call(options=options), listener, sleep=listener.slept.append)
    assert (listener.answers, sum(listener.slept)) == ([[]], options.get("delay_seconds", 0))


@given(answer=st.text(), seconds=st.floats(0, 100))
def test_the_pieces_joined_are_the_answer(a_call: Build, answer: str, seconds: float) -> None:
    listener = TimedListener()
    call = a_call(timeout_seconds=100, options={"answer": answer, "delay_seconds": seconds})
    assert simulated.complete(call, listener, sleep=listener.slept.append).content == "".join(listener.pieces)
    assert sum(listener.slept) == pytest.approx(seconds)


def test_the_first_tries_are_throttled_at_once_with_retry_after(a_call: Build) -> None:
    slept: list[float] = []
    options = {"throttle_tries": 2, "retry_after_seconds": 2, "delay_seconds": 9}
    for tries in (0, 1):
        with pytest.raises(LlmThrottled, match="429") as caught:
            simulated.complete(a_call(options=options, tries=tries), sleep=slept.append)
        assert caught.value.retry_after == 2
    assert not slept
    assert simulated.complete(a_call(options=options, tries=2), sleep=slept.append).content


def test_throttling_without_retry_after_has_none(a_call: Build) -> None:
    with pytest.raises(LlmThrottled) as caught:
        simulated.complete(a_call(options={"throttle_tries": 1}))
    assert caught.value.retry_after is None


@pytest.mark.parametrize(
    ("status", "kind"), [(400, LlmRefused), (500, LlmServerError), (503, LlmThrottled), (408, LlmTimeout)]
)
def test_a_scripted_status_maps_to_the_same_failure_as_for_real_providers(
    a_call: Build, status: int, kind: type[LlmError]
) -> None:
    slept: list[float] = []
    options = {"fail_status": status, "fail_message": "As told", "delay_seconds": 1}
    with pytest.raises(LlmError, match=f"status {status}: As told.") as caught:
        simulated.complete(a_call(options=options), sleep=slept.append)
    assert type(caught.value) is kind
    assert slept == [1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("answer", 5),
        ("delay_seconds", "3"),
        ("delay_seconds", -1),
        ("delay_seconds", True),
        ("delay_seconds", float("inf")),
        ("delay_seconds", float("nan")),
        ("throttle_tries", 1.5),
        ("retry_after_seconds", []),
        ("fail_status", 200),
        ("fail_status", "500"),
        ("fail_message", {}),
    ],
)
def test_an_option_of_the_wrong_type_is_rejected_by_name(a_call: Build, name: str, value: object) -> None:
    with pytest.raises(LlmRefused, match=f"option '{name}' must be"):
        simulated.complete(a_call(options={name: value}))


def test_unset_options_and_those_of_other_providers_are_ignored(a_call: Build) -> None:
    assert simulated.complete(a_call(options={"answer": None, "top_k": 3})) == simulated.complete(a_call())


@pytest.mark.parametrize("fields", [{"prompt": "a\ud800b"}, {"options": {"answer": "a\ud800b"}}])
def test_a_lone_surrogate_is_replaced(a_call: Build, fields: dict[str, Any]) -> None:
    assert "a\ufffdb" in simulated.complete(a_call(**fields)).content


@given(
    prompt=st.text(),
    answer=st.none() | st.text(),
    max_tokens=st.none() | st.integers(0, 9),
)
def test_any_prompt_gets_an_encodable_answer(
    a_call: Build, prompt: str, answer: str | None, max_tokens: int | None
) -> None:
    read = simulated.complete(a_call(prompt=prompt, max_tokens=max_tokens, options={"answer": answer}))
    read.content.encode("utf-8")


def test_json_answers_are_a_small_object(a_call: Build) -> None:
    answer = simulated.complete(a_call(response_format="json"))
    assert json.loads(answer.content) == {"words": 11, "first": "Tell", "last": "sentence."}
    empty = simulated.complete(a_call(response_format="json", prompt=""))
    assert json.loads(empty.content) == {"words": 0, "first": "", "last": ""}
    assert simulated.complete(a_call(response_format="text")) == simulated.complete(a_call())


TEXT = "m read 2 words: “a b”."


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({}, TEXT),
        ({"type": "string", "title": "T", "description": "D"}, TEXT),
        ({"type": "string", "maxLength": 3}, "m r"),
        ({"type": "string", "minLength": 24}, TEXT + ".."),
        ({"type": "integer"}, 2),
        ({"type": "integer", "minimum": 4.5}, 5),
        ({"type": "integer", "maximum": -4.5}, -5),
        ({"type": "number", "maximum": 0.5}, 0.5),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"type": ["integer", "null"]}, 2),
        ({"enum": ["b", "a"]}, "b"),
        ({"const": {"a": [1]}}, {"a": [1]}),
        ({"anyOf": [{"type": "null"}, {"type": "string"}], "default": None}, None),
        ({"type": "array"}, []),
        ({"items": {"type": "integer"}}, [2]),
        ({"items": {"type": "integer"}, "minItems": 3}, [2, 2, 2]),
        ({"items": {"type": "integer"}, "maxItems": 0}, []),
        ({"properties": {"n": {"type": "integer"}}, "required": ["n", "x"]}, {"x": TEXT, "n": 2}),
        (
            {"type": "object", "required": ["x"], "additionalProperties": {"type": "null"}},
            {"x": None},
        ),
    ],
)
def test_schema_answers_are_deterministic_and_valid(a_call: Build, schema: Any, value: Any) -> None:
    call = a_call(response_format=schema, prompt="a b", model="m")
    assert json.loads(simulated.complete(call).content) == value
    assert complete(replace(call, endpoint=replace(call.endpoint, provider="simulated"))).format_retries == 0
    assert list(simulated.unsupported_settings(call.settings)) == []


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        ({"$ref": "#/$defs/a", "$defs": {"a": {}}}, r"'\$ref'"),
        ({"properties": {"a": {"type": "string", "pattern": "^a"}}}, "'pattern'"),
        ({"properties": {"a": False}}, "allows nothing"),
        ({"required": ["x"], "type": "object", "additionalProperties": False}, "allows nothing"),
        ({"anyOf": [{"type": "string"}], "type": "string"}, "'anyOf' beside other rules"),
        ({"anyOf": []}, "an empty 'anyOf'"),
        ({"enum": []}, "an empty 'enum'"),
        ({"type": []}, "an empty 'type'"),
        ({"type": "string", "minLength": 10**9}, "minLength"),
        ({"type": "array", "minItems": 10**9}, "1,000 values"),
        ({"minItems": 99, "items": {"minItems": 99, "items": {"minItems": 99, "items": {}}}}, "1,000 values"),
    ],
)
def test_an_unsupported_schema_is_rejected_by_keyword_unless_the_answer_is_given(
    a_call: Build, schema: Any, named: str
) -> None:
    call = a_call(response_format=schema)
    with pytest.raises(LlmRefused, match=f"'demo' is simulated; it can't generate .*{named}"):
        simulated.complete(call)
    (refusal,) = simulated.unsupported_settings(call.settings)
    assert refusal.setting == "response_format"
    call = a_call(response_format=schema, options={"answer": "{}"})
    assert simulated.complete(call).content == "{}"
    assert list(simulated.unsupported_settings(call.settings)) == []


names = st.sampled_from(["a", "b", "c"])
simple_schemas = st.recursive(
    st.sampled_from([{}, {"type": "null"}, {"type": "boolean"}, {"enum": ["x", 1]}, {"const": None}])
    | st.fixed_dictionaries({"type": st.just("string")}, optional={"minLength": st.integers(0, 50)})
    | st.fixed_dictionaries({"type": st.just("integer")}, optional={"minimum": st.floats(-9, 9)})
    | st.fixed_dictionaries({"type": st.just("number")}, optional={"maximum": st.floats(-9, 9)}),
    lambda inner: (
        st.fixed_dictionaries({"type": st.just("array"), "items": inner}, optional={"minItems": st.integers(0, 3)})
        | st.fixed_dictionaries(
            {"type": st.just("object"), "properties": st.dictionaries(names, inner)},
            optional={"required": st.lists(names, unique=True), "additionalProperties": inner},
        )
        | st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)})
    ),
    max_leaves=6,
)


@given(schema=simple_schemas, prompt=st.text(max_size=30))
def test_answers_to_simple_schemas_are_always_valid(a_call: Build, schema: Any, prompt: str) -> None:
    call = a_call(provider="simulated", response_format=schema, prompt=prompt)
    assert complete(call).format_retries == 0


def test_an_option_of_the_wrong_type_is_rejected_before_any_call(a_call: Build) -> None:
    (refusal,) = simulated.unsupported_settings(a_call(options={"delay_seconds": "3", "top_k": 1}).settings)
    assert (refusal.setting, refusal.detail) == ("options", "option 'delay_seconds' must be a number of seconds")
