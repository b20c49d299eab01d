"""Limits: nobody is let through too early, everybody in turn, and nobody for ever."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baton.domain.llm.endpoints import LlmLimits
from baton.domain.llm.limits import (
    FILLED_MS,
    GRACE_MS,
    MAX_PLACES,
    MINUTE_MS,
    Demand,
    LimitState,
    Turn,
    Use,
    acquire,
    release,
)

NOW = 1_770_000_000_000


def demand(id_: int | str = "a", tokens: int = 0, *, reserved: bool = False, longest_ms: int = 10_000) -> Demand:
    return Demand(id=str(id_), tokens=tokens, longest_ms=longest_ms, reserved=reserved)


def starts(limits: LlmLimits, arrivals: list[tuple[int, int]]) -> list[int]:
    """When calls that arrive at these moments, each with so many tokens, are let through."""
    state, found = LimitState(), []
    for number, (at, tokens) in enumerate(arrivals):
        turn = acquire(state, limits, demand(number, tokens), NOW + at)
        state = turn.state
        found.append(at + turn.wait_ms)
    return found


def most_in_a_minute(moments: list[int], weights: list[int] | None = None) -> int:
    """The most that any minute sees, whenever it begins."""
    most, window, total = 0, deque[tuple[int, int]](), 0
    for moment, weight in sorted(zip(moments, weights or [1] * len(moments), strict=True)):
        window.append((moment, weight))
        total += weight
        while moment - window[0][0] >= MINUTE_MS:
            total -= window.popleft()[1]
        most = max(most, total)
    return most


def test_the_first_calls_go_at_once_and_the_others_one_by_one() -> None:
    found = starts(LlmLimits(requests_per_minute=60), [(0, 0)] * 50)
    assert found[:3] == [0] * 3
    assert all(1_100 <= later - earlier <= 1_200 for earlier, later in pairwise(found[2:]))


@given(st.integers(1, 500), st.lists(st.integers(0, 3_000), min_size=1, max_size=300))
def test_no_minute_sees_more_requests_than_the_limit_and_all_come_in_turn(a_minute: int, gaps: list[int]) -> None:
    moments = [sum(gaps[: index + 1]) for index in range(len(gaps))]
    found = starts(LlmLimits(requests_per_minute=a_minute), [(at, 0) for at in moments])
    assert found == sorted(found)
    assert all(start >= arrival for start, arrival in zip(found, moments, strict=True))
    assert most_in_a_minute(found) <= a_minute


@pytest.mark.parametrize("a_minute", [1, 9, 10, 25, 60, 99, 600])
def test_a_crowd_gets_nearly_all_of_the_limit_in_any_minute_and_no_more(a_minute: int) -> None:
    found = starts(LlmLimits(requests_per_minute=a_minute), [(0, 0)] * (3 * a_minute))
    assert 0.85 * a_minute <= most_in_a_minute(found) <= a_minute


@given(st.integers(100, 100_000), st.lists(st.integers(1, 100), min_size=1, max_size=200))
def test_no_minute_sees_more_tokens_than_the_limit(a_minute: int, percents: list[int]) -> None:
    """Each call takes up to a twentieth of the limit, as much as the bucket holds."""
    tokens = [max(1, a_minute // 20 * percent // 100) for percent in percents]
    found = starts(LlmLimits(tokens_per_minute=a_minute), [(0, count) for count in tokens])
    assert most_in_a_minute(found, tokens) <= a_minute


def test_a_call_of_more_tokens_than_the_bucket_holds_waits_for_a_full_one_and_goes() -> None:
    limits = LlmLimits(tokens_per_minute=1_000)
    assert starts(limits, [(0, 5_000)]) == [0]
    small, large, after = starts(limits, [(0, 50), (0, 5_000), (0, 10)])
    assert small == 0 < large < 10_000
    assert after - large > 5 * MINUTE_MS, "the debt is paid before anybody else goes"


def test_both_limits_hold_where_both_are_set() -> None:
    found = starts(LlmLimits(requests_per_minute=600, tokens_per_minute=600), [(0, 60)] * 3)
    assert found[1] >= 6_000


def test_an_idle_instance_is_as_good_as_new() -> None:
    found = starts(LlmLimits(requests_per_minute=60), [(0, 0)] * 20 + [(10 * MINUTE_MS, 0)] * 3)
    assert found[20:] == [10 * MINUTE_MS] * 3


def test_who_has_waited_for_its_turn_goes_without_taking_another() -> None:
    limits = LlmLimits(requests_per_minute=1)
    first = acquire(LimitState(), limits, demand("a"), NOW)
    waiting = acquire(first.state, limits, demand("b"), NOW)
    assert (waiting.wait_ms, waiting.reserved) == (FILLED_MS, True)
    back = acquire(waiting.state, limits, demand("b", reserved=True), NOW + FILLED_MS)
    assert (back.wait_ms, back.state) == (0, waiting.state)


def in_turn(limits: LlmLimits, state: LimitState, *ids: str, at: int = NOW) -> tuple[LimitState, list[Turn]]:
    turns = []
    for id_ in ids:
        turn = acquire(state, limits, demand(id_), at)
        state = turn.state
        turns.append(turn)
    return state, turns


TWO_AT_ONCE = LlmLimits(max_concurrency=2)


def test_places_are_taken_first_come_first_served() -> None:
    state, turns = in_turn(TWO_AT_ONCE, LimitState(), "a", "b", "c", "d")
    assert [turn.wait_ms > 0 for turn in turns] == [False, False, True, True]
    assert turns[3].wait_ms >= turns[2].wait_ms >= 1_000
    state = release(state, TWO_AT_ONCE, demand("a"), Use(took_ms=3_000))
    state, turns = in_turn(TWO_AT_ONCE, state, "d", "e", "c")
    assert [turn.wait_ms > 0 for turn in turns] == [True, True, False], "c came before d"


def test_a_second_delivery_has_the_place_of_the_first() -> None:
    _, turns = in_turn(TWO_AT_ONCE, LimitState(), "a", "a", "a", "b")
    assert [turn.wait_ms for turn in turns] == [0] * 4


def test_a_place_ends_by_itself_after_the_longest_call() -> None:
    state, _ = in_turn(TWO_AT_ONCE, LimitState(), "a", "b")
    just_before, (waiting,) = in_turn(TWO_AT_ONCE, state, "c", at=NOW + 10_000 + GRACE_MS - 1)
    assert waiting.wait_ms > 0
    _, (turn,) = in_turn(TWO_AT_ONCE, just_before, "c", at=NOW + 10_000 + GRACE_MS)
    assert turn.wait_ms == 0


def test_who_waits_for_a_place_and_never_comes_back_loses_it() -> None:
    state, turns = in_turn(TWO_AT_ONCE, LimitState(), "a", "b", "cancelled", "c")
    later = NOW + turns[2].wait_ms + GRACE_MS
    state, _ = in_turn(TWO_AT_ONCE, state, "c", at=later)
    state = release(state, TWO_AT_ONCE, demand("a"), Use(took_ms=1_000))
    assert acquire(state, TWO_AT_ONCE, demand("c"), later).wait_ms == 0


def test_who_waits_for_a_place_takes_no_requests_yet() -> None:
    limits = LlmLimits(max_concurrency=1, requests_per_minute=1)
    state, (_, waiting) = in_turn(limits, LimitState(), "a", "b")
    assert not waiting.reserved
    state = release(state, limits, demand("a"), Use(took_ms=1))
    first_asked = acquire(state, limits, demand("b"), NOW + 1_000)
    assert (first_asked.wait_ms, first_asked.reserved) == (FILLED_MS - 1_000, True)


def test_the_wait_for_a_place_follows_how_long_calls_take() -> None:
    state, _ = in_turn(TWO_AT_ONCE, LimitState(), "a", "b")
    state = release(state, TWO_AT_ONCE, demand("x"), Use(took_ms=20_000))
    _, (third, fourth) = in_turn(TWO_AT_ONCE, state, "c", "d")
    assert (third.wait_ms, fourth.wait_ms) == (10_000, 20_000)


def test_a_queue_does_not_grow_without_bound() -> None:
    state, turns = in_turn(TWO_AT_ONCE, LimitState(), *map(str, range(MAX_PLACES + 50)))
    assert len(state.places) == MAX_PLACES
    assert all(turn.wait_ms > 0 for turn in turns[2:])


@pytest.mark.parametrize(("used", "at_once"), [(10, True), (1_000, False), (2_000, False)])
def test_what_was_reckoned_too_high_is_given_back(used: int, at_once: bool) -> None:
    limits = LlmLimits(tokens_per_minute=20_000)
    reckoned = demand("a", 1_000)
    state = acquire(LimitState(), limits, reckoned, NOW).state
    state = release(state, limits, reckoned, Use(took_ms=100, tokens=used))
    assert (acquire(state, limits, demand("b", 900), NOW).wait_ms == 0) is at_once


def test_while_the_provider_wants_no_call_nobody_calls() -> None:
    limits = LlmLimits(requests_per_minute=600)
    state = acquire(LimitState(), limits, demand("a"), NOW).state
    state = release(state, limits, demand("a"), Use(took_ms=100, closed_ms=NOW + 20_000))
    found = [turn.wait_ms for turn in in_turn(limits, state, "b", "c", at=NOW + 5_000)[1]]
    assert found == [15_000, 15_000]


def test_a_call_that_does_not_tell_its_tokens_is_taken_at_its_word() -> None:
    limits = LlmLimits(tokens_per_minute=10_000)
    state = acquire(LimitState(), limits, demand("a", 1_000), NOW).state
    assert release(state, limits, demand("a", 1_000), Use(took_ms=1)).tokens_ms == state.tokens_ms
