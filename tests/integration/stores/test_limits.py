"""What is kept of an instance's limits, in memory and on DynamoDB."""

from __future__ import annotations

from dataclasses import replace

import pytest

from baton.domain.errors import LimitsConflict
from baton.domain.llm.limits import LimitState, Place
from baton.usecases.llm.ports import LimitStore
from tests.support.records import EXPIRES_AT, OTHER_TENANT, TENANT

STATE = LimitState(
    requests_ms=1_770_000_000_001,
    tokens_ms=1_770_000_000_002,
    closed_ms=3,
    took_ms=4,
    places=(Place(id="1.1.0", until_ms=5), Place(id="2.1.0", until_ms=6)),
)


def test_an_instance_that_nobody_has_used_has_the_first_state(limits: LimitStore) -> None:
    assert limits.read(TENANT, 1) == LimitState()


def test_what_is_written_is_read_as_the_next_version(limits: LimitStore) -> None:
    limits.write(TENANT, 1, STATE, EXPIRES_AT)
    assert limits.read(TENANT, 1) == replace(STATE, version=1)
    limits.write(TENANT, 1, replace(limits.read(TENANT, 1), places=()), EXPIRES_AT)
    assert limits.read(TENANT, 1) == replace(STATE, version=2, places=())


def test_of_two_who_read_the_same_state_one_writes(limits: LimitStore) -> None:
    limits.write(TENANT, 1, STATE, EXPIRES_AT)
    mine = theirs = limits.read(TENANT, 1)
    limits.write(TENANT, 1, theirs, EXPIRES_AT)
    with pytest.raises(LimitsConflict):
        limits.write(TENANT, 1, replace(mine, took_ms=9), EXPIRES_AT)
    assert limits.read(TENANT, 1).took_ms == STATE.took_ms


def test_the_first_state_is_written_once_too(limits: LimitStore) -> None:
    limits.write(TENANT, 1, STATE, EXPIRES_AT)
    with pytest.raises(LimitsConflict):
        limits.write(TENANT, 1, STATE, EXPIRES_AT)


def test_instances_and_tenants_are_kept_apart(limits: LimitStore) -> None:
    limits.write(TENANT, 1, STATE, EXPIRES_AT)
    assert limits.read(TENANT, 2) == limits.read(OTHER_TENANT, 1) == LimitState()
