"""The plan of a run: a sequence; the rules are valid for any plan without a cycle."""

from __future__ import annotations

import pytest

from baton.domain.runs.plan import Plan, completed_before, next_position, predecessors, ready, sequence

DIAMOND: Plan = {0: (), 1: (0,), 2: (0,), 3: (1, 2)}
"""Two branches with a join."""


def test_a_sequence_runs_payloads_in_order() -> None:
    assert sequence(3) == {0: (), 1: (0,), 2: (1,)}
    assert [predecessors(position) for position in range(3)] == [(), (0,), (1,)]


@pytest.mark.parametrize(
    ("plan", "done", "expected"),
    [
        (sequence(3), (), (0,)),
        (sequence(3), (0,), (1,)),
        (sequence(3), (1,), (2,)),
        (sequence(3), (0, 1), (2,)),
        (sequence(3), (2,), ()),
        (sequence(0), (), ()),
        (DIAMOND, (), (0,)),
        (DIAMOND, (0,), (1, 2)),
        (DIAMOND, (0, 1), (2,)),
        (DIAMOND, (2,), (1,)),
        (DIAMOND, (1, 2), (3,)),
        (DIAMOND, (3,), ()),
    ],
)
def test_a_payload_is_ready_when_all_its_predecessors_are_done(
    plan: Plan, done: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    assert ready(plan, done) == expected


def test_the_next_position_is_the_first_ready_one_or_the_one_after_the_last() -> None:
    assert [next_position(sequence(3), set(range(count))) for count in range(4)] == [0, 1, 2, 3]
    assert next_position(DIAMOND, {0}) == 1


def test_completed_before_counts_the_payloads_before_a_position() -> None:
    assert [completed_before(position) for position in (0, 1, 199)] == [0, 1, 199]
