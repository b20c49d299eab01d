"""Runs as clients receive them, within the maximum size of a body."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baton.api.bodies.runs import AttemptView, RunSummary, RunView, fit_responses
from baton.api.budget import MAX_BODY_BYTES, fit_texts, text_size
from baton.domain.llm.tokens import TokenUsage
from baton.domain.runs.responses import Response
from baton.domain.runs.run import RunHistory
from tests.fakes.texts import FakeTexts
from tests.support.records import AT_NOON, a_response, a_run

TEXTS = FakeTexts()


def sizes(responses: list[Response]) -> int:
    return sum(text_size(response.content) + text_size(response.prompt or "") for response in responses)


def test_contents_that_fit_are_complete_and_unmarked() -> None:
    responses = [a_response(0, content="é" * 5, prompt="p"), a_response(1, content="x" * 10, prompt=None)]
    assert fit_responses(responses, TEXTS, budget=41) == responses


def test_of_equally_long_texts_the_first_are_complete_and_the_rest_are_truncated_and_marked() -> None:
    responses = [a_response(position, content="0123456789", prompt=None) for position in range(4)]
    fitted = fit_responses(responses, TEXTS, budget=25)
    assert [response.content for response in fitted] == ["0123456789", "0123456789", "01234", ""]
    assert [response.content_truncated for response in fitted] == [False, False, True, True]


def test_small_answers_after_a_large_one_are_complete() -> None:
    responses = [a_response(position, content="x" * size, prompt=None) for position, size in enumerate((90, 5, 6, 7))]
    fitted = fit_responses(responses, TEXTS, budget=50)
    assert [len(response.content) for response in fitted] == [32, 5, 6, 7]
    assert [response.content_truncated for response in fitted] == [True, False, False, False]


def test_an_empty_content_always_fits() -> None:
    responses = [a_response(0, content="full", prompt=None), a_response(1, content="", prompt=None)]
    (first, second) = fit_responses(responses, TEXTS, budget=4)
    assert (first.content_truncated, second.content_truncated) == (False, False)


def test_a_content_that_was_already_truncated_is_still_marked() -> None:
    (fitted,) = fit_responses([a_response(content="The beginn", content_truncated=True)], TEXTS)
    assert fitted.content_truncated


def long_response(texts: FakeTexts, content: str, position: int = 0) -> Response:
    """A response whose content is stored elsewhere, as the store reads it."""
    key = texts.put(content)
    return a_response(
        position,
        content=content[:10],
        content_truncated=True,
        content_key=key,
        content_bytes=len(content.encode()),
        prompt=None,
    )


def test_a_long_content_that_fits_is_read_completely() -> None:
    texts = FakeTexts()
    (fitted,) = fit_responses([long_response(texts, "0123456789abcé")], texts, budget=19)
    assert (fitted.content, fitted.content_truncated) == ("0123456789abcé", False)


def test_no_more_of_a_long_content_is_read_than_fits() -> None:
    texts = FakeTexts()
    (fitted,) = fit_responses([long_response(texts, "x" * 1000)], texts, budget=100)
    assert (fitted.content, fitted.content_truncated) == ("x" * 100, True)
    assert texts.bytes_read < 110


@pytest.mark.parametrize("character", ["x", "é", "語", "🙂", '"', "\\", "\n", "\x01", "\x7f"])
@pytest.mark.parametrize("missing", [0, 1])
def test_a_long_content_is_marked_as_cut_if_one_character_does_not_fit(character: str, missing: int) -> None:
    texts, content = FakeTexts(), character * 50
    (fitted,) = fit_responses([long_response(texts, content)], texts, budget=text_size(content) - missing)
    assert (len(fitted.content), fitted.content_truncated) == (50 - missing, missing == 1)


def test_no_content_is_read_after_the_budget_is_used() -> None:
    texts = FakeTexts()
    fitted = fit_responses([long_response(texts, "x" * 1000, position) for position in range(40)], texts, budget=1500)
    assert texts.bytes_read < 1600
    assert [len(response.content) for response in fitted] == [1000, 500, *[0] * 38]
    assert [response.content_truncated for response in fitted] == [False, *[True] * 39]


@given(st.lists(st.text(max_size=20), max_size=6), st.integers(0, 60))
def test_no_character_is_split_and_the_budget_is_respected(contents: list[str], budget: int) -> None:
    responses = [a_response(position, content=content) for position, content in enumerate(contents)]
    fitted = fit_responses(responses, TEXTS, budget)
    assert len(fitted) == len(responses)
    assert sizes(fitted) <= budget
    for whole, part in zip(responses, fitted, strict=True):
        assert whole.content.startswith(part.content)
        assert part.content_truncated == (part.content != whole.content)


@given(st.text())
def test_a_text_is_measured_as_lambda_encodes_it(text: str) -> None:
    """The measured size is never too small, whether non-ASCII characters are escaped or not."""
    body = json.dumps([text], ensure_ascii=False)
    assert text_size(text) == len(json.dumps({"body": body})) - len(json.dumps({"body": '[""]'}))
    unescaped = len(json.dumps({"body": body}, ensure_ascii=False).encode()) - len(json.dumps({"body": '[""]'}))
    assert unescaped <= text_size(text)


def test_a_text_longer_than_one_measured_chunk_is_cut_at_the_right_place() -> None:
    assert fit_texts(['"' * 100_000, "x" * 10], 200_010) == [('"' * 50_000, True), ("x" * 10, False)]


def test_the_budget_includes_prompts() -> None:
    """A list of responses contains both; fifty prompts of 200 KB exceed Lambda's maximum response size."""
    responses = [a_response(position, prompt="p" * 200_000) for position in range(50)]
    fitted = fit_responses(responses, TEXTS)
    assert sizes(fitted) <= MAX_BODY_BYTES
    assert [response.content for response in fitted] == ["An answer."] * 50
    assert [response.prompt_truncated for response in fitted] == [len(each.prompt or "") < 200_000 for each in fitted]


def test_a_list_of_references_too_long_for_a_run_is_omitted_and_marked() -> None:
    references = [{"name": "n" * 200, "source": "missing"}] * 100
    run = RunHistory(run=a_run(), variables={}, responses=(a_response(metadata={"m": 1, "references": references}),))
    assert RunView.of_history(run, TEXTS).responses[0].metadata == {"m": 1, "references_truncated": True}


def test_a_run_view_has_the_documented_fields() -> None:
    run = a_run(status="failed", error="It broke.", completed_at=AT_NOON, completed=1)
    run = replace(run, usage=TokenUsage(prompt_tokens=3, completion_tokens=5))
    history = RunHistory(run=run, variables={"topic": "relays"}, responses=(a_response(),))
    assert RunView.of_history(history, TEXTS).model_dump() == {
        "id": 1,
        "workflow_id": 7,
        "status": "failed",
        "started_at": "2026-01-31T12:00:00.100Z",
        "completed_at": AT_NOON,
        "metadata": {
            "workflow_name": "Relay",
            "total_payloads": 2,
            "completed_payloads": 1,
            "attempt": 1,
            "created_at": AT_NOON,
            "usage": {"prompt_tokens": 3, "completion_tokens": 5},
            "error": "It broke.",
            "correlation_id": "call-1",
            "variables": {"topic": "relays"},
        },
        "responses": [
            {
                "id": 1,
                "run_id": 1,
                "payload_id": 11,
                "payload_name": "first",
                "position": 0,
                "content": "An answer.",
                "content_truncated": False,
                "metadata": {"model": "small-1", "tokens_per_second": 12.5, "references": []},
                "created_at": "2026-01-31T12:00:01.000Z",
            }
        ],
    }


def test_the_usage_of_an_older_run_is_that_of_its_responses() -> None:
    counts = [{"prompt_tokens": 3, "completion_tokens": 5}, {"prompt_tokens": None, "completion_tokens": 2}, {}]
    responses = tuple(a_response(position, metadata=metadata) for position, metadata in enumerate(counts))
    view = RunView.of_history(RunHistory(run=a_run(), variables={}, responses=responses), TEXTS)
    assert view.model_dump()["metadata"]["usage"] == {"prompt_tokens": 3, "completion_tokens": 7}
    assert "usage" not in RunSummary.of(a_run()).model_dump()["metadata"]


def test_a_payload_with_a_stored_response_counts_as_completed() -> None:
    """The counter of an older run does not include a response that an earlier attempt stored late."""
    history = RunHistory(run=a_run(completed=0), variables={}, responses=(a_response(),))
    assert RunView.of_history(history, TEXTS).metadata.completed_payloads == 1


def test_the_start_of_a_later_attempt_of_an_older_run_is_not_known() -> None:
    """The run has only the start of its first attempt."""
    assert AttemptView.of(a_run(attempt=1)).started_at == a_run().started_at
    assert AttemptView.of(a_run(attempt=2)).started_at is None
    assert AttemptView.of(a_run(attempt=2, attempt_started_at=AT_NOON)).started_at == AT_NOON


def test_an_attempt_has_only_the_details_that_are_known() -> None:
    view = AttemptView.of(a_run(correlation_id=None)).model_dump()
    assert set(view) == {"number", "status", "started_at", "ended_at", "first_position", "total_payloads"}


def test_a_run_in_a_list_has_neither_variables_nor_responses() -> None:
    summary = RunSummary.of(a_run()).model_dump()
    assert set(summary) == {"id", "workflow_id", "status", "started_at", "completed_at", "metadata"}
    assert "variables" not in summary["metadata"]
