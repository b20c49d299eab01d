"""Leases and turns: when a lease expires, who is before whom, and what is counted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from baton.domain.llm.slots import (
    SlotQueue,
    Ticket,
    calls_ahead,
    is_alive,
    lease,
    left,
    may_start,
    poll_after_ms,
    seen_at,
    with_ended,
    with_started,
    with_waiting,
    without_expired,
)

MINUTE = 29_500_020
"""The beginning of an hour."""

NOW = MINUTE * 60_000


@pytest.mark.parametrize(
    ("milliseconds", "minutes"),
    [
        (0, 1),
        (1, 2),
        (60_000, 2),
        (60_001, 3),
        (29 * 60_000, 30),
        (29 * 60_000 + 1, 60),
        (59 * 60_000, 60),
        (59 * 60_000 + 1, 120),
    ],
)
def test_a_lease_expires_with_the_minute_after_a_minute_of_grace_or_with_a_full_hour(
    milliseconds: int, minutes: int
) -> None:
    assert lease(NOW + milliseconds, NOW) == MINUTE + minutes


def test_a_lease_from_the_end_of_a_minute_is_exact_for_thirty_minutes() -> None:
    now = NOW + 59_999
    assert lease(NOW + 29 * 60_000, now) == MINUTE + 30
    assert lease(NOW + 29 * 60_000 + 1, now) == MINUTE + 60


def test_a_lease_is_alive_before_its_minute() -> None:
    assert is_alive(MINUTE + 1, NOW + 59_999)
    assert not is_alive(MINUTE + 1, NOW + 60_000)


def test_expired_leases_are_not_counted() -> None:
    queue = SlotQueue(running={MINUTE: 2, MINUTE + 1: 3}, waiting={MINUTE: 4, MINUTE + 2: 5})
    assert (queue.running_calls, queue.waiting_calls) == (5, 9)
    alive = without_expired(queue, NOW)
    assert (alive.running, alive.waiting) == ({MINUTE + 1: 3}, {MINUTE + 2: 5})


def test_a_ticket_leaves_its_own_minute_of_the_waiting_calls() -> None:
    queue = SlotQueue(running={MINUTE: 1}, waiting={MINUTE: 1, MINUTE + 1: 2})
    assert left(queue, None) == queue
    assert left(queue, Ticket(lease=MINUTE, turn=0)) == replace(queue, waiting={MINUTE + 1: 2})
    assert left(queue, Ticket(lease=MINUTE + 1, turn=0)) == replace(queue, waiting={MINUTE: 1, MINUTE + 1: 1})
    assert left(queue, Ticket(lease=MINUTE + 2, turn=0)) == queue, "it was counted out already"


@pytest.mark.parametrize(
    ("turn", "others", "given", "ahead"),
    [
        (None, 4, 15, 4),
        (10, 4, 15, 0),
        (11, 4, 15, 1),
        (14, 4, 15, 4),
        (9, 4, 15, 0),
        (99, 4, 15, 4),
        (12, 1, 14, 1),
        (15, 4, 20, 2),
        (10, 0, 10, 0),
        (12, 3, 10, 3),
        (11, 3, 11, 3),
    ],
)
def test_the_calls_before_a_turn_are_its_part_of_the_waiting_calls(
    turn: int | None, others: int, given: int, ahead: int
) -> None:
    queue = SlotQueue(waiting={MINUTE: others}, turns_passed=10, turns_given=given)
    assert calls_ahead(queue, turn) == ahead


@pytest.mark.parametrize(
    ("running", "ahead", "unused_ms", "may"),
    [
        (3, 0, 9_999, False),
        (4, 0, 9_999, False),
        (2, 0, 0, True),
        (2, 1, 2_999, False),
        (2, 1, 3_000, True),
        (1, 1, 0, True),
        (1, 2, 0, False),
    ],
)
def test_a_call_may_start_if_slots_are_free_for_all_before_it_or_are_not_used(
    running: int, ahead: int, unused_ms: int, may: bool
) -> None:
    queue = SlotQueue(running={MINUTE: running}, all_used_ms=NOW - unused_ms)
    assert may_start(queue, ahead, 3, NOW) is may


def test_a_call_that_has_waited_passes_its_turn_and_those_that_were_cancelled() -> None:
    queue = SlotQueue(running={MINUTE: 1}, waiting={MINUTE: 4}, turns_passed=10, turns_given=20)
    started = with_started(queue, 10, MINUTE)
    assert (started.running, started.waiting, started.turns_passed) == ({MINUTE: 2}, {MINUTE: 4}, 12)
    dense = with_started(replace(queue, turns_given=13), 10, MINUTE + 1)
    assert (dense.running, dense.turns_passed) == ({MINUTE: 1, MINUTE + 1: 1}, 11)
    assert with_started(replace(queue, turns_given=10), 10, MINUTE).turns_passed == 10


def test_a_call_that_has_not_waited_passes_no_turn_before_calls_that_wait() -> None:
    queue = SlotQueue(waiting={MINUTE: 4}, turns_passed=10, turns_given=20)
    assert with_started(queue, None, MINUTE).turns_passed == 10
    assert with_started(replace(queue, waiting={}), None, MINUTE).turns_passed == 20


def test_a_call_has_one_turn_however_often_it_waits() -> None:
    queue, ticket = with_waiting(SlotQueue(turns_given=5), None, MINUTE)
    assert (ticket, queue.waiting, queue.turns_given) == (Ticket(lease=MINUTE, turn=5), {MINUTE: 1}, 6)
    queue, again = with_waiting(left(queue, ticket), ticket.turn, MINUTE + 1)
    assert (again, queue.waiting, queue.turns_given) == (Ticket(lease=MINUTE + 1, turn=5), {MINUTE + 1: 1}, 6)


@pytest.mark.parametrize(("running", "seen"), [(1, 7), (2, NOW), (3, NOW)])
def test_it_is_recorded_when_all_slots_were_in_use(running: int, seen: int) -> None:
    assert seen_at(SlotQueue(running={MINUTE: running}, all_used_ms=7), 2, NOW).all_used_ms == seen


@pytest.mark.parametrize(
    ("mean_ms", "ahead", "slots", "blocked_ms", "wait_ms"),
    [
        (20_000, 0, 2, 0, 7_500),
        (20_000, 3, 2, 0, 30_000),
        (20_000, 0, 2, 4_000, 9_000),
        (0, 9, 2, 0, 3_750),
        (1_001, 1, 1, 0, 1_502),
        (20_000, 0, 100, 0, 2_000),
        (9_000, 0, 100, 0, 1_000),
        (1_000_000, 1, 2, 0, 300_000),
        (840_000, 0, 2, 0, 300_000),
    ],
)
def test_a_call_polls_after_three_quarters_of_what_is_expected(
    mean_ms: int, ahead: int, slots: int, blocked_ms: int, wait_ms: int
) -> None:
    assert poll_after_ms(SlotQueue(mean_call_ms=mean_ms), ahead, slots, blocked_ms) == wait_ms


def test_an_ended_call_frees_its_slot_and_moves_the_mean_by_an_eighth() -> None:
    queue = SlotQueue(running={MINUTE: 1, MINUTE + 1: 2, MINUTE + 2: 1})
    first = with_ended(queue, MINUTE + 1, 8_000, NOW)
    assert (first.running, first.mean_call_ms) == ({MINUTE + 1: 1, MINUTE + 2: 1}, 8_000)
    second = with_ended(first, MINUTE + 2, 16_000, NOW)
    assert (second.running, second.mean_call_ms) == ({MINUTE + 1: 1}, 9_000)
