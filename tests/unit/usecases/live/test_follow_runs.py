"""Follow runs: a client receives the history, then every new message, without a gap."""

from __future__ import annotations

from datetime import timedelta

import pytest

from baton.domain.errors import ConnectionGone, Invalid, NotFound
from baton.domain.live.messages import Change, messages_of_history
from baton.domain.runs.run import RunHistory, after_response
from baton.domain.times import Lease
from tests.fakes.clients import MAX_RUNS_FOLLOWED
from tests.fakes.runs import FakeRuns
from tests.support.records import NOON, OTHER_TENANT, TENANT, a_response, a_run
from tests.support.stores import subscribers
from tests.support.use_cases import FakeBaton


def test_a_new_client_follows_every_run_or_the_one_it_requests(fake_baton: FakeBaton) -> None:
    fake_baton.follow_runs.connect(TENANT, "ann", None, NOON)
    fake_baton.follow_runs.connect(TENANT, "bob", 2, NOON)
    assert subscribers(fake_baton.connections, TENANT, 1) == {"ann"}
    assert subscribers(fake_baton.connections, TENANT, 2) == {"ann", "bob"}


def test_a_subscriber_receives_the_history_in_order(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("one", "two")
    fake_baton.llm.script("a")
    fake_baton.state_machine.advance(fake_baton.step(run))
    fake_baton.follow_runs.subscribe(TENANT, "ann", 1, NOON)
    assert fake_baton.web_sockets.message_ids("ann") == [
        "1-1-execution_progress",
        "1-1-execution_progress-0",
        "1-payload_completed-0",
        "1-1-execution_progress-1",
    ]
    assert subscribers(fake_baton.connections, TENANT, 1) == {"ann"}


def test_a_change_while_the_history_is_read_is_sent_at_least_once(fake_baton: FakeBaton) -> None:
    """The subscription is stored before the run is read; the stream sends the rest."""

    class AnsweringRuns(FakeRuns):
        def read_history(self, tenant: str, run_id: int) -> RunHistory:
            history = super().read_history(tenant, run_id)
            answer = a_response()
            self.write_response(answer, after_response(history.run, answer))
            fake_baton.notify([Change(index=0, old=None, new=answer)], 300)
            return history

    runs = AnsweringRuns()
    fake_baton = FakeBaton(runs=runs, connections=fake_baton.connections, web_sockets=fake_baton.web_sockets)
    runs.create(a_run(), {}, [])
    fake_baton.follow_runs.subscribe(TENANT, "ann", 1, NOON)
    assert set(fake_baton.web_sockets.message_ids("ann")) == {"1-1-execution_progress", "1-payload_completed-0"}


def test_what_happened_between_the_check_and_the_subscription_is_in_the_history(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("one")
    subscribe = fake_baton.connections.subscribe

    def answer_first(tenant: str, connection_id: str, run_id: int, lease: Lease, expires_at: int) -> bool:
        fake_baton.llm.script("a")
        fake_baton.state_machine.advance(fake_baton.step(run))
        return subscribe(tenant, connection_id, run_id, lease, expires_at)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fake_baton.connections, "subscribe", answer_first)
        fake_baton.follow_runs.subscribe(TENANT, "ann", 1, NOON)
    assert "1-payload_completed-0" in fake_baton.web_sockets.message_ids("ann")


@pytest.mark.parametrize(("tenant", "run_id"), [(TENANT, 99), (OTHER_TENANT, 1)])
def test_an_unknown_or_another_tenants_run_is_not_followed(fake_baton: FakeBaton, tenant: str, run_id: int) -> None:
    fake_baton.started("one")
    fake_baton.follow_runs.connect(tenant, "ann", None, NOON)
    with pytest.raises(NotFound, match=f"There is no run {run_id}"):
        fake_baton.follow_runs.subscribe(tenant, "ann", run_id, NOON)
    assert subscribers(fake_baton.connections, tenant, 5) == {"ann"}
    assert fake_baton.web_sockets.sent == []


def test_a_subscribe_beyond_the_maximum_is_rejected_without_history(fake_baton: FakeBaton) -> None:
    fake_baton.started("one")
    for run_id in range(2, MAX_RUNS_FOLLOWED + 2):
        fake_baton.connections.subscribe(TENANT, "ann", run_id, Lease(taken_at=0, ends_at=0), 0)
    with pytest.raises(Invalid, match="runId"):
        fake_baton.follow_runs.subscribe(TENANT, "ann", 1, NOON)
    assert fake_baton.web_sockets.sent == []


def test_a_repeated_subscribe_sends_the_history_once(fake_baton: FakeBaton) -> None:
    fake_baton.started("one")
    fake_baton.follow_runs.connect(TENANT, "ann", 1, NOON)
    assert fake_baton.web_sockets.sent == []
    fake_baton.follow_runs.subscribe(TENANT, "ann", 1, NOON)
    sent = fake_baton.web_sockets.message_ids("ann")
    for minutes in (0, 5, 100):
        fake_baton.follow_runs.subscribe(TENANT, "ann", 1, NOON + timedelta(minutes=minutes))
    assert fake_baton.web_sockets.message_ids("ann") == sent != []


def test_a_second_frame_while_the_history_is_sent_does_not_send_it_again(fake_baton: FakeBaton) -> None:
    fake_baton.started("one")
    send = fake_baton.web_sockets.send

    def subscribe_again(connection_id: str, frame: bytes) -> None:
        fake_baton.follow_runs.subscribe(TENANT, "ann", 1, NOON)
        send(connection_id, frame)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fake_baton.web_sockets, "send", subscribe_again)
        fake_baton.follow_runs.subscribe(TENANT, "ann", 1, NOON)
    assert len(fake_baton.web_sockets.message_ids("ann")) == len(set(fake_baton.web_sockets.message_ids("ann"))) > 0


def test_after_unsubscribe_a_subscribe_sends_the_history_again(fake_baton: FakeBaton) -> None:
    fake_baton.started("one")
    fake_baton.follow_runs.subscribe(TENANT, "ann", 1, NOON)
    sent = fake_baton.web_sockets.message_ids("ann")
    fake_baton.follow_runs.unsubscribe(TENANT, "ann", 1)
    fake_baton.follow_runs.subscribe(TENANT, "ann", 1, NOON)
    assert fake_baton.web_sockets.message_ids("ann") == sent * 2


def test_an_incomplete_history_is_sent_again_by_the_next_subscribe(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("one", "two")
    fake_baton.llm.script("a")
    fake_baton.state_machine.advance(fake_baton.step(run))
    fake_baton.web_sockets.broken["ann"] = 1
    with pytest.raises(OSError, match="ann"):
        fake_baton.follow_runs.subscribe(TENANT, "ann", 1, NOON)
    del fake_baton.web_sockets.broken["ann"]
    fake_baton.web_sockets.sent.clear()
    fake_baton.follow_runs.subscribe(TENANT, "ann", 1, NOON)
    assert fake_baton.web_sockets.message_ids("ann") == [
        "1-1-execution_progress",
        "1-1-execution_progress-0",
        "1-payload_completed-0",
        "1-1-execution_progress-1",
    ]


def test_a_client_that_disconnects_meanwhile_raises_connection_gone(fake_baton: FakeBaton) -> None:
    fake_baton.started("one")
    fake_baton.web_sockets.gone.add("ann")
    with pytest.raises(ConnectionGone):
        fake_baton.follow_runs.subscribe(TENANT, "ann", 1, NOON)


def test_a_new_subscription_sends_the_same_ids(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("one")
    fake_baton.llm.script("a")
    fake_baton.state_machine.execute(fake_baton.step(run))
    fake_baton.follow_runs.subscribe(TENANT, "ann", 1, NOON)
    fake_baton.follow_runs.unsubscribe(TENANT, "ann", 1)
    fake_baton.follow_runs.subscribe(TENANT, "ann", 1, NOON)
    sent = [message.id for message in messages_of_history(fake_baton.runs.read_history(TENANT, 1))]
    assert fake_baton.web_sockets.message_ids("ann") == sent + sent


def test_after_unsubscribe_the_run_has_no_subscriber(fake_baton: FakeBaton) -> None:
    fake_baton.started("one")
    fake_baton.follow_runs.subscribe(TENANT, "ann", 1, NOON)
    fake_baton.follow_runs.unsubscribe(TENANT, "ann", 1)
    assert subscribers(fake_baton.connections, TENANT, 1) == frozenset()


def test_a_disconnect_deletes_the_connection(fake_baton: FakeBaton) -> None:
    fake_baton.follow_runs.connect(TENANT, "ann", None, NOON)
    fake_baton.follow_runs.disconnect(TENANT, "ann")
    assert subscribers(fake_baton.connections, TENANT, 1) == frozenset()
