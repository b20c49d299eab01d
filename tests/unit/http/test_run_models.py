"""Runs as clients read them: as much as one answer can carry."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from baton.domain.runs import RunHistory
from baton.runtime.http.budget import MAX_ANSWER_BYTES
from baton.runtime.http.run_models import RunAnswer, RunSummary, fitted
from tests.support.records import AT_NOON, a_response, a_run


def test_what_fits_is_whole_and_unmarked() -> None:
    responses = [a_response(0, content="é" * 5, prompt="p"), a_response(1, content="x" * 10, prompt=None)]
    assert fitted(responses, budget=21) == responses


def test_the_first_contents_are_kept_and_what_no_longer_fits_is_cut_and_marked() -> None:
    responses = [a_response(position, content="0123456789", prompt=None) for position in range(4)]
    kept = fitted(responses, budget=25)
    assert [response.content for response in kept] == ["0123456789", "0123456789", "01234", ""]
    assert [response.content_truncated for response in kept] == [False, False, True, True]


def test_an_empty_content_always_fits() -> None:
    (first, second) = fitted([a_response(0, content="full"), a_response(1, content="")], budget=4)
    assert (first.content_truncated, second.content_truncated) == (False, False)


def test_a_content_that_came_truncated_stays_marked() -> None:
    (kept,) = fitted([a_response(content="The beginn", content_truncated=True)])
    assert kept.content_truncated


@given(st.lists(st.text(max_size=20), max_size=6), st.integers(0, 60))
def test_no_character_is_split_and_the_budget_is_kept(contents: list[str], budget: int) -> None:
    responses = [a_response(position, content=content) for position, content in enumerate(contents)]
    kept = fitted(responses, budget)
    assert len(kept) == len(responses)
    assert sum(len(response.content.encode()) for response in kept) <= budget
    for whole, part in zip(responses, kept, strict=True):
        assert whole.content.startswith(part.content)
        assert part.content_truncated == (part.content != whole.content)


def test_prompts_count_as_contents_do() -> None:
    """A list of responses carries both; fifty prompts of 200 KB are more than Lambda can answer with."""
    responses = [a_response(position, prompt="p" * 200_000) for position in range(50)]
    kept = fitted(responses)
    assert sum(len(response.content) + len(response.prompt or "") for response in kept) <= MAX_ANSWER_BYTES
    assert [response.content for response in kept] == ["An answer."] * 50
    assert [response.prompt_truncated for response in kept] == [len(each.prompt or "") < 200_000 for each in kept]


def test_a_run_reads_as_the_api_promises() -> None:
    run = a_run(status="failed", error="It broke.", completed_at=AT_NOON, completed=1)
    history = RunHistory(run=run, variables={"topic": "relays"}, responses=(a_response(),))
    assert RunAnswer.of_history(history).model_dump() == {
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
    assert RunAnswer.of_history(history).metadata.completed_payloads == 1


def test_a_run_in_a_list_has_neither_variables_nor_responses() -> None:
    summary = RunSummary.of(a_run()).model_dump()
    assert set(summary) == {"id", "workflow_id", "status", "started_at", "completed_at", "metadata"}
    assert "variables" not in summary["metadata"]
