"""What is counted of a payload: each call that was made, each wait, and each stored response, once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from baton.domain.errors import LlmFormatInvalid, LlmRefused, LlmThrottled
from baton.domain.runs.responses import Response
from baton.domain.runs.run import Run, cancelled
from tests.fakes.runs import FakeSteps
from tests.support.records import AT_NOON
from tests.support.use_cases import FakeBaton

ANSWERED = {"provider": "simulated", "outcome": "answered", "cause": "none"}


def failed(cause: str) -> dict[str, str]:
    return {"provider": "simulated", "outcome": "failed", "cause": cause}


def test_each_try_is_a_call_and_the_payload_is_counted_at_its_end(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("one")
    fake_baton.llm.script(LlmThrottled("429"), LlmThrottled("429", 30), "first")
    fake_baton.state_machine.execute(fake_baton.step(run))
    metrics = fake_baton.metrics
    assert metrics.values("LlmCalls", **failed("throttled")) == [1, 1]
    assert metrics.values("LlmCalls", **ANSWERED) == [1]
    waits = metrics.values("WaitSeconds", cause="throttled")
    assert (len(waits), waits[1]) == (2, 30)
    (duration,) = metrics.values("PayloadDuration")
    assert duration >= 1000 * sum(waits), "a payload's duration contains its waits"
    (call,) = metrics.values("LlmDuration", provider="simulated")
    assert call < 1000, "the duration of a call does not"


def test_a_final_failure_is_a_call_without_a_wait(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("one")
    fake_baton.llm.script(LlmRefused("401"))
    fake_baton.state_machine.execute(fake_baton.step(run))
    assert [each.name for each in fake_baton.metrics.recorded] == ["LlmCalls"]
    assert fake_baton.metrics.values("LlmCalls", **failed("refused")) == [1]


def test_an_answer_that_stays_invalid_is_two_calls(fake_baton: FakeBaton) -> None:
    twice = LlmFormatInvalid("not JSON")
    twice.calls = 2
    run = fake_baton.started("one")
    fake_baton.llm.script(twice)
    fake_baton.state_machine.execute(fake_baton.step(run))
    assert fake_baton.metrics.values("LlmCalls", **failed("format_invalid")) == [2]


def test_a_payload_that_is_delivered_again_is_not_counted_again(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("one", "two")
    fake_baton.llm.script("first")
    fake_baton.execute_payload(fake_baton.step(run))
    counted = list(fake_baton.metrics.recorded)
    fake_baton.execute_payload(fake_baton.step(run))
    assert fake_baton.metrics.recorded == counted


def test_a_step_of_a_cancelled_run_counts_nothing(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("one")
    fake_baton.runs.change(run, cancelled(run, AT_NOON))
    fake_baton.execute_payload(fake_baton.step(run))
    assert fake_baton.metrics.recorded == []


class RacingSteps(FakeSteps):
    """Another delivery of the same payload stores its response just before this one does."""

    def store_response(self, run: Run, response: Response) -> None:
        super().store_response(run, response)
        super().store_response(run, response)


class CrashingSteps(FakeSteps):
    """The response can't be stored."""

    def store_response(self, run: Run, response: Response) -> None:  # noqa: ARG002
        raise RuntimeError("out of memory")


def test_an_answer_that_came_second_is_a_call_but_no_payload(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("one")
    fake_baton.llm.script("first")
    replace(fake_baton.execute_payload, steps=RacingSteps(fake_baton.runs))(fake_baton.step(run))
    assert fake_baton.metrics.values("LlmCalls", **ANSWERED) == [1]
    assert fake_baton.metrics.values("PayloadDuration") == []


def test_an_answer_that_could_not_be_stored_is_a_call_but_no_payload(fake_baton: FakeBaton) -> None:
    """Its tokens are paid for."""
    run = fake_baton.started("one")
    fake_baton.llm.script("first")
    with pytest.raises(RuntimeError):
        replace(fake_baton.execute_payload, steps=CrashingSteps(fake_baton.runs))(fake_baton.step(run))
    assert fake_baton.metrics.values("OutputTokens", provider="simulated") == [5]
    assert fake_baton.metrics.values("PayloadDuration") == []
