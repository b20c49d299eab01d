"""The slots of an LLM instance: how many calls run and wait, without the identity of any call.

Each call counts in the minute in which its lease expires, so that a call that has crashed or was cancelled is not
counted for ever. A call in the queue has a turn, the number of calls that have queued before it. Its step carries the
turn from one request to the next.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

MINUTE_MS = 60_000
GRACE_MS = 60_000
"""Added to each lease, because a wait may end late when the function starts cold."""

EXACT_LEASE_MINUTES = 30
"""Later leases expire with a full hour, so that even calls that wait for hours add few entries."""

HOUR_MINUTES = 60

MIN_POLL_MS, MAX_POLL_MS = 1_000, 300_000
"""Bounds of the wait for a slot. Waiting calls poll, because it is not known when a slot becomes free."""

EXPECTED_CALL_MS = 1_000
"""The duration of a call before the first one has ended."""

MEAN_DIVISOR = 8
"""The mean duration moves by this part of the difference to each new duration."""

POLL_PERCENT = 75
"""A call polls after this part of its expected wait: calls may become faster, and a late poll leaves a slot unused."""

MAX_POLLS_PER_CALL = 10
"""A waiting call polls no more often in the mean duration of a call, however few calls are before it."""

MAX_UNUSED_MS = 3_000
"""After a slot has been free for so long, any call may use it: those before it may have been cancelled."""

type Leases = Mapping[int, int]
"""From the minute (since the epoch) in which leases expire to the number of calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What a waiting call passes to its next request.

    With a ``turn`` it waits in the queue. Without one it holds a slot already and waits for requests or tokens; no
    other ticket of the instance has the same ``slot``. ``lease`` is the minute in which the place or the slot expires.
    """

    lease: int
    turn: int | None = None
    slot: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotQueue:
    """The calls that run and wait.

    ``turns_given`` is the turn of the next call that queues. ``turns_passed`` is the turn that is due: all before it
    have started or no longer exist. ``all_used_ms`` is when all slots were last seen in use.
    """

    running: Leases = field(default_factory=dict)
    waiting: Leases = field(default_factory=dict)
    turns_given: int = 0
    turns_passed: int = 0
    mean_call_ms: int = 0
    all_used_ms: int = 0

    @property
    def running_calls(self) -> int:
        """The calls that run, or that have crashed within their lease."""
        return sum(self.running.values())

    @property
    def waiting_calls(self) -> int:
        """The calls that wait, or that were cancelled within their lease."""
        return sum(self.waiting.values())


def lease(until_ms: int, now_ms: int) -> int:
    """The minute in which a lease expires that is needed until this time."""
    minute = math.ceil((until_ms + GRACE_MS) / MINUTE_MS)
    if minute - now_ms // MINUTE_MS <= EXACT_LEASE_MINUTES:
        return minute
    return math.ceil(minute / HOUR_MINUTES) * HOUR_MINUTES


def is_alive(minute: int, now_ms: int) -> bool:
    """Whether a lease of this minute has not expired."""
    return minute * MINUTE_MS > now_ms


def without_expired(queue: SlotQueue, now_ms: int) -> SlotQueue:
    """The queue without the calls whose leases have expired."""
    return replace(queue, running=_alive(queue.running, now_ms), waiting=_alive(queue.waiting, now_ms))


def left(queue: SlotQueue, ticket: Ticket | None) -> SlotQueue:
    """The queue without the place of this ticket."""
    return queue if ticket is None else replace(queue, waiting=_without(queue.waiting, ticket.lease))


def calls_ahead(queue: SlotQueue, turn: int | None) -> int:
    """How many of the waiting calls, without this one, are before it; all if it has no turn.

    Calls that were cancelled leave gaps between the turns. They are assumed to be spread evenly over the queue.
    """
    others = queue.waiting_calls
    if turn is None:
        return others
    turns = max(1, queue.turns_given - queue.turns_passed)
    return min(others, max(0, turn - queue.turns_passed) * (others + 1) // turns)


def may_start(queue: SlotQueue, ahead: int, max_concurrency: int, now_ms: int) -> bool:
    """Whether a slot is free for a call with so many calls before it."""
    free = max_concurrency - queue.running_calls
    return free > 0 and (ahead < free or now_ms - queue.all_used_ms >= MAX_UNUSED_MS)


def with_started(queue: SlotQueue, turn: int | None, minute: int) -> SlotQueue:
    """The call has a slot until this minute. If it has waited, the next turn is due."""
    passed = queue.turns_passed
    if turn is not None:
        passed += max(1, (queue.turns_given - passed) // (queue.waiting_calls + 1))
    if not queue.waiting:
        passed = queue.turns_given
    return replace(queue, running=_with(queue.running, minute), turns_passed=min(passed, queue.turns_given))


def with_waiting(queue: SlotQueue, turn: int | None, minute: int) -> tuple[SlotQueue, Ticket]:
    """The call waits until this minute at most; a call without a turn has the next one from now on."""
    given = queue.turns_given
    ticket = Ticket(lease=minute, turn=given if turn is None else turn)
    given += turn is None
    return replace(queue, waiting=_with(queue.waiting, minute), turns_given=given), ticket


def seen_at(queue: SlotQueue, max_concurrency: int, now_ms: int) -> SlotQueue:
    """The queue with the time at which all slots were in use, if they are."""
    return replace(queue, all_used_ms=now_ms) if queue.running_calls >= max_concurrency else queue


def poll_after_ms(queue: SlotQueue, ahead: int, max_concurrency: int, blocked_ms: int) -> int:
    """How long to wait until the next request. ``blocked_ms`` is how long a call holds its slot before it can start."""
    slot_ms = (queue.mean_call_ms or EXPECTED_CALL_MS) + blocked_ms
    expected = math.ceil((ahead + 1) * slot_ms * POLL_PERCENT / 100 / max_concurrency)
    return min(MAX_POLL_MS, max(MIN_POLL_MS, slot_ms // MAX_POLLS_PER_CALL, expected))


def with_ended(queue: SlotQueue, minute: int, call_ms: int, now_ms: int) -> SlotQueue:
    """The call has ended; its slot is free, unless its lease has expired before."""
    mean = queue.mean_call_ms
    mean = round(mean + (call_ms - mean) / MEAN_DIVISOR) if mean else call_ms
    return replace(without_expired(replace(queue, running=_without(queue.running, minute)), now_ms), mean_call_ms=mean)


def _alive(leases: Leases, now_ms: int) -> Leases:
    return {minute: calls for minute, calls in leases.items() if is_alive(minute, now_ms)}


def _with(leases: Leases, minute: int) -> Leases:
    return {**leases, minute: leases.get(minute, 0) + 1}


def _without(leases: Leases, minute: int) -> Leases:
    """One call less in this minute, if there is one."""
    left_calls = {**leases, minute: leases.get(minute, 0) - 1}
    return {minute: calls for minute, calls in left_calls.items() if calls > 0}
