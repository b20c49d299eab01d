"""Notify subscribers: in order for each client, and one client's trouble is its own."""

from __future__ import annotations

from dataclasses import replace
from threading import Barrier, Event, get_ident

import pytest

from baton.domain.live.messages import Change, messages_of_change
from baton.usecases.live.notify_subscribers import Dropped, NotifySubscribers, Unsent
from baton.usecases.live.retrying_sender import RetryingSender
from tests.fakes.clients import FakeWebSockets
from tests.support.records import EXPIRES_AT, NOON, OTHER_TENANT, TENANT, a_response, a_run
from tests.support.stores import subscribers
from tests.support.use_cases import FakeBaton

LONG_AGO = 1_700_000_000
SECONDS = 300
"""The time of the function; its last 60 seconds are reserved."""


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


def notify(fake_baton: FakeBaton, changes: list[Change], seconds: float = SECONDS) -> Unsent | None:
    return fake_baton.notify(changes, seconds).unsent


def notify_with(
    fake_baton: FakeBaton, web_sockets: FakeWebSockets, *, senders: int, seconds: float = SECONDS
) -> Unsent | None:
    """Notify of a batch with other clients, and so many senders."""
    use_case = NotifySubscribers(
        connections=fake_baton.connections,
        sender=RetryingSender(web_sockets=web_sockets, sleep=fake_baton.clock.advance),
        metrics=fake_baton.metrics,
        clock=fake_baton.clock,
        monotonic=fake_baton.clock.monotonic,
        senders=senders,
    )
    return use_case(batch(), seconds).unsent


def ids(changes: list[Change]) -> list[str]:
    return [message.id for change in changes for message in messages_of_change(change)]


def test_every_subscriber_gets_every_message_in_order(fake_baton: FakeBaton) -> None:
    clients = [f"client {number}" for number in range(100)]
    connect(fake_baton, *clients)
    assert notify(fake_baton, batch()) is None
    assert ids(batch()) == ["1-1-execution_progress", *[f"1-payload_completed-{position}" for position in range(4)]]
    for client in clients:
        assert fake_baton.web_sockets.message_ids(client) == ids(batch())


def test_all_clients_get_a_message_before_any_gets_the_next_one(fake_baton: FakeBaton) -> None:
    connect(fake_baton, "ann", "bob", "cho")
    notify_with(fake_baton, fake_baton.web_sockets, senders=1)
    sent = [client for client, _ in fake_baton.web_sockets.sent]
    assert [sorted(sent[first : first + 3]) for first in range(0, 15, 3)] == [["ann", "bob", "cho"]] * 5


class Together(FakeWebSockets):
    """A frame is accepted when so many are being sent; ``senders`` are the threads that send."""

    def __init__(self, senders: int) -> None:
        super().__init__()
        self.senders: set[int] = set()
        self._barrier = Barrier(senders, timeout=10)

    def send(self, connection_id: str, frame: bytes) -> None:
        self.senders.add(get_ident())
        self._barrier.wait()
        super().send(connection_id, frame)


def test_32_clients_are_sent_to_at_the_same_time(fake_baton: FakeBaton) -> None:
    connect(fake_baton, *[f"client {number}" for number in range(64)])
    web_sockets = Together(32)
    sender = RetryingSender(web_sockets=web_sockets, sleep=fake_baton.clock.advance)
    use_case = NotifySubscribers(
        connections=fake_baton.connections,
        sender=sender,
        metrics=fake_baton.metrics,
        clock=fake_baton.clock,
        monotonic=fake_baton.clock.monotonic,
    )
    assert use_case(batch(), SECONDS).unsent is None
    assert len(web_sockets.senders) == 32
    assert len(web_sockets.sent) == 64 * 5


def test_there_are_as_many_senders_as_configured(fake_baton: FakeBaton) -> None:
    connect(fake_baton, *[f"client {number}" for number in range(48)])
    web_sockets = Together(3)
    assert notify_with(fake_baton, web_sockets, senders=3) is None
    assert len(web_sockets.senders) == 3
    assert len(web_sockets.sent) == 48 * 5


def test_an_interrupt_in_a_sender_is_raised(fake_baton: FakeBaton, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    connect(fake_baton, "ann")
    monkeypatch.setattr(fake_baton.web_sockets, "send", interrupted)
    with pytest.raises(KeyboardInterrupt):
        notify(fake_baton, batch())


def test_a_client_that_never_reads_delays_no_other_client(fake_baton: FakeBaton) -> None:
    class OneIsSlow(FakeWebSockets):
        """The first frame for ``slow`` is accepted when the others have received all their messages."""

        def __init__(self) -> None:
            super().__init__()
            self.others_are_done = Event()

        def send(self, connection_id: str, frame: bytes) -> None:
            if connection_id == "slow":
                assert self.others_are_done.wait(timeout=10)
            super().send(connection_id, frame)
            if len(self.sent) == 2 * 5:
                self.others_are_done.set()

    connect(fake_baton, "slow", "ann", "bob")
    web_sockets = OneIsSlow()
    assert notify_with(fake_baton, web_sockets, senders=2) is None
    assert [client for client, _ in web_sockets.sent[-5:]] == ["slow"] * 5
    for client in ("slow", "ann", "bob"):
        assert web_sockets.message_ids(client) == ids(batch())


def test_a_client_that_keeps_failing_is_disconnected_and_is_not_a_failure(fake_baton: FakeBaton) -> None:
    connect(fake_baton, "stuck", "ann", "bob")
    fake_baton.web_sockets.failing["stuck"] = 2
    assert notify(fake_baton, batch()) is None
    assert fake_baton.web_sockets.closed == ["stuck"]
    assert fake_baton.web_sockets.messages("stuck") == []
    assert subscribers(fake_baton.connections, TENANT, 1) == {"ann", "bob"}
    for client in ("ann", "bob"):
        assert fake_baton.web_sockets.message_ids(client) == ids(batch())


def test_a_client_that_fails_once_misses_nothing(fake_baton: FakeBaton) -> None:
    connect(fake_baton, "busy")
    fake_baton.web_sockets.failing["busy"] = 1
    assert notify(fake_baton, batch()) is None
    assert fake_baton.web_sockets.message_ids("busy") == ids(batch())
    assert fake_baton.web_sockets.closed == []


def test_if_no_connection_can_be_closed_the_failure_concerns_all_clients(fake_baton: FakeBaton) -> None:
    """Then API Gateway itself has failed; the messages are to be delivered again, and no client is deleted."""
    connect(fake_baton, "ann")
    fake_baton.web_sockets.failing["ann"] = 1_000
    unsent = notify(fake_baton, batch())
    assert unsent is not None
    assert unsent.index == 0
    assert type(unsent.error).__name__ == "ConnectionFailing"
    assert subscribers(fake_baton.connections, TENANT, 1) == {"ann"}


def test_only_subscribers_of_the_run_receive_its_messages(fake_baton: FakeBaton) -> None:
    connect(fake_baton, "of one", run_id=1)
    connect(fake_baton, "of two", run_id=2)
    connect(fake_baton, "foreign", tenant=OTHER_TENANT)
    notify(fake_baton, batch(run_id=1))
    assert {client for client, _ in fake_baton.web_sockets.sent} == {"of one"}


def test_one_client_receives_several_runs_in_the_order_of_the_batch(fake_baton: FakeBaton) -> None:
    connect(fake_baton, "ann")
    one, two = batch(run_id=1, responses=2), batch(run_id=2, responses=2)
    mixed = [one[0], two[0], two[1], one[1], two[2], one[2]]
    notify(fake_baton, mixed)
    assert fake_baton.web_sockets.message_ids("ann") == ids(mixed)


def test_each_topic_is_read_once_and_that_of_all_runs_first(fake_baton: FakeBaton) -> None:
    connect(fake_baton, "ann")
    notify(fake_baton, [*batch(run_id=1), *batch(run_id=2), *batch(run_id=1, tenant=OTHER_TENANT)])
    topics = [(TENANT, None), (TENANT, 1), (TENANT, 2), (OTHER_TENANT, None), (OTHER_TENANT, 1)]
    assert fake_baton.connections.lookups == dict.fromkeys(topics, 1)
    assert list(fake_baton.connections.lookups) == topics


def test_a_change_without_messages_reads_no_subscribers(fake_baton: FakeBaton) -> None:
    connect(fake_baton, "ann")
    nothing = [Change(index=0, old=None, new=a_run(status="created", started_at=None))]
    assert notify(fake_baton, nothing) is None
    assert notify(fake_baton, []) is None
    assert (fake_baton.connections.lookups, fake_baton.web_sockets.sent) == ({}, [])


def test_a_run_without_subscribers_is_not_a_failure(fake_baton: FakeBaton) -> None:
    assert notify(fake_baton, batch()) is None
    assert fake_baton.web_sockets.sent == []


def test_a_gone_client_is_deleted_and_is_not_a_failure(fake_baton: FakeBaton) -> None:
    connect(fake_baton, "gone", "ann")
    fake_baton.web_sockets.gone.add("gone")
    assert notify(fake_baton, batch()) is None
    assert subscribers(fake_baton.connections, TENANT, 1) == {"ann"}
    assert fake_baton.web_sockets.message_ids("ann") == ids(batch())


def test_a_client_that_is_still_connecting_is_not_deleted(fake_baton: FakeBaton) -> None:
    """It is stored shortly before it is open; until then API Gateway responds that it is gone."""
    fake_baton.follow_runs.connect(TENANT, "new", None, NOON)
    fake_baton.web_sockets.gone.add("new")
    assert notify(fake_baton, batch()) is None
    assert subscribers(fake_baton.connections, TENANT, 1) == {"new"}
    fake_baton.clock.advance(10.5)
    assert notify(fake_baton, batch()) is None
    assert subscribers(fake_baton.connections, TENANT, 1) == {"new"}
    fake_baton.clock.advance(1)
    assert notify(fake_baton, batch()) is None
    assert subscribers(fake_baton.connections, TENANT, 1) == frozenset()


def test_a_failure_that_concerns_all_clients_is_returned_with_the_first_unsent_change(fake_baton: FakeBaton) -> None:
    connect(fake_baton, "ann")
    fake_baton.web_sockets.broken["ann"] = 2
    unsent = notify(fake_baton, batch())
    assert unsent is not None
    assert unsent.index == 2
    assert isinstance(unsent.error, OSError)
    assert fake_baton.web_sockets.message_ids("ann") == ids(batch())[:2]
    assert subscribers(fake_baton.connections, TENANT, 1) == {"ann"}


def test_after_such_a_failure_nothing_more_is_sent(fake_baton: FakeBaton) -> None:
    connect(fake_baton, "ann", "bob", "cho")
    fake_baton.web_sockets.broken |= {"ann": 1, "bob": 1, "cho": 1}
    unsent = notify_with(fake_baton, fake_baton.web_sockets, senders=1)
    assert unsent is not None
    assert unsent.index == 1
    assert len(fake_baton.web_sockets.sent) == 3


def test_a_table_that_cannot_delete_a_client_is_a_failure(
    fake_baton: FakeBaton, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object) -> None:
        raise OSError("no table")

    connect(fake_baton, "gone")
    fake_baton.web_sockets.gone.add("gone")
    monkeypatch.setattr(fake_baton.connections, "disconnect_if_connected_before", unreachable)
    unsent = notify(fake_baton, batch())
    assert unsent is not None
    assert (unsent.index, str(unsent.error)) == (0, "no table")


def test_the_index_of_a_failure_is_its_place_in_the_batch(fake_baton: FakeBaton) -> None:
    """Other records of the batch have no Change, but are counted."""
    connect(fake_baton, "ann")
    fake_baton.web_sockets.broken["ann"] = 0
    unsent = notify(fake_baton, [Change(index=7, old=None, new=a_response())])
    assert unsent is not None
    assert unsent.index == 7


def test_a_batch_delivered_again_repeats_ids_and_loses_nothing(fake_baton: FakeBaton) -> None:
    connect(fake_baton, "ann", "bob")
    fake_baton.web_sockets.broken["bob"] = 2
    unsent = notify(fake_baton, batch())
    assert unsent is not None
    del fake_baton.web_sockets.broken["bob"]
    assert notify(fake_baton, batch()[unsent.index :]) is None
    for client in ("ann", "bob"):
        assert list(dict.fromkeys(fake_baton.web_sockets.message_ids(client))) == ids(batch())


class OneSecondEach(FakeWebSockets):
    """A frame takes a second."""

    def __init__(self, fake_baton: FakeBaton) -> None:
        super().__init__()
        self._fake_baton = fake_baton

    def send(self, connection_id: str, frame: bytes) -> None:
        self._fake_baton.clock.advance(1)
        super().send(connection_id, frame)


def test_sending_ends_a_minute_before_the_function_does(fake_baton: FakeBaton) -> None:
    connect(fake_baton, "ann")
    web_sockets = OneSecondEach(fake_baton)
    assert notify_with(fake_baton, web_sockets, senders=1, seconds=63) == Unsent(index=3)
    assert web_sockets.message_ids("ann") == ids(batch())[:3]


def test_a_change_that_only_some_clients_have_received_is_unsent(fake_baton: FakeBaton) -> None:
    connect(fake_baton, "ann", "bob")
    web_sockets = OneSecondEach(fake_baton)
    assert notify_with(fake_baton, web_sockets, senders=1, seconds=65) == Unsent(index=2)
    assert len(web_sockets.sent) == 5


def test_a_failure_to_read_the_subscribers_is_raised(fake_baton: FakeBaton, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lambda then delivers the complete batch again."""

    def unreachable(_tenant: str, _run_id: int | None) -> frozenset[str]:
        raise OSError("no table")

    monkeypatch.setattr(fake_baton.connections, "followers", unreachable)
    with pytest.raises(OSError, match="no table"):
        notify(fake_baton, batch())


def lags(fake_baton: FakeBaton) -> list[float]:
    return fake_baton.metrics.values("MessageLag")


AT_NOON_SECOND = int(NOON.timestamp())


def test_the_lag_is_measured_from_the_write_to_the_last_client(fake_baton: FakeBaton) -> None:
    connect(fake_baton, "ann", "bob")
    at_noon = [replace(change, written_second=AT_NOON_SECOND) for change in batch(responses=2)]
    sender = RetryingSender(web_sockets=OneSecondEach(fake_baton), sleep=fake_baton.clock.advance)
    notified = replace(fake_baton.notify, sender=sender, senders=1)(at_noon, SECONDS)
    assert [round(lag, -2) for lag in lags(fake_baton)] == [1900, 3000, 5000]
    assert lags(fake_baton) == list(notified.lags_ms)
    assert (notified.messages, notified.clients) == (6, 2)


def test_a_change_without_followers_or_without_a_time_has_no_lag(fake_baton: FakeBaton) -> None:
    notify(fake_baton, [replace(change, written_second=AT_NOON_SECOND) for change in batch()])
    connect(fake_baton, "ann")
    notify(fake_baton, batch())
    assert lags(fake_baton) == []


def test_what_is_delivered_again_is_counted_once(fake_baton: FakeBaton) -> None:
    connect(fake_baton, "ann")
    ended = Change(index=5, old=a_run(status="running"), new=a_run(status="failed", error="401"))
    changes = [replace(change, written_second=AT_NOON_SECOND) for change in [*batch(), ended]]
    fake_baton.web_sockets.broken["ann"] = 2
    unsent = notify(fake_baton, changes)
    assert unsent is not None
    assert (len(lags(fake_baton)), fake_baton.metrics.values("RunsEnded", status="failed")) == (2, [])
    del fake_baton.web_sockets.broken["ann"]
    notify(fake_baton, changes[unsent.index :])
    assert (len(lags(fake_baton)), fake_baton.metrics.values("RunsEnded", status="failed")) == (6, [1])


def test_a_run_without_followers_is_counted_when_it_ends(fake_baton: FakeBaton) -> None:
    notify(fake_baton, [Change(index=0, old=a_run(), new=a_run(status="completed"))])
    assert fake_baton.metrics.values("RunsEnded", status="completed") == [1]


def test_lost_connections_are_counted_and_a_dropped_one_is_named_with_its_change(fake_baton: FakeBaton) -> None:
    connect(fake_baton, "gone", "stuck", "there")
    fake_baton.web_sockets.gone.add("gone")
    fake_baton.web_sockets.failing["stuck"] = 2
    notified = fake_baton.notify(batch()[1:], SECONDS)
    assert (notified.gone, notified.dropped) == (1, (Dropped(connection_id="stuck", index=1),))
    assert fake_baton.metrics.values("ConnectionsGone") == [1]
    assert fake_baton.metrics.values("ConnectionsDropped") == [1]
    assert notified.messages == 4
