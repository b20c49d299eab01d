"""The limits of an instance over whole runs: which calls wait, for how long, and what the response records."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from baton.domain.catalog.definitions import Block, LlmInstance, Payload, Workflow
from baton.domain.errors import LimitsConflict, LimitsUnknown, LlmRefused, LlmThrottled
from baton.domain.llm.calls import AnswerListener, LlmAnswer, LlmCall
from baton.domain.llm.endpoints import LlmLimits
from baton.domain.llm.limits import LimitState
from baton.domain.llm.settings import LlmSettings
from baton.domain.llm.slots import Ticket
from baton.domain.runs.run import Run
from baton.domain.runs.steps import Step
from tests.fakes.limits import FakeLimits
from tests.fakes.llm import FakeLlm
from tests.support.records import NOON, TENANT, an_answer, block_draft, instance_draft, payload_draft, workflow_draft
from tests.support.use_cases import FakeBaton


def workflow(fake_baton: FakeBaton, **limits: int) -> int:
    """A workflow of one payload, whose instance has these limits."""
    draft = instance_draft(limits=LlmLimits(**limits))
    instance = fake_baton.instances.create(TENANT, draft, None, NOON).id
    block = fake_baton.define.create(TENANT, Block, block_draft("b", "Say something."), NOON).id
    draft_payload = replace(payload_draft("p", [block], instance), settings=LlmSettings(max_tokens=100))
    payload = fake_baton.define.create(TENANT, Payload, draft_payload, NOON).id
    return fake_baton.define.create(TENANT, Workflow, workflow_draft(payloads=[payload]), NOON).id


def started(fake_baton: FakeBaton, workflow_id: int) -> Run:
    run = fake_baton.start_run(TENANT, workflow_id, {}, NOON)
    fake_baton.state_machine.start(fake_baton.step(run))
    return fake_baton.runs.read(TENANT, run.id)


def first_steps(fake_baton: FakeBaton, runs: list[Run]) -> list[Step]:
    return [fake_baton.execute_payload(fake_baton.step(run)) for run in runs]


def test_calls_over_the_limit_wait_once_and_then_start_without_reading_the_limits_again(fake_baton: FakeBaton) -> None:
    id_ = workflow(fake_baton, requests_per_minute=10)
    runs = [started(fake_baton, id_) for _ in range(4)]
    fake_baton.llm.script(*["An answer."] * 4)
    after = first_steps(fake_baton, runs)
    assert [step.outcome for step in after] == ["completed", "wait", "wait", "wait"]
    assert [step.wait_seconds for step in after] == [0, 7, 13, 20]
    fake_baton.clock.advance(after[-1].wait_seconds)
    state, reads = fake_baton.limits.read(TENANT, 1), fake_baton.limits.reads
    for step in after[1:]:
        assert fake_baton.execute_payload(Step.from_event(step.to_event())).outcome == "completed"
    assert fake_baton.limits.reads == reads, "an admitted call does not read the limits again"
    assert fake_baton.limits.read(TENANT, 1) == state, "nothing is reserved twice"


def test_the_response_records_the_wait_and_a_wait_is_not_a_try(fake_baton: FakeBaton) -> None:
    id_ = workflow(fake_baton, requests_per_minute=10)
    fake_baton.llm.script("An answer.", "An answer.")
    for run in (started(fake_baton, id_), started(fake_baton, id_)):
        fake_baton.state_machine.execute(fake_baton.step(run))
    (response,) = fake_baton.runs.read_history(TENANT, 2).responses
    assert (response.metadata["waited_seconds"], response.metadata["tries"]) == (7, 0)
    assert "last_failure" not in response.metadata


def test_a_wait_for_a_limit_is_counted_and_is_no_call(fake_baton: FakeBaton) -> None:
    id_ = workflow(fake_baton, requests_per_minute=10)
    fake_baton.llm.script("An answer.")
    first_steps(fake_baton, [started(fake_baton, id_) for _ in range(3)])
    assert fake_baton.metrics.values("Waits", cause="limit") == [1, 1]
    assert fake_baton.metrics.values("WaitSeconds", cause="limit") == [7, 13]
    assert [each.name for each in fake_baton.metrics.recorded].count("LlmCalls") == 1


def test_an_instance_without_limits_stores_no_state(fake_baton: FakeBaton) -> None:
    id_ = workflow(fake_baton)
    fake_baton.llm.script("An answer.")
    fake_baton.state_machine.execute(fake_baton.step(started(fake_baton, id_)))
    assert fake_baton.limits.read(TENANT, 1) == LimitState()


class SlowLlm(FakeLlm):
    """Starts other payloads while it answers."""

    def __init__(self, fake_baton: FakeBaton, others: list[Run]) -> None:
        super().__init__(*["An answer."] * 9)
        self._baton = fake_baton
        self._others = others
        self.meanwhile: list[Step] = []

    def __call__(self, call: LlmCall, listener: AnswerListener | None = None, _transport: object = None) -> LlmAnswer:
        others, self._others = self._others, []
        self.meanwhile += [self._baton.execute_payload(self._baton.step(other)) for other in others]
        self._baton.clock.advance(5)
        return super().__call__(call, listener)


def test_max_concurrency_bounds_the_calls_in_progress(fake_baton: FakeBaton) -> None:
    id_ = workflow(fake_baton, max_concurrency=1)
    first, second = started(fake_baton, id_), started(fake_baton, id_)
    llm = SlowLlm(fake_baton, [second])
    fake_baton.execute_payload = replace(fake_baton.execute_payload, llm=llm)
    assert fake_baton.execute_payload(fake_baton.step(first)).outcome == "completed"
    (waiting,) = llm.meanwhile
    assert (waiting.outcome, waiting.reserved) == ("wait", False)
    assert waiting.ticket is not None
    assert (waiting.ticket.turn, waiting.ticket.slot) == (0, None)
    assert fake_baton.execute_payload(Step.from_event(waiting.to_event())).outcome == "completed"
    assert fake_baton.limits.read(TENANT, 1).slots.running_calls == 0


@pytest.mark.parametrize("failure", [LlmRefused("No."), RuntimeError("a bug")])
def test_a_failed_call_frees_its_slot(fake_baton: FakeBaton, failure: Exception) -> None:
    run = started(fake_baton, workflow(fake_baton, max_concurrency=1))
    fake_baton.llm.script(failure)
    try:
        fake_baton.execute_payload(fake_baton.step(run))
    except RuntimeError as error:
        assert error is failure  # noqa: PT017 - only one of the two failures is raised
    assert fake_baton.limits.read(TENANT, 1).slots.running_calls == 0


def test_unused_tokens_are_returned_to_the_bucket(fake_baton: FakeBaton) -> None:
    id_ = workflow(fake_baton, tokens_per_minute=4_000)
    fake_baton.llm.script(*[an_answer(prompt_tokens=2, completion_tokens=3)] * 9)
    outcomes = [fake_baton.execute_payload(fake_baton.step(started(fake_baton, id_))).outcome for _ in range(9)]
    assert outcomes == ["completed"] * 9, "the bucket holds 200 tokens, each call is estimated at 104 and uses 5"


def test_a_throttled_call_makes_the_other_calls_of_the_instance_wait(fake_baton: FakeBaton) -> None:
    id_ = workflow(fake_baton, requests_per_minute=600)
    runs = [started(fake_baton, id_) for _ in range(2)]
    fake_baton.llm.script(LlmThrottled("Later.", 20.0))
    throttled, other = first_steps(fake_baton, runs)
    assert (throttled.outcome, throttled.wait_seconds, throttled.reserved) == ("wait", 20, False)
    assert (other.outcome, other.wait_seconds, other.reserved) == ("wait", 20, True)
    assert len(fake_baton.llm.calls) == 1


def held_slot(fake_baton: FakeBaton, **limits: int) -> Step:
    """The event of a step that holds a slot and waits for the requests of its instance, at the end of its wait."""
    id_ = workflow(fake_baton, requests_per_minute=10, **limits)
    first, second = started(fake_baton, id_), started(fake_baton, id_)
    fake_baton.llm.script(*["An answer."] * 5)
    completed, waiting = first_steps(fake_baton, [first, second])
    assert (completed.outcome, waiting.outcome, waiting.reserved) == ("completed", "wait", True)
    assert waiting.ticket is not None
    assert waiting.ticket.turn is None
    fake_baton.clock.advance(waiting.wait_seconds)
    return Step.from_event(waiting.to_event())


def test_a_call_that_has_held_a_slot_starts_without_reading_the_limits_again(fake_baton: FakeBaton) -> None:
    step = held_slot(fake_baton, max_concurrency=2)
    reads = fake_baton.limits.reads
    fake_baton.execute_payload = replace(fake_baton.execute_payload, llm=ReadCountingLlm(fake_baton, reads))
    assert fake_baton.execute_payload(step).outcome == "completed"
    assert fake_baton.limits.read(TENANT, 1).slots.running_calls == 0


class ReadCountingLlm(FakeLlm):
    """Answers if the limits have been read so many times."""

    def __init__(self, fake_baton: FakeBaton, reads: int) -> None:
        super().__init__("An answer.")
        self._baton = fake_baton
        self._reads = reads

    def __call__(self, call: LlmCall, listener: AnswerListener | None = None, _transport: object = None) -> LlmAnswer:
        assert self._baton.limits.reads == self._reads
        return super().__call__(call, listener)


def test_a_second_delivery_does_not_use_or_free_the_slot_that_the_first_one_has_held(fake_baton: FakeBaton) -> None:
    step = held_slot(fake_baton, max_concurrency=1)
    fake_baton.llm.script(LlmThrottled("Later."))
    assert step.ticket is not None
    assert fake_baton.limits.claim_slot(TENANT, 1, step.ticket.slot or 0, 0), "by the first delivery, which crashed"
    again = fake_baton.execute_payload(step)
    assert (again.outcome, again.reserved) == ("wait", True)
    assert again.ticket is not None
    assert again.ticket.turn == 0, "it waits for a slot of its own"
    assert fake_baton.limits.read(TENANT, 1).slots.running_calls == 1


def test_a_slot_that_may_expire_during_the_call_is_not_used(fake_baton: FakeBaton) -> None:
    step = held_slot(fake_baton, max_concurrency=2)
    assert step.ticket is not None
    fake_baton.clock.advance(step.ticket.lease * 60 - fake_baton.clock.monotonic() - 1)
    assert fake_baton.execute_payload(step).outcome == "completed", "with another slot"
    assert fake_baton.limits.claim_slot(TENANT, 1, step.ticket.slot or 0, 0), "not claimed"


class BusyLimits(FakeLimits):
    """The first writes fail, as many as ``times``. ``written`` counts the others."""

    def __init__(self, times: int, error: type[LimitsConflict] = LimitsConflict) -> None:
        super().__init__()
        self.times = times
        self.error = error
        self.written = 0

    def write(self, tenant: str, instance_id: int, state: LimitState, expires_at: int) -> None:
        if self.times:
            self.times -= 1
            raise self.error
        self.written += 1
        super().write(tenant, instance_id, state, expires_at)


def with_limits(fake_baton: FakeBaton, limits: FakeLimits) -> Any:
    return replace(fake_baton.execute_payload, limiter=replace(fake_baton.execute_payload.limiter, store=limits))


@pytest.mark.parametrize("error", [LimitsConflict, LimitsUnknown])
def test_a_conflict_is_retried_on_the_new_state(fake_baton: FakeBaton, error: type[LimitsConflict]) -> None:
    """Also if it is not known whether the call was counted: then it may count twice until its lease expires."""
    run = started(fake_baton, workflow(fake_baton, requests_per_minute=10))
    fake_baton.llm.script("An answer.")
    assert with_limits(fake_baton, BusyLimits(11, error))(fake_baton.step(run)).outcome == "completed"


def test_after_too_many_conflicts_the_call_waits_briefly(fake_baton: FakeBaton) -> None:
    run = started(fake_baton, workflow(fake_baton, requests_per_minute=10))
    limits = BusyLimits(12)
    after = with_limits(fake_baton, limits)(fake_baton.step(run))
    assert (after.outcome, after.wait_seconds, after.reserved, after.tries) == ("wait", 3, False, 0)
    assert (limits.times, limits.written) == (0, 0)


def test_a_call_that_waits_after_conflicts_keeps_its_turn(fake_baton: FakeBaton) -> None:
    run = started(fake_baton, workflow(fake_baton, max_concurrency=1))
    ticket = Ticket(lease=29_500_000, turn=7)
    after = with_limits(fake_baton, BusyLimits(12))(replace(fake_baton.step(run), ticket=ticket))
    assert (after.outcome, after.ticket) == ("wait", ticket)


class BusyAfterTheAnswer(FakeLlm):
    """After its answer, writes fail."""

    def __init__(self, limits: BusyLimits, times: int) -> None:
        super().__init__("An answer.")
        self._limits = limits
        self._times = times

    def __call__(self, call: LlmCall, listener: AnswerListener | None = None, _transport: object = None) -> LlmAnswer:
        self._limits.times = self._times
        return super().__call__(call, listener)


@pytest.mark.parametrize(
    ("times", "error", "running"), [(39, LimitsConflict, 0), (40, LimitsConflict, 1), (1, LimitsUnknown, 1)]
)
def test_a_slot_is_freed_at_most_once(
    fake_baton: FakeBaton, times: int, error: type[LimitsConflict], running: int
) -> None:
    """After forty conflicts, or if it is not known whether it was freed, its lease expires."""
    run = started(fake_baton, workflow(fake_baton, max_concurrency=1))
    limits = BusyLimits(0, error)
    execute = replace(with_limits(fake_baton, limits), llm=BusyAfterTheAnswer(limits, times))
    assert execute(fake_baton.step(run)).outcome == "completed"
    assert (limits.times, limits.read(TENANT, 1).slots.running_calls) == (0, running)
    assert limits.written == 2 - running, "once to start and once to end"


def test_a_wait_longer_than_a_run_fails_with_the_instance_name_and_reserves_nothing(fake_baton: FakeBaton) -> None:
    run = started(fake_baton, workflow(fake_baton, requests_per_minute=1))
    far = int((NOON + timedelta(hours=13)).timestamp() * 1000)
    fake_baton.limits.write(TENANT, 1, LimitState(requests_full_ms=far), 0)
    after = fake_baton.execute_payload(fake_baton.step(run))
    assert after.outcome == "failed"
    assert after.error is not None
    assert "'demo' has too many calls waiting for its limits" in after.error
    assert fake_baton.limits.read(TENANT, 1).requests_full_ms == far


def test_a_fallback_has_its_own_limits(fake_baton: FakeBaton) -> None:
    limited = instance_draft("limited", limits=LlmLimits(requests_per_minute=1))
    second = fake_baton.instances.create(TENANT, limited, None, NOON).id
    id_ = workflow(fake_baton, requests_per_minute=60)
    current = fake_baton.catalog.read(TENANT, LlmInstance, second + 1)
    fake_baton.catalog.replace(
        TENANT, current, replace(current, fallback=second, version=2), fake_baton.catalog.read_ledger(TENANT)
    )
    fake_baton.llm.script(LlmRefused("No."), "An answer.", LlmRefused("No."))
    assert fake_baton.state_machine.execute(fake_baton.step(started(fake_baton, id_))).outcome == "completed"
    fallen_back = fake_baton.execute_payload(fake_baton.step(started(fake_baton, id_)))
    waiting = fake_baton.execute_payload(Step.from_event(fallen_back.to_event()))
    assert (waiting.outcome, waiting.fallback, waiting.reserved) == ("wait", 1, True)
    assert 60 <= waiting.wait_seconds <= 65
