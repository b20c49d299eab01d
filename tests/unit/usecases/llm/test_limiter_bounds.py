"""What the limiter reserves, stores and waits for, in exact numbers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from baton.domain.errors import LimitsConflict, LlmThrottled, LlmWaitTooLong
from baton.domain.llm.calls import LlmAnswer, LlmCall
from baton.domain.llm.endpoints import LlmLimits
from baton.domain.llm.limits import LimitState
from baton.domain.llm.settings import LlmSettings
from baton.domain.llm.slots import SlotQueue, Ticket
from baton.usecases.llm.limiter import Limiter, Wait
from tests.fakes.clock import FakeClock
from tests.fakes.limits import FakeLimits
from tests.support.records import NOON, TENANT, an_answer, an_endpoint

NOW = int(NOON.timestamp()) * 1000
MINUTE = NOW // 60_000
ONE_MS_A_TOKEN = 68_421
"""Tokens per minute: less the twentieth of them that the bucket holds, as many as milliseconds in 65 s."""


@dataclass
class Store(FakeLimits):
    """Records when each item expires; the first writes conflict, as many as ``conflicts``."""

    conflicts: int = 0
    expirations: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def write(self, tenant: str, instance_id: int, state: LimitState, expires_at: int) -> None:
        if self.conflicts:
            self.conflicts -= 1
            raise LimitsConflict
        self.expirations.append(expires_at)
        super().write(tenant, instance_id, state, expires_at)

    def claim_slot(self, tenant: str, instance_id: int, slot: int, expires_at: int) -> bool:
        self.expirations.append(expires_at)
        return super().claim_slot(tenant, instance_id, slot, expires_at)

    @property
    def state(self) -> LimitState:
        return self.read(TENANT, 1)


@dataclass
class Setup:
    store: Store = field(default_factory=Store)
    clock: FakeClock = field(default_factory=lambda: FakeClock(tick=0))
    pauses: list[float] = field(default_factory=list)
    jitter: float = 1

    @property
    def limiter(self) -> Limiter:
        return Limiter(
            store=self.store,
            clock=self.clock,
            jitter=lambda bound: self.jitter * bound,
            sleep=self.pauses.append,
        )

    def acquire(self, call: LlmCall, *, reserved: bool = False, ticket: Ticket | None = None) -> Wait:
        return self.limiter.acquire(TENANT, call, reserved=reserved, ticket=ticket)

    def hold(self, call: LlmCall, answer: LlmAnswer | None, ticket: Ticket | None = None, seconds: int = 0) -> None:
        with self.limiter.hold_slot(TENANT, call, ticket) as slot:
            self.clock.advance(seconds)
            slot.answer = answer


@pytest.fixture
def setup() -> Setup:
    return Setup()


def a_call(timeout: float = 60, *, prompt: str = "p", limits: LlmLimits | None = None, **settings: Any) -> LlmCall:
    endpoint = replace(an_endpoint(), instance_id=1, timeout_seconds=timeout, limits=limits)
    return LlmCall(endpoint=endpoint, settings=LlmSettings(**settings), prompt=prompt)


def slots(max_concurrency: int = 2) -> LlmLimits:
    return LlmLimits(max_concurrency=max_concurrency)


@pytest.mark.parametrize("reserved", [True, False])
def test_an_instance_without_limits_admits_every_call_without_a_read(setup: Setup, reserved: bool) -> None:
    assert setup.acquire(a_call(), reserved=reserved) == Wait(seconds=0, reserved=reserved)
    setup.hold(a_call(), an_answer())
    assert setup.store.reads == 0


def test_a_state_and_a_claim_are_stored_for_two_days(setup: Setup) -> None:
    limited = a_call(limits=LlmLimits(max_concurrency=2, requests_per_minute=1))
    first, second = setup.acquire(limited), setup.acquire(limited)
    setup.hold(limited, an_answer(), first.ticket)
    setup.clock.advance(second.seconds)
    assert setup.acquire(limited, reserved=True, ticket=second.ticket) == replace(second, seconds=0)
    two_days = int((NOON + timedelta(days=2)).timestamp())
    assert setup.store.expirations == [two_days, two_days, two_days, two_days + 65]


@pytest.mark.parametrize(
    ("timeout", "response_format", "minutes"),
    [
        (60, None, 2),
        (60, "text", 2),
        (60, "json_object", 3),
        (60.001, None, 3),
        (500, None, 10),
        (500, {"type": "json_schema"}, 15),
    ],
)
def test_a_lease_lasts_as_long_as_the_longest_call(
    setup: Setup, timeout: float, response_format: Any, minutes: int
) -> None:
    """And a minute more; an answer in JSON may need two calls, of 840 s in total."""
    wait = setup.acquire(a_call(timeout, limits=slots(), response_format=response_format))
    assert wait.ticket == Ticket(lease=MINUTE + minutes, slot=0)


@pytest.mark.parametrize(
    ("call", "tokens"),
    [
        ({"prompt": "p" * 40, "max_tokens": 7}, 17),
        ({"prompt": "p" * 40, "system": "s" * 12, "max_tokens": 7}, 20),
        ({"prompt": "p" * 4}, 501),
    ],
)
def test_estimated_tokens_are_reserved(setup: Setup, call: dict[str, Any], tokens: int) -> None:
    for calls in (1, 2):
        setup.acquire(a_call(limits=LlmLimits(tokens_per_minute=ONE_MS_A_TOKEN), **call))
        assert setup.store.state.tokens_full_ms == NOW + calls * tokens


@pytest.mark.parametrize(
    ("answer", "tokens"),
    [
        (an_answer(prompt_tokens=30, completion_tokens=50), 80),
        (an_answer(prompt_tokens=None, completion_tokens=50), 17),
        (an_answer(prompt_tokens=30, completion_tokens=None), 17),
        (None, 17),
    ],
)
def test_the_estimate_is_replaced_by_the_tokens_of_the_answer(
    setup: Setup, answer: LlmAnswer | None, tokens: int
) -> None:
    call = a_call(limits=LlmLimits(tokens_per_minute=ONE_MS_A_TOKEN), prompt="p" * 40, max_tokens=7)
    setup.acquire(call)
    setup.hold(call, answer)
    assert setup.store.state.tokens_full_ms == NOW + tokens


def test_the_duration_of_a_call_is_recorded(setup: Setup) -> None:
    call = a_call(limits=slots())
    setup.hold(call, an_answer(), setup.acquire(call).ticket, seconds=5)
    assert setup.store.state.slots.mean_call_ms == 5_000
    assert len(setup.store.expirations) == 2, "one write to start and one to end"


def test_only_a_delay_that_the_provider_names_blocks_the_instance(setup: Setup) -> None:
    call = a_call(limits=LlmLimits(requests_per_minute=600))
    setup.acquire(call)
    for retry_after, blocked_until_ms in ((None, 0), (20.5, NOW + 20_500)):
        with pytest.raises(LlmThrottled), setup.limiter.hold_slot(TENANT, call, None):
            raise LlmThrottled("Later.", retry_after)
        assert setup.store.state.blocked_until_ms == blocked_until_ms
    setup.hold(call, an_answer())
    assert len(setup.store.expirations) == 2, "there is nothing to write without a block"


@pytest.mark.parametrize(("wait_ms", "seconds"), [(1, 1), (1_000, 1), (1_001, 2), (43_200_000, 43_200)])
def test_waits_are_whole_seconds_of_at_most_twelve_hours(setup: Setup, wait_ms: int, seconds: int) -> None:
    setup.store.write(TENANT, 1, LimitState(blocked_until_ms=NOW + wait_ms), 0)
    assert setup.acquire(a_call(limits=LlmLimits(requests_per_minute=1))).seconds == seconds


def test_a_longer_wait_is_an_error_that_names_the_instance_and_what_to_do(setup: Setup) -> None:
    setup.store.write(TENANT, 1, LimitState(blocked_until_ms=NOW + 43_200_001), 0)
    with pytest.raises(LlmWaitTooLong) as raised:
        setup.acquire(a_call(limits=LlmLimits(requests_per_minute=1)))
    assert str(raised.value) == (
        "LLM instance 'demo' has too many calls waiting for its limits: this call would wait 43,201 s, the maximum is "
        "43,200 s. Raise the limits or start fewer runs."
    )


@pytest.mark.parametrize(("jitter", "seconds"), [(1.0, 3), (0.5, 2), (0.0, 1)])
def test_after_twelve_conflicts_with_pauses_the_call_waits_as_it_was(setup: Setup, jitter: float, seconds: int) -> None:
    setup.jitter, setup.store.conflicts = jitter, 12
    ticket = Ticket(lease=MINUTE + 1, turn=7)
    wait = setup.acquire(a_call(limits=slots()), reserved=True, ticket=ticket)
    assert wait == Wait(seconds=seconds, reserved=True, ticket=ticket)
    assert setup.pauses == [jitter * 0.2] * 12
    setup.store.conflicts = 11
    assert setup.acquire(a_call(limits=slots())).seconds == 0


def test_the_end_of_a_call_is_written_after_pauses_too(setup: Setup) -> None:
    call = a_call(limits=slots())
    ticket = setup.acquire(call).ticket
    setup.store.conflicts = 2
    setup.hold(call, an_answer(), ticket)
    assert setup.pauses == [0.2, 0.2]
    assert setup.store.state.slots.running_calls == 0


@pytest.mark.parametrize("claimed_before", [True, False])
def test_a_slot_that_can_not_be_claimed_is_left_to_expire(setup: Setup, claimed_before: bool) -> None:
    """It was claimed by another delivery, or expires before the call would end. Nothing is subtracted for it."""
    lease = MINUTE + (5 if claimed_before else 1)
    before = SlotQueue(running={lease: 1}, waiting={lease: 3}, turns_given=3, all_used_ms=NOW)
    setup.store.write(TENANT, 1, LimitState(slots=before), 0)
    if claimed_before:
        setup.store.claim_slot(TENANT, 1, 9, 0)
    wait = setup.acquire(a_call(limits=slots(1)), reserved=True, ticket=Ticket(lease=lease, slot=9))
    assert wait.seconds > 0
    assert wait.reserved
    assert wait.ticket is not None
    assert wait.ticket.turn == 3
    after = setup.store.state.slots
    assert (after.running_calls, after.waiting_calls) == (1, 4)
    assert setup.store.claim_slot(TENANT, 1, 9, 0) is not claimed_before
