"""A JSON answer is validated; an invalid one is requested once more, and a second invalid one is an error."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baton.adapters.llm.formats import json_answers, schemas
from baton.domain.errors import LlmFormatInvalid, LlmThrottled
from baton.domain.llm.calls import MAX_TIMEOUT_SECONDS, LlmCall
from tests.fakes.llm import FakeLlm
from tests.support.llm_endpoint import Endpoint
from tests.support.records import an_answer

Build = Callable[..., LlmCall]
SCHEMA = {
    "type": "object",
    "properties": {
        "items": {"type": "array", "items": {"type": "object", "properties": {"title": {"type": "string"}}}},
        "size": {"enum": ["s", "l"]},
    },
    "required": ["items"],
}
GOOD = '{"items": [{"title": "Sweden"}]}'


def seconds(*moments: float) -> Callable[[], float]:
    remaining: Iterator[float] = iter(moments)
    return lambda: next(remaining)


@pytest.mark.parametrize("content", [GOOD, f"```json\n{GOOD}\n```", f"\n ```\n{GOOD}\n```\n"])
def test_a_valid_answer_is_returned_unchanged(a_call: Build, content: str) -> None:
    llm = FakeLlm(content)
    assert json_answers.complete_json(llm, a_call(response_format=SCHEMA)) == an_answer(content)
    assert len(llm.calls) == 1


@pytest.mark.parametrize("content", ["{}", "[1]", '"text"', "5", "null"])
def test_without_a_schema_any_json_is_valid(a_call: Build, content: str) -> None:
    assert json_answers.complete_json(FakeLlm(content), a_call(response_format="json")).content == content


def test_an_invalid_answer_is_requested_once_more_with_the_reason(a_call: Build) -> None:
    llm = FakeLlm(an_answer('{"items": [{"title": 7}]}', prompt_tokens=10, completion_tokens=None), an_answer(GOOD))
    answer = json_answers.complete_json(llm, a_call(response_format=SCHEMA, tries=1))
    assert (answer.content, answer.format_retries) == (GOOD, 1)
    assert (answer.prompt_tokens, answer.completion_tokens) == (13, 5), "both calls are paid for"
    first, second = llm.calls
    assert second.prompt == (
        f"{first.prompt}\n\nYour last answer could not be used. At $.items[0].title it broke the JSON Schema: "
        "7 is not of type 'string'. Answer with JSON and nothing else."
    )
    assert (first.tries, second.tries) == (1, 2)
    assert second.settings.response_format == SCHEMA


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("secret", "isn't JSON"),
        ("", "isn't JSON"),
        ('"items": []} and more secret', "isn't JSON"),
        ("NaN", "isn't JSON"),
        ("[" * 100_000, "isn't JSON"),
        ("9" * 5000, "isn't JSON"),
        ("[]", r'breaks its JSON Schema at \$: "type": "object"'),
        ('{"secret": 1}', r'at \$: "required": \["items"\]'),
        ('{"items": [{"title": "a"}, {"title": {"a": "secret"}}]}', r'at \$\.items\[1\]\.title: "type": "string"'),
        ('{"items": [], "size": "secret"}', r'at \$\.size: "enum": \["s", "l"\]'),
    ],
)
def test_a_second_invalid_answer_fails_with_the_place_and_without_quoting_it(
    a_call: Build, content: str, sentence: str
) -> None:
    llm = FakeLlm(content, content)
    with pytest.raises(LlmFormatInvalid) as caught:
        json_answers.complete_json(llm, a_call(response_format=SCHEMA))
    assert re.search(f"^LLM instance 'demo' sent an answer that .*{sentence}\\.$", str(caught.value))
    assert "secret" not in str(caught.value)
    assert (caught.value.calls, len(llm.calls)) == (2, 2)
    assert len(llm.prompts[1]) < len(llm.prompts[0]) + 1000


def test_the_error_of_a_truncated_answer_names_the_cause(a_call: Build) -> None:
    cut = an_answer('{"items": [', finish_reason="length")
    with pytest.raises(LlmFormatInvalid, match="isn't JSON: it was cut off at its end, perhaps by max_tokens"):
        json_answers.complete_json(FakeLlm(cut, cut), a_call(response_format="json"))


def test_a_failure_of_the_second_call_counts_the_tokens_of_both(a_call: Build) -> None:
    with pytest.raises(LlmThrottled) as caught:
        json_answers.complete_json(FakeLlm("no", LlmThrottled("Later.", 2.0)), a_call(response_format="json"))
    assert (caught.value.calls, caught.value.retry_after) == (2, 2.0)
    with pytest.raises(LlmThrottled) as caught:
        json_answers.complete_json(FakeLlm(LlmThrottled("Later.")), a_call(response_format="json"))
    assert caught.value.calls == 1


@pytest.mark.parametrize(("elapsed", "remaining"), [(10, 500), (340, 500), (400, 440), (MAX_TIMEOUT_SECONDS - 5, 5)])
def test_both_calls_together_end_within_the_maximum_timeout(a_call: Build, elapsed: float, remaining: float) -> None:
    llm = FakeLlm("no", "{}")
    json_answers.complete_json(llm, a_call(response_format="json", timeout_seconds=500), seconds(1000, 1000 + elapsed))
    assert [call.timeout_seconds for call in llm.calls] == [500, remaining]


def test_without_time_left_an_invalid_answer_fails_at_once(a_call: Build) -> None:
    llm = FakeLlm("no")
    with pytest.raises(LlmFormatInvalid) as caught:
        json_answers.complete_json(llm, a_call(response_format="json"), seconds(0, MAX_TIMEOUT_SECONDS - 4))
    assert caught.value.calls == 1


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$id": "https://a.example/a", "properties": {"a": {"$id": "b", "$ref": "#/$defs/c"}}, "$defs": {"c": {}}},
    ],
)
def test_an_endlessly_recursive_schema_is_an_llm_error(a_call: Build, schema: dict[str, Any]) -> None:
    with pytest.raises(LlmFormatInvalid, match="can't be checked"):
        json_answers.complete_json(FakeLlm('{"a": 1}', '{"a": 1}'), a_call(response_format=schema))


def test_remote_references_of_a_schema_are_never_fetched(a_call: Build, endpoint: Endpoint) -> None:
    with pytest.raises(LlmFormatInvalid, match="can't be checked"):
        json_answers.complete_json(FakeLlm("1", "1"), a_call(response_format={"$ref": endpoint.url}))
    assert endpoint.connections == 0


ENDLESS = "^(a+)+$"
MATCHED = '{"a": "' + "a" * 60 + '!"}'


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"pattern": ENDLESS}}},
        {"properties": {"a": {"anyOf": [{"pattern": ENDLESS}, {"type": "string"}]}}},
        {"additionalProperties": {"pattern": ENDLESS}},
    ],
)
def test_a_slow_pattern_is_an_llm_error_without_a_retry(
    a_call: Build, monkeypatch: pytest.MonkeyPatch, schema: dict[str, Any]
) -> None:
    monkeypatch.setattr(json_answers, "MAX_CHECK_SECONDS", 0.2)
    llm = FakeLlm(MATCHED)
    with pytest.raises(
        LlmFormatInvalid, match=r"its JSON Schema's pattern took more than 0.2 s; simplify it"
    ) as caught:
        json_answers.complete_json(llm, a_call(response_format=schema))
    assert (caught.value.calls, len(llm.calls)) == (1, 1)


def test_a_pattern_for_property_names_is_bounded_too(a_call: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_answers, "MAX_CHECK_SECONDS", 0.2)
    llm = FakeLlm("no", json.dumps({"a" * 60 + "!": 1}))
    with pytest.raises(LlmFormatInvalid, match="pattern took more than") as caught:
        json_answers.complete_json(llm, a_call(response_format={"patternProperties": {ENDLESS: False}}))
    assert (caught.value.calls, len(llm.calls)) == (2, 2)


def test_checking_an_answer_is_bounded_to_two_seconds() -> None:
    assert json_answers.MAX_CHECK_SECONDS == 2


def test_a_schema_is_saved_without_matching_its_patterns() -> None:
    assert schemas.schema_error({"patternProperties": {ENDLESS: {"pattern": ENDLESS}}, "title": "a" * 60 + "!"}) is None


def test_of_several_values_the_valid_one_is_used(a_call: Build) -> None:
    content = f"For {GOOD} I made this of it:\n```json\n[]\n```"
    assert json_answers.complete_json(FakeLlm(content), a_call(response_format=SCHEMA)).format_retries == 0


def test_the_content_is_unchanged(a_call: Build) -> None:
    content = f"<think>Hm.</think>Here you are:\n```JSON\n{GOOD}\n```"
    assert json_answers.complete_json(FakeLlm(content), a_call(response_format=SCHEMA)).content == content


def test_a_forbidden_property_is_named(a_call: Build) -> None:
    with pytest.raises(LlmFormatInvalid, match=r"at \$: nothing is allowed there"):
        json_answers.complete_json(
            FakeLlm('{"a": 1}', '{"a": 1}'), a_call(response_format={"properties": {"a": False}})
        )


@given(content=st.text() | st.recursive(st.none() | st.integers(), st.lists).map(json.dumps))
def test_any_answer_is_valid_or_invalid(a_call: Build, content: str) -> None:
    with contextlib.suppress(LlmFormatInvalid):
        assert json_answers.complete_json(FakeLlm(content, content), a_call(response_format=SCHEMA)).content == content
