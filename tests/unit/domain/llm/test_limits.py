"""Limits: no call is admitted too early, calls are admitted in order, and every slot expires."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baton.domain.llm.endpoints import LlmLimits
from baton.domain.llm.limits import (
    Admission,
    LimitRequest,
    LimitState,
    Usage,
    acquire,
    release,
    still_holds_slot,
)
from baton.domain.llm.slots import Ticket

MINUTE_MS = 60_000
REFILL_MS = 65_000
NOW = 1_770_000_000_000
"""The beginning of a minute."""


def request(tokens: int = 0, *, reserved: bool = False, ticket: Ticket | None = None) -> LimitRequest:
    return LimitRequest(tokens=tokens, max_call_ms=10_000, reserved=reserved, ticket=ticket)


def starts(limits: LlmLimits, arrivals: list[tuple[int, int]]) -> list[int]:
    """When calls start; each arrival is its time and its tokens."""
    state, found = LimitState(), []
    for at, tokens in arrivals:
        admission = acquire(state, limits, LimitRequest(tokens=tokens, max_call_ms=10_000), NOW + at)
        state = admission.state
        found.append(at + admission.wait_ms)
    return found


def max_in_a_minute(times: list[int], weights: list[int] | None = None) -> int:
    """The largest total in any period of 60 seconds."""
    maximum, window, total = 0, deque[tuple[int, int]](), 0
    for time, weight in sorted(zip(times, weights or [1] * len(times), strict=True)):
        window.append((time, weight))
        total += weight
        while time - window[0][0] >= MINUTE_MS:
            total -= window.popleft()[1]
        maximum = max(maximum, total)
    return maximum


def test_a_burst_starts_at_once_and_later_calls_at_the_refill_rate() -> None:
    found = starts(LlmLimits(requests_per_minute=60), [(0, 0)] * 50)
    assert found[:3] == [0] * 3
    assert starts(LlmLimits(requests_per_minute=57), [(0, 0)] * 50).count(0) == 2, "a twentieth"
    assert all(1_100 <= later - earlier <= 1_200 for earlier, later in pairwise(found[2:]))


@given(st.integers(1, 500), st.lists(st.integers(0, 3_000), min_size=1, max_size=300))
def test_no_minute_has_more_requests_than_the_limit_and_calls_start_in_order(per_minute: int, gaps: list[int]) -> None:
    times = [sum(gaps[: index + 1]) for index in range(len(gaps))]
    found = starts(LlmLimits(requests_per_minute=per_minute), [(at, 0) for at in times])
    assert found == sorted(found)
    assert all(start >= arrival for start, arrival in zip(found, times, strict=True))
    assert max_in_a_minute(found) <= per_minute


@pytest.mark.parametrize("per_minute", [1, 9, 10, 25, 60, 99, 600])
def test_many_calls_at_once_get_at_least_85_percent_of_the_limit_and_no_more_than_all(per_minute: int) -> None:
    found = starts(LlmLimits(requests_per_minute=per_minute), [(0, 0)] * (3 * per_minute))
    assert 0.85 * per_minute <= max_in_a_minute(found) <= per_minute


@given(st.integers(100, 100_000), st.lists(st.integers(1, 100), min_size=1, max_size=200))
def test_no_minute_has_more_tokens_than_the_limit(per_minute: int, percents: list[int]) -> None:
    """Each call uses at most a twentieth of the limit, the capacity of the bucket."""
    tokens = [max(1, per_minute // 20 * percent // 100) for percent in percents]
    found = starts(LlmLimits(tokens_per_minute=per_minute), [(0, count) for count in tokens])
    assert max_in_a_minute(found, tokens) <= per_minute


def test_a_call_larger_than_the_bucket_starts_when_the_bucket_is_full() -> None:
    limits = LlmLimits(tokens_per_minute=1_000)
    assert starts(limits, [(0, 5_000)]) == [0]
    small, large, after = starts(limits, [(0, 50), (0, 5_000), (0, 10)])
    assert small == 0 < large < 10_000
    assert after - large > 5 * MINUTE_MS, "the bucket refills before the next call starts"


def test_requests_and_tokens_can_both_be_limited() -> None:
    found = starts(LlmLimits(requests_per_minute=600, tokens_per_minute=600), [(0, 60)] * 3)
    assert found[1] >= 6_000


def test_an_idle_instance_has_full_buckets() -> None:
    found = starts(LlmLimits(requests_per_minute=60), [(0, 0)] * 20 + [(10 * MINUTE_MS, 0)] * 3)
    assert found[20:] == [10 * MINUTE_MS] * 3


def test_a_call_that_has_waited_starts_without_a_second_reservation() -> None:
    limits = LlmLimits(requests_per_minute=1)
    first = acquire(LimitState(), limits, request(), NOW)
    waiting = acquire(first.state, limits, request(), NOW)
    assert (waiting.wait_ms, waiting.reserved, waiting.ticket) == (REFILL_MS, True, None)
    back = acquire(waiting.state, limits, request(reserved=True), NOW + REFILL_MS)
    assert (back.wait_ms, back.state) == (0, waiting.state)


@dataclass
class Instance:
    """An instance and its calls by name; ``request`` is repeated with what the call was given by the one before."""

    limits: LlmLimits
    state: LimitState = field(default_factory=LimitState)
    now: int = NOW
    last: dict[str, Admission] = field(default_factory=dict)

    def request(self, *names: str) -> list[int]:
        """The waits of these calls."""
        waits = []
        for name in names:
            before = self.last.get(name)
            again = request() if before is None else request(reserved=before.reserved, ticket=before.ticket)
            self.last[name] = acquire(self.state, self.limits, again, self.now)
            self.state = self.last[name].state
            waits.append(self.last[name].wait_ms)
        return waits

    def ended(self, name: str, call_ms: int = 1_000) -> None:
        ticket = self.last.pop(name).ticket
        usage = Usage(call_ms=call_ms, lease=None if ticket is None else ticket.lease)
        self.state = release(self.state, self.limits, request(), usage, self.now)


def two_at_once() -> Instance:
    return Instance(LlmLimits(max_concurrency=2))


def test_slots_are_given_in_order_of_arrival() -> None:
    instance = two_at_once()
    first, second, third, fourth = instance.request("a", "b", "c", "d")
    assert first == second == 0
    assert fourth >= third >= 1_000
    instance.ended("a")
    waits = dict(zip("dec", instance.request("d", "e", "c"), strict=True))
    assert waits["d"] > 0 < waits["e"], "c arrived before them"
    assert waits["c"] == 0


def test_a_second_delivery_has_a_slot_of_its_own_so_that_none_is_free_too_early() -> None:
    instance = two_at_once()
    assert instance.request("first delivery", "second delivery") == [0, 0]
    (wait,) = instance.request("b")
    assert wait > 0
    instance.ended("second delivery")
    assert instance.request("b") == [0]


def test_a_slot_expires_after_the_longest_possible_call() -> None:
    instance = two_at_once()
    instance.request("crashed", "crashed too")
    instance.now = NOW + 2 * MINUTE_MS - 1
    assert instance.request("c")[0] > 0, "a call of 10 s and a grace of 60 s, in whole minutes"
    instance.now += 1
    assert instance.request("c") == [0]


def test_a_slot_of_an_ended_call_that_has_expired_is_not_freed_again() -> None:
    instance = two_at_once()
    instance.request("slow", "slow too")
    instance.now += 2 * MINUTE_MS
    assert instance.request("c", "d") == [0, 0]
    instance.ended("slow")
    assert instance.request("e")[0] > 0, "c and d still run"


def test_a_slot_that_is_free_for_three_seconds_is_for_any_call() -> None:
    instance = two_at_once()
    instance.request("a", "b", "cancelled", "cancelled too", "c")
    instance.now += 10_000
    instance.ended("a")
    instance.now += 2_999
    assert instance.request("c", "new") != [0, 0]
    instance.now += 1
    assert instance.request("c") == [0]
    assert instance.request("new")[0] > 0


def test_a_slot_that_expires_is_first_for_the_call_whose_turn_it_is() -> None:
    instance = two_at_once()
    instance.request("crashed", "crashed too", "c", "d", "e")
    instance.now += 2 * MINUTE_MS - 1
    instance.request("c", "d", "e")
    instance.now += 1
    waits = instance.request("e", "d", "c")
    assert [wait > 0 for wait in waits] == [True, False, False]


def test_a_cancelled_call_is_not_waited_for_after_its_place_has_expired() -> None:
    instance = two_at_once()
    instance.request("a", "b", "cancelled", "c")
    instance.now += 3 * MINUTE_MS
    instance.request("a", "b", "c")
    instance.ended("a")
    assert instance.request("c") == [0]


def test_a_call_that_waits_for_a_slot_reserves_no_requests() -> None:
    instance = Instance(LlmLimits(max_concurrency=1, requests_per_minute=1))
    instance.request("a", "b")
    assert not instance.last["b"].reserved
    instance.ended("a")
    instance.now += 1_000
    assert instance.request("b") == [REFILL_MS - 1_000]
    assert instance.last["b"].reserved


def test_a_call_that_waits_for_requests_holds_its_slot_until_its_longest_call_has_ended() -> None:
    instance = Instance(LlmLimits(max_concurrency=2, requests_per_minute=1))
    assert instance.request("a", "b") == [0, REFILL_MS]
    held = instance.last["b"].ticket
    assert held is not None
    assert (held.turn, held.slot) == (None, 0)
    assert instance.request("c")[0] > 0, "both slots are in use"
    latest_start = held.lease * MINUTE_MS - 10_000 - 1
    assert latest_start >= NOW + REFILL_MS + MINUTE_MS - 1, "a minute of grace"
    assert still_holds_slot(held, request(), latest_start)
    assert not still_holds_slot(held, request(), latest_start + 1)


def test_the_slot_of_each_state_has_its_own_number() -> None:
    instance = Instance(LlmLimits(max_concurrency=2, requests_per_minute=1), LimitState(version=7))
    instance.request("a")
    ticket = instance.last["a"].ticket
    assert ticket is not None
    assert ticket.slot == 7


def test_the_wait_for_a_slot_is_three_quarters_of_what_is_expected_from_the_mean_duration() -> None:
    instance = two_at_once()
    instance.request("a", "b")
    instance.ended("a", call_ms=20_000)
    instance.request("a")
    assert instance.request("c", "d") == [7_500, 15_000]


def test_the_wait_for_a_slot_includes_how_long_calls_hold_their_slots_before_they_start() -> None:
    instance = Instance(LlmLimits(max_concurrency=1, requests_per_minute=600))
    instance.request("a")
    instance.state = replace(instance.state, blocked_until_ms=NOW + 19_000)
    assert instance.request("b") == [15_000], "20 s, with 1 s as the duration of a call"


def test_a_call_polls_at_most_ten_times_in_the_mean_duration_of_a_call() -> None:
    instance = Instance(LlmLimits(max_concurrency=100))
    names = [str(number) for number in range(100)]
    instance.request(*names)
    instance.ended("0", call_ms=20_000)
    instance.request("0")
    assert instance.request("next") == [2_000], "a slot becomes free in 0.2 s"


def test_a_wait_for_a_slot_is_at_most_five_minutes() -> None:
    instance = two_at_once()
    instance.request("a", "b")
    instance.ended("a", call_ms=840_000)
    instance.request("a")
    assert instance.request("c", "d") == [300_000, 300_000]
    assert instance.last["c"].ticket == Ticket(lease=NOW // MINUTE_MS + 6, turn=0), "the wait and a minute of grace"


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(0, 20))
def test_a_changed_max_concurrency_admits_no_more_than_the_current_one(numbers: list[int], longest_ago: int) -> None:
    """Runs use the limits that they were started with, so requests with several limits use one state."""
    state, running = LimitState(), 0
    for number in numbers:
        now = NOW + longest_ago
        admission = acquire(state, LlmLimits(max_concurrency=number + 1), request(), now)
        state = admission.state
        if admission.wait_ms == 0:
            assert running <= number
            running += 1
    assert state.slots.running_calls == running


@pytest.mark.parametrize(("used", "at_once"), [(10, True), (1_000, False), (2_000, False)])
def test_an_estimate_that_was_too_high_is_corrected(used: int, at_once: bool) -> None:
    limits = LlmLimits(tokens_per_minute=20_000)
    estimated = request(1_000)
    state = acquire(LimitState(), limits, estimated, NOW).state
    state = release(state, limits, estimated, Usage(call_ms=100, tokens=used), NOW)
    assert (acquire(state, limits, request(900), NOW).wait_ms == 0) is at_once


def test_calls_wait_while_the_provider_blocks_the_instance() -> None:
    instance = Instance(LlmLimits(requests_per_minute=600))
    instance.request("a")
    usage = Usage(call_ms=100, blocked_until_ms=NOW + 20_000)
    instance.state = release(instance.state, instance.limits, request(), usage, NOW)
    instance.now = NOW + 5_000
    assert instance.request("b", "c") == [15_000, 15_000]


def test_a_shorter_block_does_not_replace_a_longer_one() -> None:
    state = LimitState(blocked_until_ms=NOW + 20_000)
    usage = Usage(call_ms=100, blocked_until_ms=NOW + 5_000)
    assert release(state, LlmLimits(requests_per_minute=600), request(), usage, NOW) == state


def test_without_a_token_count_the_estimate_remains() -> None:
    limits = LlmLimits(tokens_per_minute=10_000)
    state = acquire(LimitState(), limits, request(1_000), NOW).state
    assert release(state, limits, request(1_000), Usage(call_ms=1), NOW).tokens_full_ms == state.tokens_full_ms


def test_a_call_without_a_slot_frees_none() -> None:
    instance = two_at_once()
    instance.request("a")
    assert release(instance.state, instance.limits, request(), Usage(call_ms=5), NOW) == instance.state
    unlimited = LlmLimits(tokens_per_minute=10)
    usage = Usage(call_ms=5, lease=NOW // MINUTE_MS + 2)
    assert release(instance.state, unlimited, request(), usage, NOW) == instance.state


def test_the_smallest_limit_of_tokens_allows_one_per_refill() -> None:
    assert starts(LlmLimits(tokens_per_minute=1), [(0, 1)] * 3) == [0, REFILL_MS, 2 * REFILL_MS]


def test_without_max_concurrency_no_calls_are_counted() -> None:
    limits = LlmLimits(requests_per_minute=10)
    admission = acquire(LimitState(), limits, request(), NOW)
    assert admission.ticket is None
    after = release(admission.state, limits, request(), Usage(call_ms=5), NOW)
    assert after.slots == LimitState().slots
