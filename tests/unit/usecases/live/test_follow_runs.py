"""Follow runs: a client hears what has happened, then what happens, and nothing falls between."""

from __future__ import annotations

from datetime import timedelta

import pytest

from baton.domain.errors import ConnectionGone, Invalid, NotFound
from baton.domain.live.messages import Change, of_history
from baton.domain.runs.run import RunHistory
from baton.domain.times import Lease
from tests.fakes.clients import MAX_RUNS_FOLLOWED
from tests.fakes.runs import FakeRuns
from tests.support.records import NOON, OTHER_TENANT, TENANT, a_response, a_run
from tests.support.use_cases import World


def test_a_new_client_hears_every_run_or_the_one_that_it_names(world: World) -> None:
    world.follow_runs.connect(TENANT, "ann", None, NOON)
    world.follow_runs.connect(TENANT, "bob", 2, NOON)
    assert world.connections.subscribers(TENANT, 1) == {"ann"}
    assert world.connections.subscribers(TENANT, 2) == {"ann", "bob"}


def test_a_subscriber_hears_what_has_happened_so_far_in_order(world: World) -> None:
    run = world.started("one", "two")
    world.llm.script("a")
    world.state_machine.advance(world.step(run))
    world.follow_runs.subscribe(TENANT, "ann", 1, NOON)
    assert world.sender.message_ids("ann") == [
        "1-1-execution_progress",
        "1-1-execution_progress-0",
        "1-payload_completed-0",
    ]
    assert world.connections.subscribers(TENANT, 1) == {"ann"}


def test_what_happens_while_the_history_is_read_is_told_once_at_least(world: World) -> None:
    """The subscription is stored before the run is read; the stream tells the rest."""

    class AnsweringRuns(FakeRuns):
        def read_history(self, tenant: str, run_id: int) -> RunHistory:
            history = super().read_history(tenant, run_id)
            answer = a_response()
            self.write_response(answer)
            world.notify([Change(index=0, old=None, new=answer)])
            return history

    runs = AnsweringRuns()
    world = World(runs=runs, connections=world.connections, sender=world.sender)
    runs.create(a_run(), {}, [])
    world.follow_runs.subscribe(TENANT, "ann", 1, NOON)
    assert set(world.sender.message_ids("ann")) == {"1-1-execution_progress", "1-payload_completed-0"}


def test_what_happened_between_the_check_and_the_subscription_is_in_the_history(world: World) -> None:
    run = world.started("one")
    subscribe = world.connections.subscribe

    def answer_first(tenant: str, connection_id: str, run_id: int, lease: Lease, expires_at: int) -> bool:
        world.llm.script("a")
        world.state_machine.advance(world.step(run))
        return subscribe(tenant, connection_id, run_id, lease, expires_at)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.connections, "subscribe", answer_first)
        world.follow_runs.subscribe(TENANT, "ann", 1, NOON)
    assert "1-payload_completed-0" in world.sender.message_ids("ann")


@pytest.mark.parametrize(("tenant", "run_id"), [(TENANT, 99), (OTHER_TENANT, 1)])
def test_an_unknown_or_another_tenants_run_is_not_followed(world: World, tenant: str, run_id: int) -> None:
    world.started("one")
    world.follow_runs.connect(tenant, "ann", None, NOON)
    with pytest.raises(NotFound, match=f"There is no run {run_id}"):
        world.follow_runs.subscribe(tenant, "ann", run_id, NOON)
    assert world.connections.subscribers(tenant, 5) == {"ann"}
    assert world.sender.sent == []


def test_one_run_too_many_is_refused_and_told_nothing(world: World) -> None:
    world.started("one")
    for run_id in range(2, MAX_RUNS_FOLLOWED + 2):
        world.connections.subscribe(TENANT, "ann", run_id, Lease(taken_at=0, ends_at=0), 0)
    with pytest.raises(Invalid, match="runId"):
        world.follow_runs.subscribe(TENANT, "ann", 1, NOON)
    assert world.sender.sent == []


def test_a_repeated_subscribe_sends_the_history_once(world: World) -> None:
    world.started("one")
    world.follow_runs.connect(TENANT, "ann", 1, NOON)
    assert world.sender.sent == []
    world.follow_runs.subscribe(TENANT, "ann", 1, NOON)
    once = world.sender.message_ids("ann")
    for minutes in (0, 5, 100):
        world.follow_runs.subscribe(TENANT, "ann", 1, NOON + timedelta(minutes=minutes))
    assert world.sender.message_ids("ann") == once != []


def test_a_second_frame_while_the_history_is_sent_does_not_send_it_again(world: World) -> None:
    world.started("one")
    send = world.sender.send

    def subscribe_again(connection_id: str, frame: bytes) -> None:
        world.follow_runs.subscribe(TENANT, "ann", 1, NOON)
        send(connection_id, frame)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.sender, "send", subscribe_again)
        world.follow_runs.subscribe(TENANT, "ann", 1, NOON)
    assert len(world.sender.message_ids("ann")) == len(set(world.sender.message_ids("ann"))) > 0


def test_who_unsubscribes_and_subscribes_again_gets_the_history_again(world: World) -> None:
    world.started("one")
    world.follow_runs.subscribe(TENANT, "ann", 1, NOON)
    once = world.sender.message_ids("ann")
    world.follow_runs.unsubscribe(TENANT, "ann", 1)
    world.follow_runs.subscribe(TENANT, "ann", 1, NOON)
    assert world.sender.message_ids("ann") == once * 2


def test_a_history_that_breaks_off_is_sent_whole_by_the_next_subscribe(world: World) -> None:
    run = world.started("one", "two")
    world.llm.script("a")
    world.state_machine.advance(world.step(run))
    world.sender.broken["ann"] = 1
    with pytest.raises(OSError, match="ann"):
        world.follow_runs.subscribe(TENANT, "ann", 1, NOON)
    del world.sender.broken["ann"]
    world.sender.sent.clear()
    world.follow_runs.subscribe(TENANT, "ann", 1, NOON)
    assert world.sender.message_ids("ann") == [
        "1-1-execution_progress",
        "1-1-execution_progress-0",
        "1-payload_completed-0",
    ]


def test_a_client_that_leaves_meanwhile_is_told_to_the_caller(world: World) -> None:
    world.started("one")
    world.sender.gone.add("ann")
    with pytest.raises(ConnectionGone):
        world.follow_runs.subscribe(TENANT, "ann", 1, NOON)


def test_leaving_and_subscribing_again_tells_the_same_facts_with_the_same_ids(world: World) -> None:
    run = world.started("one")
    world.llm.script("a")
    world.state_machine.execute(world.step(run))
    world.follow_runs.subscribe(TENANT, "ann", 1, NOON)
    world.follow_runs.unsubscribe(TENANT, "ann", 1)
    world.follow_runs.subscribe(TENANT, "ann", 1, NOON)
    once = [message.id for message in of_history(world.runs.read_history(TENANT, 1))]
    assert world.sender.message_ids("ann") == once + once


def test_who_unsubscribes_hears_no_more(world: World) -> None:
    world.started("one")
    world.follow_runs.subscribe(TENANT, "ann", 1, NOON)
    world.follow_runs.unsubscribe(TENANT, "ann", 1)
    assert world.connections.subscribers(TENANT, 1) == frozenset()


def test_who_disconnects_is_forgotten(world: World) -> None:
    world.follow_runs.connect(TENANT, "ann", None, NOON)
    world.follow_runs.disconnect(TENANT, "ann")
    assert world.connections.subscribers(TENANT, 1) == frozenset()
