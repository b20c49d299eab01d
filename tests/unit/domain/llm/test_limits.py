"""Limits: no call is admitted too early, calls are admitted in order, and every slot expires."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baton.domain.llm.endpoints import LlmLimits
from baton.domain.llm.limits import (
    MAX_SLOTS,
    MINUTE_MS,
    REFILL_MS,
    SLOT_GRACE_MS,
    Admission,
    LimitRequest,
    LimitState,
    Usage,
    acquire,
    release,
)

NOW = 1_770_000_000_000


def request(
    id_: int | str = "a", tokens: int = 0, *, reserved: bool = False, max_call_ms: int = 10_000
) -> LimitRequest:
    return LimitRequest(id=str(id_), tokens=tokens, max_call_ms=max_call_ms, reserved=reserved)


def starts(limits: LlmLimits, arrivals: list[tuple[int, int]]) -> list[int]:
    """When calls start; each arrival is its time and its tokens."""
    state, found = LimitState(), []
    for number, (at, tokens) in enumerate(arrivals):
        admission = acquire(state, limits, request(number, tokens), NOW + at)
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
    first = acquire(LimitState(), limits, request("a"), NOW)
    waiting = acquire(first.state, limits, request("b"), NOW)
    assert (waiting.wait_ms, waiting.reserved) == (REFILL_MS, True)
    back = acquire(waiting.state, limits, request("b", reserved=True), NOW + REFILL_MS)
    assert (back.wait_ms, back.state) == (0, waiting.state)


def acquire_in_order(
    limits: LlmLimits, state: LimitState, *ids: str, at: int = NOW
) -> tuple[LimitState, list[Admission]]:
    admissions = []
    for id_ in ids:
        admission = acquire(state, limits, request(id_), at)
        state = admission.state
        admissions.append(admission)
    return state, admissions


TWO_AT_ONCE = LlmLimits(max_concurrency=2)


def test_slots_are_given_in_order_of_arrival() -> None:
    state, admissions = acquire_in_order(TWO_AT_ONCE, LimitState(), "a", "b", "c", "d")
    assert [admission.wait_ms > 0 for admission in admissions] == [False, False, True, True]
    assert admissions[3].wait_ms >= admissions[2].wait_ms >= 1_000
    state = release(state, TWO_AT_ONCE, request("a"), Usage(call_ms=3_000))
    state, admissions = acquire_in_order(TWO_AT_ONCE, state, "d", "e", "c")
    assert [admission.wait_ms > 0 for admission in admissions] == [True, True, False], "c arrived before d"


def test_a_second_delivery_uses_the_slot_of_the_first() -> None:
    _, admissions = acquire_in_order(TWO_AT_ONCE, LimitState(), "a", "a", "a", "b")
    assert [admission.wait_ms for admission in admissions] == [0] * 4


def test_a_slot_expires_after_the_longest_possible_call() -> None:
    state, _ = acquire_in_order(TWO_AT_ONCE, LimitState(), "a", "b")
    just_before, (waiting,) = acquire_in_order(TWO_AT_ONCE, state, "c", at=NOW + 10_000 + SLOT_GRACE_MS - 1)
    assert waiting.wait_ms > 0
    _, (admission,) = acquire_in_order(TWO_AT_ONCE, just_before, "c", at=NOW + 10_000 + SLOT_GRACE_MS)
    assert admission.wait_ms == 0


def test_a_waiting_call_that_never_returns_loses_its_place_in_the_queue() -> None:
    state, admissions = acquire_in_order(TWO_AT_ONCE, LimitState(), "a", "b", "cancelled", "c")
    later = NOW + admissions[2].wait_ms + SLOT_GRACE_MS
    state, _ = acquire_in_order(TWO_AT_ONCE, state, "c", at=later)
    state = release(state, TWO_AT_ONCE, request("a"), Usage(call_ms=1_000))
    assert acquire(state, TWO_AT_ONCE, request("c"), later).wait_ms == 0


def test_a_call_that_waits_for_a_slot_reserves_no_requests() -> None:
    limits = LlmLimits(max_concurrency=1, requests_per_minute=1)
    state, (_, waiting) = acquire_in_order(limits, LimitState(), "a", "b")
    assert not waiting.reserved
    state = release(state, limits, request("a"), Usage(call_ms=1))
    admitted = acquire(state, limits, request("b"), NOW + 1_000)
    assert (admitted.wait_ms, admitted.reserved) == (REFILL_MS - 1_000, True)


def test_the_wait_for_a_slot_depends_on_the_last_call_duration() -> None:
    state, _ = acquire_in_order(TWO_AT_ONCE, LimitState(), "a", "b")
    state = release(state, TWO_AT_ONCE, request("x"), Usage(call_ms=20_000))
    _, (third, fourth) = acquire_in_order(TWO_AT_ONCE, state, "c", "d")
    assert (third.wait_ms, fourth.wait_ms) == (10_000, 20_000)


def test_the_queue_has_a_maximum_length() -> None:
    state, admissions = acquire_in_order(TWO_AT_ONCE, LimitState(), *map(str, range(MAX_SLOTS + 50)))
    assert len(state.slots) == MAX_SLOTS
    assert all(admission.wait_ms > 0 for admission in admissions[2:])


@pytest.mark.parametrize(("used", "at_once"), [(10, True), (1_000, False), (2_000, False)])
def test_an_estimate_that_was_too_high_is_corrected(used: int, at_once: bool) -> None:
    limits = LlmLimits(tokens_per_minute=20_000)
    estimated = request("a", 1_000)
    state = acquire(LimitState(), limits, estimated, NOW).state
    state = release(state, limits, estimated, Usage(call_ms=100, tokens=used))
    assert (acquire(state, limits, request("b", 900), NOW).wait_ms == 0) is at_once


def test_calls_wait_while_the_provider_blocks_the_instance() -> None:
    limits = LlmLimits(requests_per_minute=600)
    state = acquire(LimitState(), limits, request("a"), NOW).state
    state = release(state, limits, request("a"), Usage(call_ms=100, blocked_until_ms=NOW + 20_000))
    found = [admission.wait_ms for admission in acquire_in_order(limits, state, "b", "c", at=NOW + 5_000)[1]]
    assert found == [15_000, 15_000]


def test_without_a_token_count_the_estimate_remains() -> None:
    limits = LlmLimits(tokens_per_minute=10_000)
    state = acquire(LimitState(), limits, request("a", 1_000), NOW).state
    assert release(state, limits, request("a", 1_000), Usage(call_ms=1)).tokens_full_ms == state.tokens_full_ms
