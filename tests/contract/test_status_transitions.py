"""The state machine makes only those transitions of a run's status that the domain allows."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from baton.domain.runs.run import FINAL_STATUSES, RESUMABLE_STATUSES, STATUSES, TRANSITIONS
from tests.support import template

STATES: dict[str, Any] = json.loads((template.ROOT / "functions" / "workflow.asl.json").read_text())["States"]
MARKS = {
    name: state["Parameters"] for name, state in STATES.items() if "UpdateExpression" in state.get("Parameters", {})
}


def statuses(parameters: dict[str, Any], expression: str, pattern: str) -> set[str]:
    """The statuses that an expression compares with or sets."""
    values = parameters["ExpressionAttributeValues"]
    return {values[name]["S"] for name in re.findall(pattern, parameters[expression])}


def test_each_update_of_the_state_machine_sets_a_status() -> None:
    assert sorted(MARKS) == ["MarkCompleted", "MarkFailed", "MarkRunning"]


@pytest.mark.parametrize("name", sorted(MARKS))
def test_the_state_machine_makes_only_allowed_transitions(name: str) -> None:
    """A second delivery may mark a running run as running again; that changes nothing."""
    before = statuses(MARKS[name], "ConditionExpression", r"#status = (:\w+)")
    (after,) = statuses(MARKS[name], "UpdateExpression", r"#status = (:\w+)")
    assert name == f"Mark{after.title()}"
    assert before == {status for status in TRANSITIONS if after in TRANSITIONS[status]} - FINAL_STATUSES | (
        {"running"} if after == "running" else set()
    )


def test_every_status_has_transitions_and_a_final_status_allows_only_a_resume() -> None:
    assert set(TRANSITIONS) == set(STATUSES)
    assert {"failed", "cancelled"} == RESUMABLE_STATUSES
    for status in FINAL_STATUSES:
        assert TRANSITIONS[status] <= {"running"}
