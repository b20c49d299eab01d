"""Notify subscribers: each client in order, and one client's trouble is not another's."""

from __future__ import annotations

import pytest

from baton.domain.live.messages import Change, messages_of
from baton.usecases.live.notify_subscribers import SENDERS_AT_ONCE, TIME_TO_CONNECT
from tests.support.records import EXPIRES_AT, NOON, OTHER_TENANT, TENANT, a_response, a_run
from tests.support.use_cases import World

LONG_AGO = 1_700_000_000


def batch(*, tenant: str = TENANT, run_id: int = 1, responses: int = 4) -> list[Change]:
    """The run starts, then its payloads answer."""
    run = a_run(tenant=tenant, id=run_id, total=responses)
    records = [a_response(position, tenant=tenant, run_id=run_id, total=responses) for position in range(responses)]
    return [
        Change(index=0, old=a_run(tenant=tenant, id=run_id, status="created", started_at=None), new=run),
        *[Change(index=index, old=None, new=response) for index, response in enumerate(records, start=1)],
    ]


def connect(world: World, *clients: str, run_id: int | None = None, tenant: str = TENANT) -> None:
    for client in clients:
        world.connections.connect(tenant, client, run_id, LONG_AGO, EXPIRES_AT)


def ids(changes: list[Change]) -> list[str]:
    return [message.id for change in changes for message in messages_of(change)]


def test_every_subscriber_gets_every_message_in_order(world: World) -> None:
    clients = [f"client {number}" for number in range(3 * SENDERS_AT_ONCE)]
    connect(world, *clients)
    assert world.notify(batch()) is None
    assert ids(batch()) == ["1-1-execution_progress", *[f"1-payload_completed-{position}" for position in range(4)]]
    for client in clients:
        assert world.sender.message_ids(client) == ids(batch())


def test_only_those_who_follow_the_run_hear_of_it(world: World) -> None:
    connect(world, "of one", run_id=1)
    connect(world, "of two", run_id=2)
    connect(world, "foreign", tenant=OTHER_TENANT)
    world.notify(batch(run_id=1))
    assert {client for client, _ in world.sender.sent} == {"of one"}


def test_messages_of_several_runs_reach_one_client_in_the_order_of_the_batch(world: World) -> None:
    connect(world, "ann")
    one, two = batch(run_id=1, responses=2), batch(run_id=2, responses=2)
    mixed = [one[0], two[0], two[1], one[1], two[2], one[2]]
    world.notify(mixed)
    assert world.sender.message_ids("ann") == ids(mixed)


def test_subscribers_are_looked_up_once_a_run(world: World) -> None:
    connect(world, "ann")
    world.notify([*batch(run_id=1), *batch(run_id=2), *batch(run_id=1, tenant=OTHER_TENANT)])
    assert world.connections.lookups == {(TENANT, 1): 1, (TENANT, 2): 1, (OTHER_TENANT, 1): 1}


def test_what_tells_nothing_asks_for_no_subscribers(world: World) -> None:
    connect(world, "ann")
    nothing = [Change(index=0, old=None, new=a_run(status="created", started_at=None))]
    assert world.notify(nothing) is None
    assert world.notify([]) is None
    assert (world.connections.lookups, world.sender.sent) == ({}, [])


def test_nobody_listening_is_no_failure(world: World) -> None:
    assert world.notify(batch()) is None
    assert world.sender.sent == []


def test_a_client_that_has_left_is_forgotten_and_no_failure(world: World) -> None:
    connect(world, "gone", "ann")
    world.sender.gone.add("gone")
    assert world.notify(batch()) is None
    assert world.connections.subscribers(TENANT, 1) == {"ann"}
    assert world.sender.message_ids("ann") == ids(batch())


def test_a_client_that_is_only_just_connecting_is_not_forgotten(world: World) -> None:
    """It is stored a moment before it is open, and until then API Gateway says that it is gone."""
    world.follow_runs.connect(TENANT, "new", None, NOON)
    world.sender.gone.add("new")
    assert world.notify(batch()) is None
    assert world.connections.subscribers(TENANT, 1) == {"new"}
    world.clock.advance(TIME_TO_CONNECT.total_seconds() + 1)
    assert world.notify(batch()) is None
    assert world.connections.subscribers(TENANT, 1) == frozenset()


def test_a_failing_client_is_returned_and_the_others_are_still_served(world: World) -> None:
    connect(world, "ann", "broken")
    world.sender.broken["broken"] = 2
    failure = world.notify(batch())
    assert failure is not None
    assert failure.index == 2
    assert isinstance(failure.error, OSError)
    assert world.sender.message_ids("ann") == ids(batch())
    assert world.sender.message_ids("broken") == ids(batch())[:2]
    assert world.connections.subscribers(TENANT, 1) == {"ann", "broken"}


def test_the_first_of_several_failures_is_returned(world: World) -> None:
    connect(world, "late", "early", "later")
    world.sender.broken |= {"late": 3, "early": 1, "later": 4}
    failure = world.notify(batch())
    assert failure is not None
    assert failure.index == 1


def test_the_index_is_the_changes_own_place_in_the_batch(world: World) -> None:
    """Records that are no change of a run have no Change, but count in the batch."""
    connect(world, "broken")
    world.sender.broken["broken"] = 0
    failure = world.notify([Change(index=7, old=None, new=a_response())])
    assert failure is not None
    assert failure.index == 7


def test_a_batch_delivered_again_repeats_ids_and_loses_nothing(world: World) -> None:
    connect(world, "ann", "broken")
    world.sender.broken["broken"] = 2
    failure = world.notify(batch())
    assert failure is not None
    del world.sender.broken["broken"]
    assert world.notify(batch()[failure.index :]) is None
    for client in ("ann", "broken"):
        assert list(dict.fromkeys(world.sender.message_ids(client))) == ids(batch())


def test_a_failure_of_the_connections_is_raised(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then Lambda delivers the whole batch again."""

    def unreachable(_tenant: str, _run_id: int) -> frozenset[str]:
        raise OSError("no table")

    monkeypatch.setattr(world.connections, "subscribers", unreachable)
    with pytest.raises(OSError, match="no table"):
        world.notify(batch())
