"""Steps: what the state machine receives after each payload."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baton.domain.errors import (
    LlmAnswerInvalid,
    LlmError,
    LlmFormatInvalid,
    LlmRefused,
    LlmServerError,
    LlmThrottled,
    LlmTimeout,
    LlmUnreachable,
    LlmWaitTooLong,
)
from baton.domain.runs.plan import sequence
from baton.domain.runs.steps import (
    CALLS_BY_ERROR,
    MAX_ERROR_CHARACTERS,
    MAX_RETRY_AFTER_SECONDS,
    MAX_WAIT_SECONDS,
    Step,
)

STEP = Step(tenant="acme", run_id=1, attempt=2, position=3)


def longest(bound: float) -> float:
    return bound


def shortest(_bound: float) -> float:
    return 0.0


def subclasses(kind: type[LlmError]) -> set[type[LlmError]]:
    direct = set(kind.__subclasses__())
    return direct | {below for child in direct for below in subclasses(child)}


@pytest.mark.parametrize(
    ("error", "calls"),
    [
        (LlmThrottled, 5),
        (LlmUnreachable, 5),
        (LlmServerError, 3),
        (LlmTimeout, 3),
        (LlmRefused, 1),
        (LlmAnswerInvalid, 1),
        (LlmFormatInvalid, 1),
        (LlmWaitTooLong, 1),
    ],
)
@pytest.mark.parametrize("tries", range(6))
def test_each_kind_of_error_has_its_maximum_number_of_calls(error: type[LlmError], calls: int, tries: int) -> None:
    after = replace(STEP, tries=tries).after_error(error("It broke."), longest)
    if tries + 1 < calls:
        assert (after.outcome, after.tries, after.position, after.error) == ("wait", tries + 1, 3, None)
        assert after.wait_seconds >= 1
    else:
        assert (after.outcome, after.wait_seconds) == ("failed", 0)
        assert after.error is not None
        assert after.error.startswith("It broke.")


def test_every_llm_error_has_a_number_of_calls() -> None:
    """A new class of errors needs its number of calls here and in the table above."""
    at_once = {LlmRefused, LlmAnswerInvalid, LlmFormatInvalid, LlmWaitTooLong}
    assert subclasses(LlmError) == set(CALLS_BY_ERROR) | at_once


def test_an_unknown_llm_error_is_not_retried() -> None:
    assert STEP.after_error(LlmError("It broke."), longest).outcome == "failed"


def test_five_throttled_calls_fail_the_step() -> None:
    step, outcomes = STEP, []
    for _ in range(5):
        step = Step.from_event(step.to_event()).after_error(LlmThrottled("Too many requests.", 2.0), longest)
        outcomes.append((step.outcome, step.wait_seconds))
    assert outcomes == [("wait", 2)] * 4 + [("failed", 0)]
    assert step.error == "Too many requests. Given up after 5 calls."


def test_an_error_after_two_calls_counts_as_two_tries() -> None:
    error = LlmThrottled("Later.", 2.0)
    error.calls = 2
    waiting = STEP.after_error(error, longest)
    assert (waiting.outcome, waiting.tries) == ("wait", 2)
    ended = replace(STEP, tries=3).after_error(error, longest)
    assert (ended.outcome, ended.error) == ("failed", "Later. Given up after 5 calls.")


def test_the_error_of_a_single_call_does_not_mention_a_number_of_calls() -> None:
    assert STEP.after_error(LlmRefused("Wrong key."), longest).error == "Wrong key."


@pytest.mark.parametrize("retry_after", [0.0, -5.0, float("nan"), float("-inf")])
def test_an_unusable_retry_after_is_replaced_by_the_backoff(retry_after: float) -> None:
    assert STEP.after_error(LlmThrottled("Later.", retry_after), longest).wait_seconds == 2


@pytest.mark.parametrize(("retry_after", "wait"), [(2.0, 2), (0.2, 1), (2.1, 3), (3600.0, 3600), (90.0, 90)])
def test_retry_after_is_respected_in_whole_seconds(retry_after: float, wait: int) -> None:
    after = STEP.after_error(LlmThrottled("Later.", retry_after), shortest)
    assert (after.outcome, after.wait_seconds) == ("wait", wait)


def test_a_retry_after_that_is_too_long_fails_the_step_with_the_reason() -> None:
    after = STEP.after_error(LlmThrottled("Later.", MAX_RETRY_AFTER_SECONDS + 0.5), longest)
    assert after.outcome == "failed"
    assert after.error is not None
    assert "requests a wait of 3,601 s; a run waits at most 3,600 s" in after.error


def test_the_wait_grows_exponentially() -> None:
    waits = [replace(STEP, tries=tries).after_error(LlmThrottled("Later."), longest).wait_seconds for tries in range(4)]
    assert waits == [2, 4, 8, 16]


@given(st.integers(0, 3), st.floats(0, 1))
def test_full_jitter_is_between_one_second_and_the_maximum(tries: int, share: float) -> None:
    bounds: list[float] = []

    def jitter(bound: float) -> float:
        bounds.append(bound)
        return bound * share

    after = replace(STEP, tries=tries).after_error(LlmUnreachable("No connection."), jitter)
    assert bounds == [min(MAX_WAIT_SECONDS, 2 * 2**tries)]
    assert 1 <= after.wait_seconds <= bounds[0]


@given(st.text(min_size=1, max_size=3000))
def test_a_long_error_is_shortened_and_marked(detail: str) -> None:
    error = STEP.failed(detail).error
    assert error is not None
    assert len(error) <= MAX_ERROR_CHARACTERS
    assert error == detail if len(detail) <= MAX_ERROR_CHARACTERS else error == detail[:499] + "…"


def test_after_an_answer_the_next_position_starts_without_tries_waits_and_fallbacks() -> None:
    tried = replace(STEP, tries=4, earlier_tries=5, waited_seconds=9, fallback=1, reserved=True, cause="Later.")
    assert tried.answered(sequence(5)) == replace(STEP, position=4)


def test_after_the_final_failure_the_fallback_starts_with_its_own_tries() -> None:
    given_up = replace(STEP, tries=4, waited_seconds=30, reserved=True).after_error(LlmThrottled("Later."), longest)
    after = given_up.fallen_back()
    assert (after.outcome, after.position, after.fallback, after.tries) == ("continue", 3, 1, 0)
    assert (after.all_tries, after.waited_seconds, after.reserved) == (5, 30, False)
    assert (after.cause, after.error) == ("Later. Given up after 5 calls.", None)


def test_waits_of_all_kinds_are_added() -> None:
    throttled = STEP.after_error(LlmThrottled("Later.", 7.0), longest)
    queued = Step.from_event(throttled.to_event()).waiting(5, reserved=True)
    assert (queued.outcome, queued.wait_seconds, queued.waited_seconds) == ("wait", 5, 12)
    assert (queued.tries, queued.reserved, queued.cause) == (1, True, "Later.")


def test_an_event_of_an_earlier_version_is_accepted() -> None:
    event = {"tenant": "acme", "run_id": 1, "attempt": 2, "position": 3, "tries": 1}
    assert Step.from_event(event) == replace(STEP, tries=1)


def test_the_last_answer_completes_the_run() -> None:
    assert STEP.answered(sequence(4)).outcome == "completed"


def test_a_step_is_serialized_to_an_event_and_back() -> None:
    """The event does not contain the outcome; it contains ids, counters and the last failure."""
    waiting = STEP.after_error(LlmThrottled("Later.", 7.0), longest)
    back = Step.from_event(json.loads(json.dumps(waiting.to_event())))
    assert back == replace(STEP, tries=1, waited_seconds=7, cause="Later.")
    assert Step.from_event(json.loads(json.dumps(STEP.failed("It broke.").to_event()))) == STEP
