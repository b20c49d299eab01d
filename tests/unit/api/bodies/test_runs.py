"""Runs as clients read them: as much as one answer can carry."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baton.api.bodies.runs import RunSummary, RunView, fit_responses
from baton.api.budget import MAX_BODY_BYTES, fit_texts, text_size
from baton.domain.runs.responses import Response
from baton.domain.runs.run import RunHistory
from tests.fakes.texts import FakeTexts
from tests.support.records import AT_NOON, a_response, a_run

TEXTS = FakeTexts()


def sizes(responses: list[Response]) -> int:
    return sum(text_size(response.content) + text_size(response.prompt or "") for response in responses)


def test_what_fits_is_whole_and_unmarked() -> None:
    responses = [a_response(0, content="é" * 5, prompt="p"), a_response(1, content="x" * 10, prompt=None)]
    assert fit_responses(responses, TEXTS, budget=41) == responses


def test_of_equally_long_texts_the_first_are_whole_and_the_rest_are_truncated_and_marked() -> None:
    responses = [a_response(position, content="0123456789", prompt=None) for position in range(4)]
    kept = fit_responses(responses, TEXTS, budget=25)
    assert [response.content for response in kept] == ["0123456789", "0123456789", "01234", ""]
    assert [response.content_truncated for response in kept] == [False, False, True, True]


def test_the_small_answers_after_a_large_one_are_whole() -> None:
    responses = [a_response(position, content="x" * size, prompt=None) for position, size in enumerate((90, 5, 6, 7))]
    kept = fit_responses(responses, TEXTS, budget=50)
    assert [len(response.content) for response in kept] == [32, 5, 6, 7]
    assert [response.content_truncated for response in kept] == [True, False, False, False]


def test_an_empty_content_always_fits() -> None:
    responses = [a_response(0, content="full", prompt=None), a_response(1, content="", prompt=None)]
    (first, second) = fit_responses(responses, TEXTS, budget=4)
    assert (first.content_truncated, second.content_truncated) == (False, False)


def test_a_content_that_came_truncated_stays_marked() -> None:
    (kept,) = fit_responses([a_response(content="The beginn", content_truncated=True)], TEXTS)
    assert kept.content_truncated


def long_response(texts: FakeTexts, content: str, position: int = 0) -> Response:
    """A response whose content is kept elsewhere, as the store reads it."""
    key = texts.put(content)
    return a_response(
        position,
        content=content[:10],
        content_truncated=True,
        content_key=key,
        content_bytes=len(content.encode()),
        prompt=None,
    )


def test_a_long_content_that_fits_is_read_whole() -> None:
    texts = FakeTexts()
    (kept,) = fit_responses([long_response(texts, "0123456789abcé")], texts, budget=19)
    assert (kept.content, kept.content_truncated) == ("0123456789abcé", False)


def test_a_long_content_is_read_no_further_than_there_is_room() -> None:
    texts = FakeTexts()
    (kept,) = fit_responses([long_response(texts, "x" * 1000)], texts, budget=100)
    assert (kept.content, kept.content_truncated) == ("x" * 100, True)
    assert texts.bytes_read < 110


@pytest.mark.parametrize("character", ["x", "é", "語", "🙂", '"', "\\", "\n", "\x01", "\x7f"])
@pytest.mark.parametrize("missing", [0, 1])
def test_a_long_content_is_marked_as_cut_if_one_character_does_not_fit(character: str, missing: int) -> None:
    texts, content = FakeTexts(), character * 50
    (kept,) = fit_responses([long_response(texts, content)], texts, budget=text_size(content) - missing)
    assert (len(kept.content), kept.content_truncated) == (50 - missing, missing == 1)


def test_nothing_is_read_any_more_once_there_is_no_room() -> None:
    texts = FakeTexts()
    kept = fit_responses([long_response(texts, "x" * 1000, position) for position in range(40)], texts, budget=1500)
    assert texts.bytes_read < 1600
    assert [len(response.content) for response in kept] == [1000, 500, *[0] * 38]
    assert [response.content_truncated for response in kept] == [False, *[True] * 39]


@given(st.lists(st.text(max_size=20), max_size=6), st.integers(0, 60))
def test_no_character_is_split_and_the_budget_is_respected(contents: list[str], budget: int) -> None:
    responses = [a_response(position, content=content) for position, content in enumerate(contents)]
    kept = fit_responses(responses, TEXTS, budget)
    assert len(kept) == len(responses)
    assert sizes(kept) <= budget
    for whole, part in zip(responses, kept, strict=True):
        assert whole.content.startswith(part.content)
        assert part.content_truncated == (part.content != whole.content)


@given(st.text())
def test_a_text_is_measured_as_lambda_encodes_it(text: str) -> None:
    """And never less, whether what is beyond ASCII is escaped there or not."""
    body = json.dumps([text], ensure_ascii=False)
    assert text_size(text) == len(json.dumps({"body": body})) - len(json.dumps({"body": '[""]'}))
    unescaped = len(json.dumps({"body": body}, ensure_ascii=False).encode()) - len(json.dumps({"body": '[""]'}))
    assert unescaped <= text_size(text)


def test_a_text_longer_than_what_is_measured_at_once_is_cut_at_the_right_place() -> None:
    assert fit_texts(['"' * 100_000, "x" * 10], 200_010) == [('"' * 50_000, True), ("x" * 10, False)]


def test_prompts_count_as_contents_do() -> None:
    """A list of responses carries both; fifty prompts of 200 KB are more than Lambda can answer with."""
    responses = [a_response(position, prompt="p" * 200_000) for position in range(50)]
    kept = fit_responses(responses, TEXTS)
    assert sizes(kept) <= MAX_BODY_BYTES
    assert [response.content for response in kept] == ["An answer."] * 50
    assert [response.prompt_truncated for response in kept] == [len(each.prompt or "") < 200_000 for each in kept]


def test_a_list_of_references_too_long_for_a_run_is_left_out_and_marked() -> None:
    references = [{"name": "n" * 200, "source": "missing"}] * 100
    run = RunHistory(run=a_run(), variables={}, responses=(a_response(metadata={"m": 1, "references": references}),))
    assert RunView.of_history(run, TEXTS).responses[0].metadata == {"m": 1, "references_truncated": True}


def test_a_run_reads_as_the_api_promises() -> None:
    run = a_run(status="failed", error="It broke.", completed_at=AT_NOON, completed=1)
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
            "error": "It broke.",
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


def test_what_has_answered_counts_as_completed_at_once() -> None:
    """The run item counts only when the next payload starts."""
    history = RunHistory(run=a_run(completed=0), variables={}, responses=(a_response(),))
    assert RunView.of_history(history, TEXTS).metadata.completed_payloads == 1


def test_a_run_in_a_list_has_neither_variables_nor_responses() -> None:
    summary = RunSummary.of(a_run()).model_dump()
    assert set(summary) == {"id", "workflow_id", "status", "started_at", "completed_at", "metadata"}
    assert "variables" not in summary["metadata"]
