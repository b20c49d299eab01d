"""Which metrics follow from a call, a wait, a payload, a batch of changes and lost connections."""

from __future__ import annotations

from typing import Any

import pytest

from baton.domain import errors
from baton.domain.errors import LlmError, LlmFormatInvalid, LlmTimeout
from baton.domain.live.messages import Change
from baton.domain.llm.endpoints import LlmPrice
from baton.domain.metrics import (
    CAUSES,
    Metric,
    cause_of,
    connections_lost,
    llm_answered,
    llm_failed,
    message_lags,
    payload_answered,
    runs_ended,
    waited,
)
from baton.domain.runs.run import FINAL_STATUSES, STATUSES, Status
from tests.support.records import a_part, a_response, a_run, an_answer, an_endpoint

PRICED = an_endpoint(price=LlmPrice(prompt=2.0, completion=10.0))


def values(metrics: list[Metric]) -> dict[str, float]:
    return {" ".join((each.name, *each.dimensions.values())): each.value for each in metrics}


def test_an_answer_is_one_call_with_its_duration_tokens_and_cost() -> None:
    metrics = llm_answered(PRICED, an_answer(prompt_tokens=1_000, completion_tokens=50), 1234)
    assert values(metrics) == {
        "LlmCalls simulated answered none": 1,
        "LlmDuration simulated": 1234,
        "InputTokens simulated": 1_000,
        "OutputTokens simulated": 50,
        "Cost simulated": 0.0025,
    }


@pytest.mark.parametrize(
    ("endpoint", "counts", "missing"),
    [
        (an_endpoint(), {}, {"Cost"}),
        (PRICED, {"prompt_tokens": None}, {"Cost", "InputTokens"}),
        (PRICED, {"completion_tokens": None}, {"Cost", "OutputTokens"}),
    ],
)
def test_what_is_not_known_is_not_counted(endpoint: Any, counts: dict[str, Any], missing: set[str]) -> None:
    """An unknown cost is not a cost of 0."""
    names = {each.name for each in llm_answered(endpoint, an_answer(**counts), 1)}
    assert names == {"LlmCalls", "LlmDuration", "InputTokens", "OutputTokens", "Cost"} - missing


def test_a_free_call_has_the_cost_0() -> None:
    free = an_endpoint(price=LlmPrice(prompt=0.0, completion=0.0))
    assert values(llm_answered(free, an_answer(), 1))["Cost simulated"] == 0


def test_the_broken_json_before_an_answer_is_a_failed_call() -> None:
    metrics = values(llm_answered(an_endpoint(), an_answer(format_retries=1), 1))
    assert metrics["LlmCalls simulated answered none"] == 1
    assert metrics["LlmCalls simulated failed format_invalid"] == 1


def test_an_error_is_as_many_calls_as_were_made() -> None:
    twice = LlmFormatInvalid("not JSON")
    twice.calls = 2
    assert values(llm_failed(an_endpoint(), twice)) == {"LlmCalls simulated failed format_invalid": 2}
    assert values(llm_failed(an_endpoint(), LlmTimeout("30 s"))) == {"LlmCalls simulated failed timeout": 1}


def test_every_llm_error_has_a_cause_of_its_own() -> None:
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, LlmError)}
    assert set(CAUSES) == kinds - {LlmError}
    assert len(set(CAUSES.values())) == len(CAUSES)


def test_an_error_of_a_subclass_has_the_cause_of_its_class() -> None:
    class Slow(LlmTimeout):
        """A later kind of timeout."""

    assert cause_of(Slow("slow")) == "timeout"


def test_a_wait_is_counted_and_measured() -> None:
    assert values(waited("limit", 65)) == {"Waits limit": 1, "WaitSeconds limit": 65}


def test_a_payload_lasts_from_its_start_to_its_response() -> None:
    response = a_response(started_at="2026-01-31T11:59:59.900Z", created_at="2026-01-31T12:01:00.150Z")
    assert payload_answered(response) == [Metric(name="PayloadDuration", unit="Milliseconds", value=60_250)]


@pytest.mark.parametrize("status", STATUSES)
def test_a_change_to_a_final_status_ends_a_run(status: Status) -> None:
    change = Change(index=0, old=a_run(status="running"), new=a_run(status=status))
    expected = {f"RunsEnded {status}": 1.0} if status in FINAL_STATUSES else {}
    assert values(runs_ended([change])) == expected


@pytest.mark.parametrize("record", [a_response(), a_part(), a_run(status="failed")])
def test_no_other_write_ends_a_run(record: Any) -> None:
    assert runs_ended([Change(index=0, old=record, new=record)]) == []
    if record != a_run(status="failed"):
        assert runs_ended([Change(index=0, old=None, new=record)]) == []


def test_each_lag_is_a_value() -> None:
    assert [(each.name, each.unit, each.value) for each in message_lags([7, 12])] == [
        ("MessageLag", "Milliseconds", 7),
        ("MessageLag", "Milliseconds", 12),
    ]


def test_only_lost_connections_are_counted() -> None:
    assert connections_lost() == []
    assert values(connections_lost(gone=3)) == {"ConnectionsGone": 3}
    assert values(connections_lost(dropped=2)) == {"ConnectionsDropped": 2}
