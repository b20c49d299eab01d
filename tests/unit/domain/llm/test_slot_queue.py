"""A thousand calls that wait for the slots of one instance: how often they poll, in which order, and how long."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from random import Random

import pytest

from baton.domain.llm.endpoints import LlmLimits
from baton.domain.llm.limits import LimitRequest, LimitState, Usage, acquire, release
from baton.domain.llm.slots import Ticket

CALLS = 1_000
SLOTS = 10
NOW = 1_770_000_000_000
ARRIVAL_SECONDS = 10
TRANSITIONS_OF_A_POLL = 3
"""Of the state machine: the payload, the choice and the wait."""

type Duration = Callable[[Random, float], float]


def constant(_random: Random, _at: float) -> float:
    return 20.0


def exponential(random: Random, _at: float) -> float:
    return random.expovariate(1 / 20)


def suddenly_faster(_random: Random, at: float) -> float:
    return 20.0 if at < 500 else 2.0


def mixed(random: Random, _at: float) -> float:
    return min(600.0, random.lognormvariate(math.log(8), 1.4))


@dataclass
class Queue:
    """Calls that arrive within seconds; the ``cancelled`` ones of them never return after their first wait."""

    duration: Duration
    cancelled: frozenset[int] = frozenset()
    limits: LlmLimits = field(default_factory=lambda: LlmLimits(max_concurrency=SLOTS))
    state: LimitState = field(default_factory=LimitState)
    polls: list[int] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    order: list[int] = field(default_factory=list)
    busy: float = 0
    ended: float = 0

    def run(self) -> Queue:
        random, number = Random(7), count()  # noqa: S311 - the same each time
        arrivals = sorted(random.uniform(0, ARRIVAL_SECONDS) for _ in range(CALLS))
        polls = [0] * CALLS
        events: list[tuple[float, int, int, Ticket | None, float]] = [
            (at, next(number), call, None, 0) for call, at in enumerate(arrivals)
        ]
        while events:
            at, _, call, ticket, duration = heapq.heappop(events)
            now = NOW + round(at * 1000)
            request = LimitRequest(tokens=0, max_call_ms=600_000, ticket=ticket)
            if duration:
                assert ticket is not None
                usage = Usage(call_ms=round(duration * 1000), lease=ticket.lease)
                self.state = release(self.state, self.limits, request, usage, now)
                self.ended = at
                continue
            if ticket is not None and call in self.cancelled:
                continue
            admission = acquire(self.state, self.limits, request, now)
            self.state = admission.state
            if admission.wait_ms:
                polls[call] += 1
                latency = random.uniform(0.05, 0.35)
                after = at + math.ceil(admission.wait_ms / 1000) + latency
                heapq.heappush(events, (after, next(number), call, admission.ticket, 0))
            else:
                takes = self.duration(random, at)
                self.busy += takes
                self.order.append(call)
                self.waited.append(at - arrivals[call])
                self.polls.append(polls[call])
                heapq.heappush(events, (at + takes, next(number), call, admission.ticket, takes))
        return self

    @property
    def transitions_per_minute(self) -> float:
        """Of a waiting call."""
        return TRANSITIONS_OF_A_POLL * sum(self.polls) / (sum(self.waited) / 60)

    @property
    def utilisation(self) -> float:
        return self.busy / SLOTS / self.ended

    @property
    def mean_distance(self) -> float:
        """Of the order of service from the order of arrival; a third of the calls if it were random."""
        expected = {call: place for place, call in enumerate(sorted(self.order))}
        return sum(abs(place - expected[call]) for place, call in enumerate(self.order)) / len(self.order)


@pytest.mark.parametrize(
    ("duration", "polls", "transitions", "utilisation"),
    [(constant, 11, 1.9, 0.95), (exponential, 10, 1.7, 0.92), (mixed, 14, 2.5, 0.9), (suddenly_faster, 8, 2.5, 0.8)],
)
def test_waiting_calls_poll_rarely_and_the_slots_are_in_use(
    duration: Duration, polls: int, transitions: float, utilisation: float
) -> None:
    """With waits of at most a minute, as before, a call polled 20 to 28 times, and 3.3 to 4 transitions a minute."""
    queue = Queue(duration).run()
    assert sorted(queue.order) == list(range(CALLS))
    assert sum(queue.polls) / CALLS <= polls
    assert queue.transitions_per_minute <= transitions
    assert queue.utilisation >= utilisation
    assert queue.mean_distance <= CALLS / 30, "a tenth of a random order"
    assert (queue.state.slots.running_calls, queue.state.slots.waiting_calls) == (0, 0)


@pytest.mark.parametrize("cancelled", [range(0, CALLS, 2), range(CALLS // 2)])
def test_cancelled_calls_do_not_block_the_queue(cancelled: range) -> None:
    queue = Queue(exponential, frozenset(cancelled)).run()
    assert set(queue.order) >= set(range(CALLS)) - set(cancelled)
    assert queue.utilisation >= 0.6
    assert queue.transitions_per_minute <= TRANSITIONS_OF_A_POLL
