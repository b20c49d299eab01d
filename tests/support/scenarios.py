"""The lives of a run, for tests that hold for any of them; the run of each is the first of its fake Baton."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from baton.domain.errors import LlmRefused, LlmThrottled
from tests.support.records import NOON, TENANT
from tests.support.use_cases import FakeBaton


def completed(fake_baton: FakeBaton) -> None:
    fake_baton.llm.script("a", "b", "c")
    fake_baton.state_machine.execute(fake_baton.step(fake_baton.started("1", "2", "3")))


def long_answers(fake_baton: FakeBaton) -> None:
    fake_baton.llm.script("é" * 80_000, '"' * 120_000)
    fake_baton.state_machine.execute(fake_baton.step(fake_baton.started("1", "2")))


def throttled(fake_baton: FakeBaton) -> None:
    fake_baton.llm.script("a", LlmThrottled("Later.", 2.0), LlmThrottled("Later.", 2.0), "b")
    fake_baton.state_machine.execute(fake_baton.step(fake_baton.started("1", "2")))


def failed(fake_baton: FakeBaton) -> None:
    fake_baton.llm.script("a", LlmRefused("No such model."))
    fake_baton.state_machine.execute(fake_baton.step(fake_baton.started("1", "2", "3")))


def cancelled_between_two_payloads(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("1", "2", "3")
    fake_baton.llm.script("a")
    fake_baton.state_machine.advance(fake_baton.step(run))
    fake_baton.change_run.cancel(TENANT, 1, NOON)


def cancelled_at_once(fake_baton: FakeBaton) -> None:
    run = fake_baton.start_run(TENANT, fake_baton.workflow("1", "2"), {}, NOON)
    fake_baton.change_run.cancel(TENANT, run.id, NOON)
    fake_baton.state_machine.execute(fake_baton.step(run))


def never_started(fake_baton: FakeBaton) -> None:
    fake_baton.executions.refusal = OSError("no state machine")
    with pytest.raises(OSError, match="no state machine"):
        fake_baton.start_run(TENANT, fake_baton.workflow("1"), {}, NOON)
    fake_baton.executions.refusal = None


def redelivered(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("1", "2")
    fake_baton.llm.script("a", "b")
    fake_baton.state_machine.advance(fake_baton.step(run))
    fake_baton.state_machine.execute(fake_baton.step(run))


ONE_ATTEMPT: list[Callable[[FakeBaton], None]] = [
    completed,
    long_answers,
    throttled,
    failed,
    cancelled_between_two_payloads,
    cancelled_at_once,
    never_started,
    redelivered,
]


def failed_then_resumed(fake_baton: FakeBaton) -> None:
    failed(fake_baton)
    fake_baton.llm.script("b", "c")
    fake_baton.state_machine.execute(fake_baton.step(fake_baton.change_run.resume(TENANT, 1, NOON)))


def failed_twice_then_resumed(fake_baton: FakeBaton) -> None:
    failed(fake_baton)
    fake_baton.llm.script(LlmRefused("No such model."), "b", "c")
    fake_baton.state_machine.execute(fake_baton.step(fake_baton.change_run.resume(TENANT, 1, NOON)))
    fake_baton.state_machine.execute(fake_baton.step(fake_baton.change_run.resume(TENANT, 1, NOON)))


def cancelled_then_resumed(fake_baton: FakeBaton) -> None:
    cancelled_between_two_payloads(fake_baton)
    fake_baton.llm.script("b", "c")
    fake_baton.state_machine.execute(fake_baton.step(fake_baton.change_run.resume(TENANT, 1, NOON)))


def cancelled_after_the_last_answer_then_resumed(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("1")
    fake_baton.llm.script("a")
    fake_baton.state_machine.advance(fake_baton.step(run))
    fake_baton.change_run.cancel(TENANT, 1, NOON)
    fake_baton.state_machine.execute(fake_baton.step(fake_baton.change_run.resume(TENANT, 1, NOON)))


def never_started_then_resumed(fake_baton: FakeBaton) -> None:
    never_started(fake_baton)
    fake_baton.llm.script("a")
    fake_baton.state_machine.execute(fake_baton.step(fake_baton.change_run.resume(TENANT, 1, NOON)))


def resumed_in_vain(fake_baton: FakeBaton) -> None:
    failed(fake_baton)
    fake_baton.executions.refusal = OSError("no state machine")
    with pytest.raises(OSError, match="no state machine"):
        fake_baton.change_run.resume(TENANT, 1, NOON)


RESUMED: list[Callable[[FakeBaton], None]] = [
    failed_then_resumed,
    failed_twice_then_resumed,
    cancelled_then_resumed,
    cancelled_after_the_last_answer_then_resumed,
    never_started_then_resumed,
    resumed_in_vain,
]
