"""Writes to a partition that accepts 1 MB a second, as DynamoDB's do. Time is simulated."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from baton.adapters.dynamodb import throttling, transactions
from baton.adapters.dynamodb.large_records import MAX_ITEM_BYTES, item_bytes
from baton.adapters.dynamodb.runs import DynamoRunStore
from baton.adapters.dynamodb.steps import DynamoStepStore
from baton.adapters.dynamodb.transactions import Write, transact
from baton.adapters.s3 import S3Texts
from baton.api.caller import DEFAULT_TENANT
from baton.domain.errors import NotFound, Overloaded
from baton.runtime import wiring
from tests.support.aws import Account
from tests.support.deployment import Deployment, deployment
from tests.support.environments import in_function
from tests.support.executions import answering
from tests.support.functions import request
from tests.support.records import AT_NOON, TENANT, a_response, a_run, a_snapshot
from tests.support.simulated_clock import SimulatedClock

UNIT = 1_000

UNITS_A_SECOND = 1_000
MAX_REQUEST_BYTES = 16_000_000
FUNCTION_SECONDS = 29
CLIENT_RETRIES_SECONDS = 7
"""Three retries of the client itself, after up to 1, 2 and 4 s."""


class Partition:
    """A client of one partition of a table, with the capacity of one second saved up."""

    def __init__(self, client: Any, time: SimulatedClock, units_a_second: int = UNITS_A_SECOND) -> None:
        self._client = client
        self._time = time
        self._units_a_second = units_a_second
        self._units = float(units_a_second)
        self._at = 0.0
        self.largest_request = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def use_up(self) -> None:
        """Another writer uses the capacity of this second."""
        self._units, self._at = 0.0, self._time.now

    def batch_write_item(self, RequestItems: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:  # noqa: N803 - boto3's
        self.largest_request = max(self.largest_request, len(json.dumps(RequestItems)))
        ((table, requests),) = RequestItems.items()
        admitted = [each for each in requests if self._admits(each)]
        if not admitted:
            raise throttled("ThrottlingException")
        self._client.batch_write_item(RequestItems={table: admitted})
        left = [each for each in requests if each not in admitted]
        return {"UnprocessedItems": {table: left} if left else {}}

    def transact_write_items(self, TransactItems: list[dict[str, Any]]) -> Any:  # noqa: N803 - boto3's
        if not all(self._admits({"PutRequest": each.get("Put", {})}) for each in TransactItems):
            raise throttled("ThrottlingException")
        return self._client.transact_write_items(TransactItems=TransactItems)

    def put_item(self, **put: Any) -> Any:
        if not self._admits({"PutRequest": put}):
            raise throttled("ProvisionedThroughputExceededException")
        return self._client.put_item(**put)

    def update_item(self, **update: Any) -> Any:
        if not self._admits({}):
            raise throttled("ThrottlingException")
        return self._client.update_item(**update)

    def _admits(self, write: dict[str, Any]) -> bool:
        """Deleting an item costs as much as writing it; here it costs one unit, since its size is not known."""
        gained = (self._time.now - self._at) * self._units_a_second
        self._units, self._at = min(self._units_a_second, self._units + gained), self._time.now
        units = 1 + item_bytes(write.get("PutRequest", {}).get("Item", {})) // UNIT
        if units > self._units:
            return False
        self._units -= units
        return True


def throttled(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "Throughput exceeds the limit."}}, "Write")


def cancelled(*codes: str) -> ClientError:
    """The error of a cancelled transaction."""
    reasons: Any = {"CancellationReasons": [{"Code": code} for code in codes]}
    error = {"Error": {"Code": "TransactionCanceledException", "Message": "Cancelled."}}
    return ClientError(error | reasons, "TransactWriteItems")


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> SimulatedClock:
    simulated = SimulatedClock(jitter=0.5)
    for module in (throttling, transactions):
        monkeypatch.setattr(module, "time", simulated)
        monkeypatch.setattr(module, "random", simulated)
    return simulated


@pytest.fixture
def deployed(time: SimulatedClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """Baton on moto, whose Runs table is throttled while runs are started."""
    with deployment() as baton:
        client = baton.aws.dynamodb
        monkeypatch.setattr(wiring, "_dynamodb", lambda: Partition(client, time))
        yield baton


def store(aws: Account, partition: Partition) -> DynamoRunStore:
    client: Any = partition
    return DynamoRunStore(client, aws.runs_table, S3Texts(lambda: aws.s3, aws.texts_bucket))


def test_25_payloads_of_210_kb_are_written_as_fast_as_the_partition_allows(aws: Account, time: SimulatedClock) -> None:
    snapshots = [a_snapshot(position, template="x" * 210_000) for position in range(25)]
    runs = store(aws, Partition(aws.dynamodb, time))
    runs.create(a_run(total=25), {}, snapshots)
    assert 25 * 210 / UNITS_A_SECOND - 1 < time.now < throttling.MAX_SECONDS / 2
    assert runs.read_snapshots(a_run(total=25)) == snapshots
    assert runs.read(TENANT, 1).total == 25


def test_a_run_of_40_mb_is_written_in_time(aws: Account, time: SimulatedClock) -> None:
    """Most of it is stored in S3, which accepts more a second."""
    snapshots = [a_snapshot(position, template="x" * 200_000) for position in range(200)]
    partition = Partition(aws.dynamodb, time)
    store(aws, partition).create(a_run(total=200), {"v": "x" * 300_000}, snapshots)
    assert time.now < throttling.MAX_SECONDS / 2
    assert partition.largest_request < MAX_REQUEST_BYTES


def test_items_of_escaped_characters_fit_into_a_request(aws: Account, time: SimulatedClock) -> None:
    """As JSON, such an item has six times as many bytes."""
    template = "\x01" * (MAX_ITEM_BYTES - 30_000)
    partition = Partition(aws.dynamodb, time)
    store(aws, partition).create(
        a_run(total=20), {}, [a_snapshot(position, template=template) for position in range(20)]
    )
    assert partition.largest_request < MAX_REQUEST_BYTES / 4


def test_a_run_that_cannot_be_written_in_time_does_not_exist(aws: Account, time: SimulatedClock) -> None:
    runs = store(aws, Partition(aws.dynamodb, time, units_a_second=220))
    with pytest.raises(Overloaded):
        runs.create(a_run(total=25), {}, [a_snapshot(position, template="x" * 210_000) for position in range(25)])
    assert time.now <= throttling.MAX_SECONDS
    assert throttling.MAX_SECONDS + CLIENT_RETRIES_SECONDS < FUNCTION_SECONDS
    with pytest.raises(NotFound):
        runs.read(TENANT, 1)
    assert all("expires_at" in item for item in aws.items(aws.runs_table))


def test_the_time_for_writing_includes_what_was_read_before(aws: Account, time: SimulatedClock) -> None:
    runs = store(aws, Partition(aws.dynamodb, time))
    with pytest.raises(Overloaded):
        runs.create(a_run(), {}, [a_snapshot(position, template="x" * 210_000) for position in range(25)], seconds=3)
    assert time.now <= 3


def test_a_step_writes_as_soon_as_the_partition_has_capacity(aws: Account, time: SimulatedClock) -> None:
    """The writes of the start may have used it."""
    partition: Any = Partition(aws.dynamodb, time)
    store(aws, partition).create(a_run(), {}, [a_snapshot()])
    steps = DynamoStepStore(partition, aws.runs_table, S3Texts(lambda: aws.s3, aws.texts_bucket))
    writes: list[Callable[[], None]] = [
        lambda: steps.start_payload(a_run(), a_snapshot().payload, AT_NOON),
        lambda: steps.store_response(a_run(), a_response(content="x" * 90_000, prompt="x" * 90_000)),
    ]
    for write in writes:
        before = time.now
        partition.use_up()
        write()
        assert before < time.now < before + 2
    assert steps.read_step(TENANT, 1, 0).answered


def test_other_errors_are_not_retried(aws: Account, time: SimulatedClock) -> None:
    runs = store(aws, Partition(aws.dynamodb, time))
    runs.create(a_run(), {}, [])
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        runs.create(a_run(), {}, [])
    assert time.now == 0


def test_a_workflow_of_25_payloads_of_210_kb_starts(deployed: Deployment, time: SimulatedClock) -> None:
    workflow = large_workflow(deployed)
    answer = request("POST", f"/api/execute/workflow/{workflow}")
    assert answer.status == 202
    assert time.now > 3
    runs = in_function("runs_api", wiring.run_store)
    assert len(runs.read_snapshots(runs.read(DEFAULT_TENANT, 1))) == 25
    assert deployed.finish(1)["status"] == "completed"


def test_a_start_without_capacity_is_a_503_and_starts_nothing(
    deployed: Deployment, time: SimulatedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow = large_workflow(deployed)
    client = deployed.aws.dynamodb
    deployed.aws.restart_functions()
    monkeypatch.setattr(wiring, "_dynamodb", lambda: Partition(client, time, units_a_second=215))
    answer = request("POST", f"/api/execute/workflow/{workflow}")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "10")
    assert (answer.body["type"], answer.body["status"]) == ("overloaded", 503)
    assert request("GET", "/api/runs").body["items"] == []
    machine = deployed.aws.stepfunctions.list_state_machines()["stateMachines"][0]["stateMachineArn"]
    assert deployed.aws.stepfunctions.list_executions(stateMachineArn=machine)["executions"] == []


def large_workflow(baton: Deployment) -> int:
    baton.payload_function = answering(outcome="completed")
    return baton.workflow(*["x" * 211_000] * 25)


class Transactions:
    """A client whose transactions end in these errors, and then succeed."""

    def __init__(self, *errors: ClientError) -> None:
        self.calls = 0
        self._errors = iter(errors)

    def transact_write_items(self, TransactItems: list[Any]) -> None:  # noqa: N803 - boto3's name
        assert TransactItems
        self.calls += 1
        for error in self._errors:
            raise error


WRITES = [Write(request={"Delete": {"TableName": "t", "Key": {"pk": {"S": "x"}}}})]


@pytest.mark.parametrize(
    "error",
    [
        cancelled("None", "ThrottlingError"),
        cancelled("ProvisionedThroughputExceeded", "None"),
        cancelled("TransactionConflict", "ThrottlingError"),
        cancelled("TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"),
        throttled("ThrottlingException"),
        throttled("ProvisionedThroughputExceededException"),
    ],
)
def test_a_transaction_without_capacity_is_repeated(time: SimulatedClock, error: ClientError) -> None:
    client: Any = Transactions(*[error] * 12)
    transact(client, WRITES)
    assert client.calls == 13
    assert 0 < time.now < throttling.MAX_SECONDS


def test_a_transaction_without_capacity_ends_in_time(time: SimulatedClock) -> None:
    client: Any = Transactions(*[cancelled("ThrottlingError")] * 1_000)
    with pytest.raises(Overloaded):
        transact(client, WRITES)
    assert time.now <= throttling.MAX_SECONDS


@pytest.mark.parametrize(
    "error",
    [
        cancelled("ValidationError", "ThrottlingError"),
        cancelled("ConditionalCheckFailed"),
        cancelled(),
        throttled("Other"),
    ],
)
def test_an_invalid_transaction_is_not_repeated(time: SimulatedClock, error: ClientError) -> None:
    client: Any = Transactions(error)
    with pytest.raises(ClientError):
        transact(client, WRITES)
    assert (client.calls, time.now) == (1, 0)


def test_a_transaction_in_conflict_has_eight_tries(time: SimulatedClock) -> None:
    """Pauses of at most 40, 80, … 2,560 ms, of which the simulated jitter leaves half."""
    client: Any = Transactions(*[cancelled("TransactionConflict", "None")] * 1_000)
    with pytest.raises(ClientError):
        transact(client, WRITES)
    assert client.calls == 8
    assert time.now == pytest.approx(0.02 * (2 + 4 + 8 + 16 + 32 + 64 + 128) / 2)
