"""Any order of calls, crashes, cancellations, repeated deliveries and lost writes: never too many calls at a time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from random import Random

import pytest

from baton.domain.errors import LimitsConflict, LimitsUnknown
from baton.domain.llm.calls import LlmCall
from baton.domain.llm.endpoints import LlmLimits
from baton.domain.llm.limits import LimitState
from baton.domain.llm.settings import LlmSettings
from baton.domain.llm.slots import Ticket, without_expired
from baton.usecases.llm.limiter import Limiter, Slot
from tests.fakes.clock import FakeClock
from tests.fakes.limits import FakeLimits
from tests.support.records import TENANT, an_endpoint

LONGEST_CALL_SECONDS = 10
ALL_LEASES_SECONDS = 3600
MAX_POLLS = 2_000
ORDERS = 50
EVENTS = 40

FAILURES = ("stored without a response", "not stored without a response", "overloaded", "another call between")


@dataclass
class UnreliableLimits(FakeLimits):
    """The next writes fail in these ways. ``between`` uses the limits between the read and the write of a call."""

    failures: list[str] = field(default_factory=list)
    between: Callable[[], None] | None = None

    def __post_init__(self) -> None:
        super().__init__()

    def write(self, tenant: str, instance_id: int, state: LimitState, expires_at: int) -> None:
        failure = self.failures.pop() if self.failures else None
        if failure == "overloaded":
            raise LimitsConflict
        if failure == "not stored without a response":
            raise LimitsUnknown
        if failure == "another call between" and self.between is not None:
            between, self.between = self.between, None
            between()
            self.between = between
        super().write(tenant, instance_id, state, expires_at)
        if failure == "stored without a response":
            raise LimitsUnknown


@dataclass
class Waiting:
    """A step that waits, as its event."""

    call: LlmCall
    reserved: bool
    ticket: Ticket | None
    until: float


@dataclass
class Running:
    holder: AbstractContextManager[Slot]
    started: float
    max_concurrency: int


class Calls:
    """Calls of one instance, in an order that the seed decides."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311 - the order must be the same each time
        self.clock = FakeClock(tick=0)
        self.store = UnreliableLimits(between=self.start_another)
        self.limiter = Limiter(store=self.store, clock=self.clock, jitter=lambda bound: bound / 2, sleep=self.pause)
        self.running: list[Running] = []
        self.waiting: list[Waiting] = []
        self.crashed: list[Running] = []

    def pause(self, seconds: float) -> None:
        """The clock does not advance, since calls must not become too long in a nested operation."""

    def start_another(self) -> None:
        self.deliver(Waiting(a_call(2), reserved=False, ticket=None, until=0))

    def deliver(self, step: Waiting) -> None:
        """One invocation of a step: it starts its call or waits again.

        A call that has held a slot while it waited for requests counts since then, so that the others have their own
        bound.
        """
        wait = self.limiter.acquire(TENANT, step.call, reserved=step.reserved, ticket=step.ticket)
        now = self.clock.monotonic()
        if wait.seconds:
            self.waiting.append(Waiting(step.call, wait.reserved, wait.ticket, now + wait.seconds))
            return
        holder = self.limiter.hold_slot(TENANT, step.call, wait.ticket)
        holder.__enter__()
        self.running.append(Running(holder, now, max_concurrency(step.call)))
        if wait.ticket != step.ticket:
            assert len(self.running) <= max_concurrency(step.call)

    def end(self, call: Running) -> None:
        self.running.remove(call)
        call.holder.__exit__(None, None, None)

    def advance(self, seconds: float) -> None:
        """No call lasts longer than its timeout."""
        end = self.clock.monotonic() + seconds
        while due := [call for call in self.running if call.started + LONGEST_CALL_SECONDS <= end]:
            call = min(due, key=lambda call: call.started)
            self.clock.advance(call.started + LONGEST_CALL_SECONDS - self.clock.monotonic())
            self.end(call)
        self.clock.advance(end - self.clock.monotonic())

    def event(self) -> None:
        """Something happens to some call."""
        self.store.failures = self.random.choices(FAILURES, k=self.random.choice([0, 0, 0, 1, 2]))
        events = [self.start, self.start, self.time_passes]
        events += [self.end_any, self.end_any, self.crash] if self.running else []
        events += [self.poll, self.poll, self.poll, self.cancel_waiting] if self.waiting else []
        self.random.choice(events)()

    def start(self) -> None:
        call = a_call(self.random.randint(1, 3), self.random.choice([None, 20, 20]))
        self.deliver(Waiting(call, reserved=False, ticket=None, until=0))

    def poll(self) -> None:
        """A step continues after its wait; a function that does not respond may be invoked again with the same."""
        self.waiting.sort(key=lambda waiting: waiting.until)
        step = self.waiting.pop(self.random.randrange(min(3, len(self.waiting))))
        late = self.random.choice([0, 0, 5, 70])
        self.advance(max(0, step.until - self.clock.monotonic()) + late)
        for _ in range(self.random.choice([1, 1, 2])):
            self.deliver(step)

    def cancel_waiting(self) -> None:
        self.waiting.remove(self.random.choice(self.waiting))

    def end_any(self) -> None:
        self.end(self.random.choice(self.running))

    def crash(self) -> None:
        call = self.random.choice(self.running)
        self.running.remove(call)
        self.crashed.append(call)

    def time_passes(self) -> None:
        self.advance(self.random.choice([1, 5, 61]))

    def check(self) -> None:
        queue = without_expired(self.store.read(TENANT, 1).slots, int(self.clock.monotonic() * 1000))
        assert len(self.running) <= queue.running_calls
        assert len(self.running) <= max([call.max_concurrency for call in self.running], default=0)
        assert min([*queue.running.values(), *queue.waiting.values()], default=1) >= 1
        assert queue.turns_passed <= queue.turns_given

    def finish(self) -> None:
        """Without further failures, every waiting call has its turn, and nothing remains counted."""
        self.store.failures, self.store.between = [], None
        polls = 0
        while self.waiting:
            step = min(self.waiting, key=lambda waiting: waiting.until)
            self.waiting.remove(step)
            self.advance(max(0, step.until - self.clock.monotonic()))
            self.deliver(step)
            polls += 1
            assert polls < MAX_POLLS, "a call waits for ever"
        self.advance(ALL_LEASES_SECONDS)
        self.start_another()
        self.end(self.running[0])
        queue = self.store.read(TENANT, 1).slots
        assert (queue.running, queue.waiting) == ({}, {})
        assert queue.turns_passed == queue.turns_given


def max_concurrency(call: LlmCall) -> int:
    assert call.endpoint.limits is not None
    assert call.endpoint.limits.max_concurrency is not None
    return call.endpoint.limits.max_concurrency


def a_call(at_once: int, per_minute: int | None = None) -> LlmCall:
    limits = LlmLimits(max_concurrency=at_once, requests_per_minute=per_minute)
    endpoint = replace(an_endpoint(), instance_id=1, limits=limits, timeout_seconds=LONGEST_CALL_SECONDS)
    return LlmCall(endpoint=endpoint, settings=LlmSettings(), prompt="p", api_key=None, tries=0)


@pytest.mark.parametrize("seed", range(4))
def test_no_order_of_events_lets_too_many_calls_run_or_lets_a_call_wait_for_ever(seed: int) -> None:
    for order in range(ORDERS):
        calls = Calls(seed * ORDERS + order)
        for _ in range(EVENTS):
            calls.event()
            calls.check()
        calls.finish()
