"""Connections: the fake and DynamoDB behave the same."""

from __future__ import annotations

import pytest

from baton.adapters.dynamodb.connections import MAX_RUNS_FOLLOWED, DynamoConnections
from baton.domain.errors import Invalid
from baton.domain.times import Lease
from baton.usecases.live.ports import Connections
from tests.support.aws import Account
from tests.support.records import EXPIRES_AT, OTHER_TENANT, TENANT
from tests.support.stores import subscribers

CONNECTED_AT = 1_700_000_000


def connect(connections: Connections, client: str, run_id: int | None = None, tenant: str = TENANT) -> None:
    connections.connect(tenant, client, run_id, CONNECTED_AT, EXPIRES_AT)


def lease(taken_at: int = CONNECTED_AT) -> Lease:
    return Lease(taken_at=taken_at, ends_at=taken_at + 60)


def subscribe(
    connections: Connections, client: str, run_id: int, tenant: str = TENANT, taken_at: int = CONNECTED_AT
) -> bool:
    return connections.subscribe(tenant, client, run_id, lease(taken_at), EXPIRES_AT)


def test_at_first_there_are_no_subscribers(connections: Connections) -> None:
    assert subscribers(connections, TENANT, 1) == frozenset()


def test_has_subscribers_counts_those_of_the_run_and_of_all_runs(connections: Connections) -> None:
    assert not connections.has_subscribers(TENANT, 1)
    connect(connections, "ann", 1)
    assert [connections.has_subscribers(TENANT, run_id) for run_id in (1, 2)] == [True, False]
    connect(connections, "bob")
    assert connections.has_subscribers(TENANT, 2)
    assert not connections.has_subscribers(OTHER_TENANT, 2)
    connections.disconnect(TENANT, "bob")
    assert not connections.has_subscribers(TENANT, 2)


def test_a_new_connection_follows_every_run(connections: Connections) -> None:
    connect(connections, "ann")
    connect(connections, "bob")
    assert subscribers(connections, TENANT, 1) == subscribers(connections, TENANT, 2) == {"ann", "bob"}


def test_a_connection_with_a_run_id_follows_only_that_run(connections: Connections) -> None:
    connect(connections, "ann", 1)
    assert subscribers(connections, TENANT, 1) == {"ann"}
    assert subscribers(connections, TENANT, 2) == frozenset()


def test_the_first_subscription_replaces_all_runs_and_others_are_added(connections: Connections) -> None:
    connect(connections, "ann")
    subscribe(connections, "ann", 1)
    assert subscribers(connections, TENANT, 1) == {"ann"}
    assert subscribers(connections, TENANT, 2) == frozenset()
    subscribe(connections, "ann", 2)
    assert subscribers(connections, TENANT, 1) == subscribers(connections, TENANT, 2) == {"ann"}
    assert subscribers(connections, TENANT, 3) == frozenset()


def test_a_run_id_on_connect_and_a_later_subscription_are_both_followed(connections: Connections) -> None:
    connect(connections, "ann", 1)
    subscribe(connections, "ann", 2)
    assert subscribers(connections, TENANT, 1) == subscribers(connections, TENANT, 2) == {"ann"}


def test_a_repeated_subscribe_is_one_subscription(connections: Connections) -> None:
    connect(connections, "ann")
    subscribe(connections, "ann", 1)
    subscribe(connections, "ann", 1)
    connections.unsubscribe(TENANT, "ann", 1)
    assert subscribers(connections, TENANT, 1) == frozenset()


def test_after_the_last_unsubscribe_no_run_is_followed(connections: Connections) -> None:
    connect(connections, "ann")
    subscribe(connections, "ann", 1)
    connections.unsubscribe(TENANT, "ann", 1)
    assert subscribers(connections, TENANT, 1) == subscribers(connections, TENANT, 2) == frozenset()
    subscribe(connections, "ann", 2)
    assert subscribers(connections, TENANT, 2) == {"ann"}


def test_unsubscribing_from_a_run_that_was_not_followed_changes_nothing(connections: Connections) -> None:
    connect(connections, "ann")
    connect(connections, "bob", 1)
    connections.unsubscribe(TENANT, "ann", 1)
    connections.unsubscribe(TENANT, "bob", 2)
    connections.unsubscribe(TENANT, "nobody", 1)
    assert subscribers(connections, TENANT, 1) == {"ann", "bob"}


def test_a_disconnect_deletes_all_subscriptions(connections: Connections) -> None:
    connect(connections, "ann")
    connect(connections, "bob", 1)
    subscribe(connections, "bob", 2)
    connections.disconnect(TENANT, "ann")
    connections.disconnect(TENANT, "bob")
    connections.disconnect(TENANT, "nobody")
    assert subscribers(connections, TENANT, 1) == subscribers(connections, TENANT, 2) == frozenset()


def test_a_disconnect_deletes_all_items(aws: Account) -> None:
    connections = DynamoConnections(aws.dynamodb, aws.connections_table)
    connect(connections, "ann")
    connect(connections, "bob", 1)
    for run_id in range(2, 60):
        subscribe(connections, "bob", run_id)
    connections.disconnect(TENANT, "ann")
    connections.disconnect(TENANT, "bob")
    assert aws.items(aws.connections_table) == []


def test_every_item_expires_with_its_connection(aws: Account) -> None:
    connections = DynamoConnections(aws.dynamodb, aws.connections_table)
    connect(connections, "ann")
    connect(connections, "bob", 1)
    subscribe(connections, "bob", 2)
    items = aws.items(aws.connections_table)
    assert len(items) == 5
    assert {item["expires_at"]["N"] for item in items} == {str(EXPIRES_AT)}


def test_a_gone_client_is_deleted_unless_it_connected_just_now(connections: Connections) -> None:
    """It is stored shortly before it is open; until then it appears to be gone."""
    connect(connections, "ann")
    connect(connections, "bob", 1)
    for client in ("ann", "bob", "nobody"):
        connections.disconnect_if_connected_before(TENANT, client, CONNECTED_AT)
        connections.disconnect_if_connected_before(OTHER_TENANT, client, CONNECTED_AT + 1)
    assert subscribers(connections, TENANT, 1) == {"ann", "bob"}
    for client in ("ann", "bob", "nobody"):
        connections.disconnect_if_connected_before(TENANT, client, CONNECTED_AT + 1)
    assert subscribers(connections, TENANT, 1) == frozenset()


def test_a_gone_client_without_a_stored_connect_is_deleted(connections: Connections) -> None:
    subscribe(connections, "ann", 1)
    connections.disconnect_if_connected_before(TENANT, "ann", CONNECTED_AT)
    assert subscribers(connections, TENANT, 1) == frozenset()


def test_a_connection_follows_at_most_a_hundred_runs(connections: Connections) -> None:
    connect(connections, "ann")
    for run_id in range(1, MAX_RUNS_FOLLOWED + 1):
        subscribe(connections, "ann", run_id)
    with pytest.raises(Invalid, match=r"runId: .*100 runs already"):
        subscribe(connections, "ann", 101)
    subscribe(connections, "ann", 100)
    assert subscribers(connections, TENANT, 101) == frozenset()
    connections.unsubscribe(TENANT, "ann", 1)
    subscribe(connections, "ann", 101)
    assert subscribers(connections, TENANT, 101) == {"ann"}


def test_only_the_first_of_two_subscribes_must_send_the_history(connections: Connections) -> None:
    connect(connections, "ann")
    assert subscribe(connections, "ann", 1)
    assert not subscribe(connections, "ann", 1)
    connections.end_lease(TENANT, "ann", 1, lease(), EXPIRES_AT)
    assert not subscribe(connections, "ann", 1, taken_at=CONNECTED_AT + 3600)


def test_each_client_and_each_run_has_its_own_history(connections: Connections) -> None:
    assert subscribe(connections, "ann", 1)
    assert subscribe(connections, "bob", 1)
    assert subscribe(connections, "ann", 2)
    assert subscribe(connections, "ann", 1, tenant=OTHER_TENANT)


def test_a_run_id_on_connect_does_not_count_as_sent_history(connections: Connections) -> None:
    connect(connections, "ann", 1)
    assert subscribe(connections, "ann", 1)


def test_after_an_unsubscribe_the_history_is_due_again(connections: Connections) -> None:
    subscribe(connections, "ann", 1)
    connections.end_lease(TENANT, "ann", 1, lease(), EXPIRES_AT)
    connections.unsubscribe(TENANT, "ann", 1)
    assert subscribe(connections, "ann", 1)


def test_a_history_that_could_not_be_sent_is_due_at_once(connections: Connections) -> None:
    subscribe(connections, "ann", 1)
    connections.end_lease(TENANT, "ann", 1, lease(), None)
    assert subscribe(connections, "ann", 1)


def test_after_a_crash_the_history_is_due_when_the_lease_has_ended(connections: Connections) -> None:
    subscribe(connections, "ann", 1)
    assert not subscribe(connections, "ann", 1, taken_at=CONNECTED_AT + 60)
    assert subscribe(connections, "ann", 1, taken_at=CONNECTED_AT + 61)
    connections.end_lease(TENANT, "ann", 1, lease(), None)
    assert not subscribe(connections, "ann", 1, taken_at=CONNECTED_AT + 62)


def test_an_unsubscribe_while_the_history_is_sent_stays_in_effect(connections: Connections) -> None:
    subscribe(connections, "ann", 1)
    connections.unsubscribe(TENANT, "ann", 1)
    connections.end_lease(TENANT, "ann", 1, lease(), EXPIRES_AT)
    assert subscribers(connections, TENANT, 1) == frozenset()
    assert subscribe(connections, "ann", 1)


def test_tenants_have_separate_subscribers(connections: Connections) -> None:
    connect(connections, "ann")
    connect(connections, "bob", 1, tenant=OTHER_TENANT)
    connect(connections, "cho", tenant=OTHER_TENANT)
    assert subscribers(connections, TENANT, 1) == {"ann"}
    assert subscribers(connections, OTHER_TENANT, 1) == {"bob", "cho"}
    connections.disconnect(TENANT, "bob")
    assert subscribers(connections, OTHER_TENANT, 1) == {"bob", "cho"}
