"""The stored state of an instance's limits, in memory and in DynamoDB."""

from __future__ import annotations

from dataclasses import replace

import pytest

from baton.adapters.dynamodb import keys
from baton.adapters.dynamodb.codecs.attributes import to_attributes
from baton.adapters.dynamodb.limits import DynamoLimitStore
from baton.domain.errors import LimitsConflict
from baton.domain.llm.limits import ConcurrencySlot, LimitState
from baton.usecases.llm.ports import LimitStore
from tests.support.aws import Account
from tests.support.records import EXPIRES_AT, OTHER_TENANT, TENANT

STATE = LimitState(
    requests_full_ms=1_770_000_000_001,
    tokens_full_ms=1_770_000_000_002,
    blocked_until_ms=3,
    last_call_ms=4,
    slots=(ConcurrencySlot(id="1.1.0", expires_ms=5), ConcurrencySlot(id="2.1.0", expires_ms=6)),
)


def test_an_instance_without_calls_has_the_first_state(limits: LimitStore) -> None:
    assert limits.read(TENANT, 1) == LimitState()


def test_a_written_state_is_read_as_the_next_version(limits: LimitStore) -> None:
    limits.write(TENANT, 1, STATE, EXPIRES_AT)
    assert limits.read(TENANT, 1) == replace(STATE, version=1)
    limits.write(TENANT, 1, replace(limits.read(TENANT, 1), slots=()), EXPIRES_AT)
    assert limits.read(TENANT, 1) == replace(STATE, version=2, slots=())


def test_of_two_writes_on_the_same_state_one_fails(limits: LimitStore) -> None:
    limits.write(TENANT, 1, STATE, EXPIRES_AT)
    mine = theirs = limits.read(TENANT, 1)
    limits.write(TENANT, 1, theirs, EXPIRES_AT)
    with pytest.raises(LimitsConflict):
        limits.write(TENANT, 1, replace(mine, last_call_ms=9), EXPIRES_AT)
    assert limits.read(TENANT, 1).last_call_ms == STATE.last_call_ms


def test_the_first_state_is_written_only_once(limits: LimitStore) -> None:
    limits.write(TENANT, 1, STATE, EXPIRES_AT)
    with pytest.raises(LimitsConflict):
        limits.write(TENANT, 1, STATE, EXPIRES_AT)


def test_instances_and_tenants_are_separate(limits: LimitStore) -> None:
    limits.write(TENANT, 1, STATE, EXPIRES_AT)
    assert limits.read(TENANT, 2) == limits.read(OTHER_TENANT, 1) == LimitState()


def test_an_item_in_the_previous_form_is_read_as_the_first_state_and_can_be_replaced(aws: Account) -> None:
    previous = {"version": 7, "requests_ms": 1, "tokens_ms": 2, "closed_ms": 3, "took_ms": 4, "places": "[]"}
    item = to_attributes({**keys.limits(TENANT, 1), **previous, "expires_at": EXPIRES_AT})
    aws.dynamodb.put_item(TableName=aws.runs_table, Item=item)
    store = DynamoLimitStore(aws.dynamodb, aws.runs_table)
    assert store.read(TENANT, 1) == LimitState(version=7)
    store.write(TENANT, 1, replace(STATE, version=7), EXPIRES_AT)
    assert store.read(TENANT, 1) == replace(STATE, version=8)
