"""Notify subscribers: in order for each client, and one client's failure does not affect others."""

from __future__ import annotations

import pytest

from baton.domain.live.messages import Change, messages_of_change
from baton.usecases.live.notify_subscribers import CONNECTING_TIME, MAX_CONCURRENT_SENDS
from tests.support.records import EXPIRES_AT, NOON, OTHER_TENANT, TENANT, a_response, a_run
from tests.support.use_cases import FakeBaton

LONG_AGO = 1_700_000_000


def batch(*, tenant: str = TENANT, run_id: int = 1, responses: int = 4) -> list[Change]:
    """The run starts, then its payloads answer."""
    run = a_run(tenant=tenant, id=run_id, total=responses)
    records = [a_response(position, tenant=tenant, run_id=run_id, total=responses) for position in range(responses)]
    return [
        Change(index=0, old=a_run(tenant=tenant, id=run_id, status="created", started_at=None), new=run),
        *[Change(index=index, old=None, new=response) for index, response in enumerate(records, start=1)],
    ]


def connect(fake_baton: FakeBaton, *clients: str, run_id: int | None = None, tenant: str = TENANT) -> None:
    for client in clients:
        fake_baton.connections.connect(tenant, client, run_id, LONG_AGO, EXPIRES_AT)


def ids(changes: list[Change]) -> list[str]:
    return [message.id for change in changes for message in messages_of_change(change)]


def test_every_subscriber_gets_every_message_in_order(fake_baton: FakeBaton) -> None:
    clients = [f"client {number}" for number in range(3 * MAX_CONCURRENT_SENDS)]
    connect(fake_baton, *clients)
    assert fake_baton.notify(batch()) is None
    assert ids(batch()) == ["1-1-execution_progress", *[f"1-payload_completed-{position}" for position in range(4)]]
    for client in clients:
        assert fake_baton.sender.message_ids(client) == ids(batch())


def test_only_subscribers_of_the_run_receive_its_messages(fake_baton: FakeBaton) -> None:
    connect(fake_baton, "of one", run_id=1)
    connect(fake_baton, "of two", run_id=2)
    connect(fake_baton, "foreign", tenant=OTHER_TENANT)
    fake_baton.notify(batch(run_id=1))
    assert {client for client, _ in fake_baton.sender.sent} == {"of one"}


def test_one_client_receives_several_runs_in_the_order_of_the_batch(fake_baton: FakeBaton) -> None:
    connect(fake_baton, "ann")
    one, two = batch(run_id=1, responses=2), batch(run_id=2, responses=2)
    mixed = [one[0], two[0], two[1], one[1], two[2], one[2]]
    fake_baton.notify(mixed)
    assert fake_baton.sender.message_ids("ann") == ids(mixed)


def test_subscribers_are_read_once_per_run(fake_baton: FakeBaton) -> None:
    connect(fake_baton, "ann")
    fake_baton.notify([*batch(run_id=1), *batch(run_id=2), *batch(run_id=1, tenant=OTHER_TENANT)])
    assert fake_baton.connections.lookups == {(TENANT, 1): 1, (TENANT, 2): 1, (OTHER_TENANT, 1): 1}


def test_a_change_without_messages_reads_no_subscribers(fake_baton: FakeBaton) -> None:
    connect(fake_baton, "ann")
    nothing = [Change(index=0, old=None, new=a_run(status="created", started_at=None))]
    assert fake_baton.notify(nothing) is None
    assert fake_baton.notify([]) is None
    assert (fake_baton.connections.lookups, fake_baton.sender.sent) == ({}, [])


def test_a_run_without_subscribers_is_not_a_failure(fake_baton: FakeBaton) -> None:
    assert fake_baton.notify(batch()) is None
    assert fake_baton.sender.sent == []


def test_a_gone_client_is_deleted_and_is_not_a_failure(fake_baton: FakeBaton) -> None:
    connect(fake_baton, "gone", "ann")
    fake_baton.sender.gone.add("gone")
    assert fake_baton.notify(batch()) is None
    assert fake_baton.connections.subscribers(TENANT, 1) == {"ann"}
    assert fake_baton.sender.message_ids("ann") == ids(batch())


def test_a_client_that_is_still_connecting_is_not_deleted(fake_baton: FakeBaton) -> None:
    """It is stored shortly before it is open; until then API Gateway responds that it is gone."""
    fake_baton.follow_runs.connect(TENANT, "new", None, NOON)
    fake_baton.sender.gone.add("new")
    assert fake_baton.notify(batch()) is None
    assert fake_baton.connections.subscribers(TENANT, 1) == {"new"}
    fake_baton.clock.advance(CONNECTING_TIME.total_seconds() + 1)
    assert fake_baton.notify(batch()) is None
    assert fake_baton.connections.subscribers(TENANT, 1) == frozenset()


def test_a_failing_client_is_returned_and_the_others_are_still_served(fake_baton: FakeBaton) -> None:
    connect(fake_baton, "ann", "broken")
    fake_baton.sender.broken["broken"] = 2
    failure = fake_baton.notify(batch())
    assert failure is not None
    assert failure.index == 2
    assert isinstance(failure.error, OSError)
    assert fake_baton.sender.message_ids("ann") == ids(batch())
    assert fake_baton.sender.message_ids("broken") == ids(batch())[:2]
    assert fake_baton.connections.subscribers(TENANT, 1) == {"ann", "broken"}


def test_the_first_of_several_failures_is_returned(fake_baton: FakeBaton) -> None:
    connect(fake_baton, "late", "early", "later")
    fake_baton.sender.broken |= {"late": 3, "early": 1, "later": 4}
    failure = fake_baton.notify(batch())
    assert failure is not None
    assert failure.index == 1


def test_the_index_of_a_failure_is_its_place_in_the_batch(fake_baton: FakeBaton) -> None:
    """Other records of the batch have no Change, but are counted."""
    connect(fake_baton, "broken")
    fake_baton.sender.broken["broken"] = 0
    failure = fake_baton.notify([Change(index=7, old=None, new=a_response())])
    assert failure is not None
    assert failure.index == 7


def test_a_batch_delivered_again_repeats_ids_and_loses_nothing(fake_baton: FakeBaton) -> None:
    connect(fake_baton, "ann", "broken")
    fake_baton.sender.broken["broken"] = 2
    failure = fake_baton.notify(batch())
    assert failure is not None
    del fake_baton.sender.broken["broken"]
    assert fake_baton.notify(batch()[failure.index :]) is None
    for client in ("ann", "broken"):
        assert list(dict.fromkeys(fake_baton.sender.message_ids(client))) == ids(batch())


def test_a_failure_to_read_the_subscribers_is_raised(fake_baton: FakeBaton, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lambda then delivers the complete batch again."""

    def unreachable(_tenant: str, _run_id: int) -> frozenset[str]:
        raise OSError("no table")

    monkeypatch.setattr(fake_baton.connections, "subscribers", unreachable)
    with pytest.raises(OSError, match="no table"):
        fake_baton.notify(batch())
