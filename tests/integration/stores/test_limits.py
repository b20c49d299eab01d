"""The stored state of an instance's limits, in memory and in DynamoDB."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from baton.adapters.dynamodb import keys
from baton.adapters.dynamodb.codecs.attributes import to_attributes
from baton.adapters.dynamodb.codecs.limit_state import limit_state_to_item
from baton.adapters.dynamodb.limits import DynamoLimitStore
from baton.domain.errors import LimitsConflict, LimitsUnknown
from baton.domain.llm.endpoints import LlmLimits
from baton.domain.llm.limits import LimitRequest, LimitState, Usage, acquire, release
from baton.domain.llm.slots import SlotQueue, Ticket
from baton.runtime import wiring
from baton.usecases.llm.ports import LimitStore
from tests.support.aws import Account, shared_client
from tests.support.environments import in_function
from tests.support.records import EXPIRES_AT, OTHER_TENANT, TENANT

STATE = LimitState(
    requests_full_ms=1_770_000_000_001,
    tokens_full_ms=1_770_000_000_002,
    blocked_until_ms=3,
    slots=SlotQueue(
        running={29_500_001: 4, 29_500_002: 5},
        waiting={29_500_003: 6},
        turns_given=7,
        turns_passed=8,
        mean_call_ms=9,
        all_used_ms=10,
    ),
)


def test_an_instance_without_calls_has_the_first_state(limits: LimitStore) -> None:
    assert limits.read(TENANT, 1) == LimitState()


def test_a_written_state_is_read_as_the_next_version(limits: LimitStore) -> None:
    limits.write(TENANT, 1, STATE, EXPIRES_AT)
    assert limits.read(TENANT, 1) == replace(STATE, version=1)
    limits.write(TENANT, 1, replace(limits.read(TENANT, 1), slots=SlotQueue()), EXPIRES_AT)
    assert limits.read(TENANT, 1) == replace(STATE, version=2, slots=SlotQueue())


def test_of_two_writes_on_the_same_state_one_fails(limits: LimitStore) -> None:
    limits.write(TENANT, 1, STATE, EXPIRES_AT)
    mine = theirs = limits.read(TENANT, 1)
    limits.write(TENANT, 1, theirs, EXPIRES_AT)
    with pytest.raises(LimitsConflict) as raised:
        limits.write(TENANT, 1, replace(mine, blocked_until_ms=9), EXPIRES_AT)
    assert not isinstance(raised.value, LimitsUnknown), "the write was certainly not stored"
    assert limits.read(TENANT, 1).blocked_until_ms == STATE.blocked_until_ms


def test_the_first_state_is_written_only_once(limits: LimitStore) -> None:
    limits.write(TENANT, 1, STATE, EXPIRES_AT)
    with pytest.raises(LimitsConflict):
        limits.write(TENANT, 1, STATE, EXPIRES_AT)


def test_instances_and_tenants_are_separate(limits: LimitStore) -> None:
    limits.write(TENANT, 1, STATE, EXPIRES_AT)
    assert limits.read(TENANT, 2) == limits.read(OTHER_TENANT, 1) == LimitState()


def test_a_slot_is_claimed_once(limits: LimitStore) -> None:
    claims = [(TENANT, 1, 5), (TENANT, 1, 6), (TENANT, 2, 5), (OTHER_TENANT, 1, 5)]
    assert [limits.claim_slot(*claim, EXPIRES_AT) for claim in claims] == [True] * 4
    assert [limits.claim_slot(*claim, EXPIRES_AT) for claim in claims] == [False] * 4
    assert limits.read(TENANT, 1) == LimitState()


def test_the_state_and_claims_expire(aws: Account) -> None:
    store = DynamoLimitStore(aws.dynamodb, aws.dynamodb, aws.runs_table)
    store.claim_slot(TENANT, 1, 5, EXPIRES_AT)
    store.write(TENANT, 1, STATE, EXPIRES_AT)
    assert [item["expires_at"] for item in aws.items(aws.runs_table)] == [{"N": str(EXPIRES_AT)}] * 2


@pytest.mark.parametrize(
    ("earlier", "expected"),
    [
        (
            {"requests_ms": 1, "tokens_ms": 2, "closed_ms": 3, "took_ms": 4, "places": "[]"},
            LimitState(version=7),
        ),
        (
            {
                "requests_full_ms": 1,
                "tokens_full_ms": 2,
                "blocked_until_ms": 3,
                "last_call_ms": 4,
                "slots": '[{"id": "1.1.0", "expires_ms": 1770000000000}]',
            },
            LimitState(version=7, requests_full_ms=1, tokens_full_ms=2, blocked_until_ms=3),
        ),
    ],
)
def test_an_item_of_an_earlier_version_is_read_as_its_buckets_and_can_be_replaced(
    aws: Account, earlier: dict[str, Any], expected: LimitState
) -> None:
    item = to_attributes({**keys.limits(TENANT, 1), "version": 7, **earlier, "expires_at": EXPIRES_AT})
    aws.dynamodb.put_item(TableName=aws.runs_table, Item=item)
    store = DynamoLimitStore(aws.dynamodb, aws.dynamodb, aws.runs_table)
    assert store.read(TENANT, 1) == expected
    store.write(TENANT, 1, replace(STATE, version=7), EXPIRES_AT)
    assert store.read(TENANT, 1) == replace(STATE, version=8)


def client_error(code: str, status: int, retries: int) -> ClientError:
    metadata = {"HTTPStatusCode": status, "RetryAttempts": retries}
    return ClientError({"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": metadata}, "PutItem")  # type: ignore[typeddict-item]


NOT_STORED = [
    "ConditionalCheckFailedException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "TransactionConflictException",
]


@pytest.mark.parametrize(
    ("failure", "raised"),
    [
        *[(client_error(code, 400, 0), LimitsConflict) for code in NOT_STORED],
        *[(client_error(code, 400, 1), LimitsUnknown) for code in NOT_STORED],
        (client_error("InternalServerError", 500, 0), LimitsUnknown),
        (client_error("ServiceUnavailable", 503, 0), LimitsUnknown),
        (ReadTimeoutError(endpoint_url="https://dynamodb"), LimitsUnknown),
        (EndpointConnectionError(endpoint_url="https://dynamodb"), LimitsUnknown),
        (client_error("AccessDeniedException", 400, 0), ClientError),
        (client_error("ValidationException", 499, 0), ClientError),
    ],
)
def test_a_failed_write_raises_what_is_known_about_it(
    aws: Account, failure: Exception, raised: type[Exception]
) -> None:
    """Only a request that was sent once is certainly not stored when its condition fails."""
    writing = boto3.client("dynamodb", config=Config(retries={"mode": "standard", "total_max_attempts": 1}))

    def fail(**_: Any) -> None:
        raise failure

    writing.meta.events.register_first("before-send.dynamodb.PutItem", fail)
    try:
        with pytest.raises(raised) as caught:
            DynamoLimitStore(aws.dynamodb, writing, aws.runs_table).write(TENANT, 1, STATE, EXPIRES_AT)
    finally:
        writing.meta.events.unregister("before-send.dynamodb.PutItem", fail)  # clients share lists of handlers
    assert type(caught.value) is raised


def test_a_claim_that_fails_for_another_reason_is_an_error(aws: Account) -> None:
    """Without a claim, the slot may be used by another delivery."""
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        DynamoLimitStore(aws.dynamodb, aws.dynamodb, "another-table").claim_slot(TENANT, 1, 5, EXPIRES_AT)


def test_a_function_sends_a_write_once(aws: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's own retries would hide whether the first request was stored."""
    clients, requests = [], []

    def client(service: str, **options: Any) -> Any:
        clients.append(shared_client(service, **options))
        return clients[-1]

    def fail(request: Any, **_: Any) -> None:
        requests.append(request)
        raise ReadTimeoutError(endpoint_url="https://dynamodb")

    monkeypatch.setattr(boto3, "client", client)
    aws.restart_functions()
    store = in_function("execute_payload", wiring.execute_payload).limiter.store
    for made in clients:
        made.meta.events.register_first("before-send.dynamodb.PutItem", fail)
    try:
        with pytest.raises(LimitsUnknown):
            store.write(TENANT, 1, STATE, EXPIRES_AT)
    finally:
        for made in clients:
            made.meta.events.unregister("before-send.dynamodb.PutItem", fail)
    assert len(requests) == 1


def item_bytes(item: Mapping[str, Any]) -> int:
    """The size of an item as DynamoDB counts it, rounded up for each number.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    return sum(len(name.encode()) + attribute_bytes(value) for name, value in item.items())


def attribute_bytes(attribute: Mapping[str, Any]) -> int:
    ((kind, value),) = attribute.items()
    if kind == "M":
        return 3 + item_bytes(value) + len(value)
    if kind == "N":
        return 2 + (len(value) + 1) // 2
    assert kind == "S"
    return len(value.encode())


def write_units(state: LimitState) -> int:
    item = limit_state_to_item(state, keys.limits("a-tenant-id-of-thirty-two-signs-", 10**6), 1_770_000_000)
    return -(-item_bytes(item) // 1_024)


NOW = 1_770_000_000_000
BUSY = LlmLimits(max_concurrency=300, requests_per_minute=10_000, tokens_per_minute=10_000_000)


def test_a_call_costs_two_write_units_with_300_running_and_1_000_waiting_calls() -> None:
    """One to start and one to end, so that the thousand units per second of an item are 500 calls per second."""
    state, units, leases = LimitState(), [], []
    for number in range(1_300):
        request = LimitRequest(tokens=1_000, max_call_ms=[1_000, 300_000, 840_000][number % 3])
        admission = acquire(state, BUSY, request, NOW + number * 37)
        assert admission.ticket is not None
        state = replace(admission.state, version=state.version + 1)
        units.append(write_units(state))
        if admission.ticket.turn is None:
            leases.append(admission.ticket.lease)
    assert (state.slots.running_calls, state.slots.waiting_calls) == (300, 1_000)
    for number, lease in enumerate(leases):
        usage = Usage(call_ms=19_876, tokens=1_234, lease=lease)
        state = release(state, BUSY, LimitRequest(tokens=1_000, max_call_ms=1), usage, NOW + 48_100 + number)
        units.append(write_units(state))
    assert set(units) == {1}
    assert state.slots.running_calls == 0


def test_even_an_item_with_calls_of_the_next_twelve_hours_costs_one_write_unit() -> None:
    """One request per minute, so that each call holds its slot until a minute of its own."""
    limits, state = LlmLimits(max_concurrency=10_000, requests_per_minute=1), LimitState(version=10**6)
    for _ in range(12 * 55):
        admission = acquire(state, limits, LimitRequest(tokens=0, max_call_ms=840_000), NOW)
        assert isinstance(admission.ticket, Ticket)
        state = admission.state
    assert write_units(state) == 1
