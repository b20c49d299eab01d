"""The metadata of a response: what is stored of an answer and of the references in its prompt."""

from __future__ import annotations

import pytest

from baton.domain.prompts import Reference
from baton.domain.runs.responses import answer_metadata, reference_record
from tests.support.records import an_answer


def test_metadata_contains_the_counts_of_the_provider() -> None:
    answer = an_answer(prompt_tokens=10, completion_tokens=50, finish_reason="stop")
    metadata = answer_metadata(answer, duration_ms=2000)
    assert (metadata["total_tokens"], metadata["tokens_per_second"]) == (60, 25.0)
    assert (metadata["model"], metadata["finish_reason"], metadata["duration_ms"]) == ("small-1", "stop", 2000)


@pytest.mark.parametrize(
    ("prompt", "completion", "total"), [(None, None, None), (10, None, 10), (None, 5, 5), (0, 0, 0)]
)
def test_the_total_of_unknown_counts_is_unknown(prompt: int | None, completion: int | None, total: int | None) -> None:
    answer = an_answer(prompt_tokens=prompt, completion_tokens=completion)
    assert answer_metadata(answer, duration_ms=100)["total_tokens"] == total


def test_an_answer_without_a_duration_has_no_tokens_per_second() -> None:
    assert answer_metadata(an_answer(), duration_ms=0)["tokens_per_second"] is None


def test_long_texts_of_a_provider_are_shortened_in_the_metadata() -> None:
    metadata = answer_metadata(an_answer(model="m" * 10_000, finish_reason="f" * 10_000), duration_ms=1)
    assert (metadata["model"], metadata["finish_reason"]) == ("m" * 200, "f" * 200)


def test_metadata_marks_truncated_and_repeated_answers() -> None:
    whole = answer_metadata(an_answer(finish_reason="stop"), duration_ms=1)
    assert (whole["truncated"], whole["format_retries"]) == (False, 0)
    cut = answer_metadata(an_answer(finish_reason="length", format_retries=1), duration_ms=1)
    assert (cut["truncated"], cut["format_retries"]) == (True, 1)


def test_the_record_of_a_reference_contains_its_source_and_position() -> None:
    assert reference_record(Reference(name="a", source="response", position=0)) == {
        "name": "a",
        "where": "prompt",
        "source": "response",
        "position": 0,
    }
    assert reference_record(Reference(name="b", source="variable")) == {
        "name": "b",
        "where": "prompt",
        "source": "variable",
    }


@pytest.mark.parametrize(("content", "empty"), [("", True), (" \n", True), ("0", None), (" a ", None)])
def test_only_a_blank_answer_is_marked_as_empty(content: str, empty: bool | None) -> None:
    assert answer_metadata(an_answer(content), duration_ms=1).get("empty") is empty
