"""Complete runs: the stream and the history send the same messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from baton.domain.catalog.definitions import Workflow
from baton.domain.live.messages import Change, Message, messages_of_change, messages_of_history
from baton.domain.llm.calls import LlmAnswer, LlmCall
from baton.domain.runs.responses import PartialAnswer, Response
from baton.domain.runs.resumes import ResumeOptions
from baton.domain.runs.run import Run, RunHistory
from tests.fakes.runs import FakeRuns
from tests.support.records import NOON, TENANT, an_answer
from tests.support.scenarios import ONE_ATTEMPT, RESUMED, completed, failed, failed_then_resumed
from tests.support.use_cases import FakeBaton


class WatchedRuns(FakeRuns):
    """Records the history after each write."""

    def __init__(self) -> None:
        super().__init__()
        self.moments: list[RunHistory] = []

    def _log(self, old: Run | Response | None, new: Run | Response | PartialAnswer) -> None:
        super()._log(old, new)
        self.moments.append(self.read_history(TENANT, 1))


def messages_of_changes(changes: list[Change]) -> list[Message]:
    return [message for change in changes for message in messages_of_change(change)]


def watched(scenario: Callable[[FakeBaton], None]) -> WatchedRuns:
    runs = WatchedRuns()
    scenario(FakeBaton(runs=runs))
    return runs


@pytest.mark.parametrize("scenario", [*ONE_ATTEMPT, *RESUMED], ids=lambda scenario: scenario.__name__)
def test_the_history_at_any_time_equals_the_messages_of_the_stream(
    scenario: Callable[[FakeBaton], None],
) -> None:
    runs = watched(scenario)
    for number, moment in enumerate(runs.moments, start=1):
        assert list(messages_of_history(moment)) == messages_of_changes(runs.changes[:number])


@pytest.mark.parametrize("scenario", [*ONE_ATTEMPT, *RESUMED], ids=lambda scenario: scenario.__name__)
def test_every_message_of_a_run_has_its_own_id(scenario: Callable[[FakeBaton], None]) -> None:
    ids = [message.id for message in messages_of_changes(watched(scenario).changes)]
    assert len(ids) == len(set(ids))


def test_the_messages_of_a_completed_run_in_order() -> None:
    assert [
        (message.type, message.data["progress"]) for message in messages_of_changes(watched(completed).changes)
    ] == [
        ("execution_progress", 0),
        ("execution_progress", 0),
        ("payload_completed", 33),
        ("execution_progress", 33),
        ("payload_completed", 66),
        ("execution_progress", 66),
        ("payload_completed", 100),
        ("workflow_completed", 100),
    ]


def test_the_messages_of_a_failed_and_resumed_run_in_order() -> None:
    assert [message.id for message in messages_of_changes(watched(failed_then_resumed).changes)] == [
        "1-1-execution_progress",
        "1-1-execution_progress-0",
        "1-payload_completed-0",
        "1-1-execution_progress-1",
        "1-1-workflow_failed",
        "1-2-execution_progress",
        "1-2-execution_progress-1",
        "1-payload_completed-1",
        "1-2-execution_progress-2",
        "1-payload_completed-2",
        "1-2-workflow_completed",
    ]


def test_payloads_that_start_within_one_millisecond_have_one_message_each() -> None:
    runs = WatchedRuns()
    fake_baton = FakeBaton(runs=runs)
    fake_baton.llm.script("a", "b", "c")
    run = fake_baton.started("1", "2", "3")
    at_once = replace(fake_baton.execute_payload, clock=lambda: NOON)
    step = fake_baton.step(run)
    while (step := at_once(step)).outcome == "continue":
        pass
    started = [message.id for message in messages_of_changes(runs.changes) if message.type == "execution_progress"]
    assert started == ["1-1-execution_progress", *[f"1-1-execution_progress-{position}" for position in range(3)]]


def equal_by_id(runs: WatchedRuns) -> dict[str, Message]:
    """The messages of the stream by id; the history has the same, in another order."""
    sent = {message.id: message for message in messages_of_changes(runs.changes)}
    assert {message.id: message for message in messages_of_history(runs.read_history(TENANT, 1))} == sent
    return sent


def test_an_answer_after_the_cancellation_is_sent_to_early_and_late_subscribers() -> None:
    runs = WatchedRuns()
    fake_baton = FakeBaton(runs=runs)
    run = fake_baton.started("1", "2")

    def cancelled_meanwhile(call: LlmCall, _listener: object) -> LlmAnswer:
        fake_baton.change_run.cancel(TENANT, 1, NOON)
        return an_answer(f"an answer of {call.model}")

    after = replace(fake_baton.execute_payload, llm=cancelled_meanwhile)(fake_baton.step(run))
    fake_baton.state_machine.end(fake_baton.state_machine.advance(after))
    sent = equal_by_id(runs)
    assert set(sent) == {
        "1-1-execution_progress",
        "1-1-execution_progress-0",
        "1-1-workflow_cancelled",
        "1-payload_completed-0",
    }
    fake_baton.llm.script("b")
    fake_baton.state_machine.execute(fake_baton.step(fake_baton.change_run.resume(TENANT, 1, NOON)))
    assert equal_by_id(runs).keys() - sent.keys() == {
        "1-2-execution_progress",
        "1-2-execution_progress-1",
        "1-payload_completed-1",
        "1-2-workflow_completed",
    }


def test_the_messages_of_an_attempt_have_the_number_of_payloads_that_it_had() -> None:
    runs = WatchedRuns()
    fake_baton = FakeBaton(runs=runs)
    failed(fake_baton)
    workflow = fake_baton.catalog.read(TENANT, Workflow, 1)
    shorter = replace(workflow, version=workflow.version + 1, payloads=workflow.payloads[:2])
    fake_baton.catalog.replace(TENANT, workflow, shorter, fake_baton.catalog.read_ledger(TENANT))
    fake_baton.llm.script("b")
    resumed = fake_baton.change_run.resume(TENANT, 1, NOON, ResumeOptions(definition="latest"))
    fake_baton.state_machine.execute(fake_baton.step(resumed))
    sent = messages_of_changes(runs.changes)
    assert list(messages_of_history(runs.read_history(TENANT, 1))) == sent
    assert [message.data["total"] for message in sent if message.type == "execution_progress"] == [3, 3, 3, 2, 2]
