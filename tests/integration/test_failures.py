"""The command for batches that Lambda has given up, with the queue and the stream on moto and the function here."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from rich.console import Console

from baton.runtime import wiring
from local import failures as command
from local.failed_batches import MAX_RECORDS, Notifier, Queue, Stream, failed_batch
from local.failures import Failures, handle
from local.problem import Problem
from tests.fakes.clients import FakeWebSockets
from tests.support import template
from tests.support.deployment import Deployment
from tests.support.events import websocket_event
from tests.support.failed_batches import TableStream
from tests.support.functions import invoke

FUNCTION = "notify-function"

type Handler = Callable[[dict[str, Any]], Any]


@dataclass
class InProcess:
    """Lambda's client for one function, which runs here; ``error`` is what it fails with."""

    handler: Handler = lambda event: invoke("notify_subscribers", event)
    error: str | None = None
    events: list[dict[str, Any]] = field(default_factory=list)

    def invoke(self, *, FunctionName: str, Qualifier: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - boto3's
        assert (FunctionName, Qualifier) == (FUNCTION, "live")
        self.events.append(json.loads(Payload))
        if self.error:
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(json.dumps({"errorType": self.error}).encode())}
        return {"Payload": io.BytesIO(json.dumps(self.handler(self.events[-1])).encode())}

    @property
    def received(self) -> list[str]:
        """The sequence numbers of all records, in the order of the invocations."""
        return [record["dynamodb"]["SequenceNumber"] for event in self.events for record in event["Records"]]


@dataclass
class Setup:
    """The failure queue of a deployment in which run 1 has completed."""

    failures: Failures
    function: InProcess
    stream: TableStream
    printed: io.StringIO = field(default_factory=io.StringIO)

    def handle(self, **options: bool) -> str:
        """What the command prints."""
        handle(Console(file=self.printed, width=200), self.failures, **options)
        return self.printed.getvalue()

    def put(self, body: str | Mapping[str, Any]) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        self.failures.queue.client.send_message(QueueUrl=self.failures.queue.url, MessageBody=text)

    def fail(self, first: int, last: int, **place: Any) -> None:
        """A batch of these records of the stream, as Lambda describes it."""
        self.put(self.stream.failed_batch(first, last, **place))

    def remaining(self) -> int:
        """The entries of the queue, all of which must be visible again."""
        client, url = self.failures.queue.client, self.failures.queue.url
        attributes = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        assert attributes["ApproximateNumberOfMessagesNotVisible"] == "0"
        return int(attributes["ApproximateNumberOfMessages"])


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch, baton: Deployment) -> FakeWebSockets:  # noqa: ARG001 - its account comes first
    fake = FakeWebSockets()
    monkeypatch.setattr(wiring, "web_sockets", lambda: fake)
    invoke("websocket", websocket_event("CONNECT", "c"))
    return fake


@pytest.fixture
def setup(baton: Deployment, clients: FakeWebSockets) -> Setup:  # noqa: ARG001 - connected before the run
    baton.llm.script("one", "two")
    baton.finish(baton.execute(baton.workflow("a", "b")))
    sqs, function = boto3.client("sqs"), InProcess()
    queue = Queue(sqs, sqs.create_queue(QueueName="failures")["QueueUrl"], wait_seconds=0)
    notifier = Notifier(cast("Any", function), FUNCTION)
    client = boto3.client("dynamodbstreams")
    return Setup(Failures(queue, Stream(client), notifier), function, TableStream(client, baton.aws.runs_table))


def test_an_empty_queue_is_nothing_to_do(setup: Setup) -> None:
    for options in ({}, {"replay": True}, {"discard": True}):
        assert setup.handle(**options).splitlines()[-1] == "The queue is empty: nothing to do."
    assert setup.function.events == []


def test_a_list_shows_each_batch_and_changes_nothing(setup: Setup) -> None:
    setup.fail(0, 3, batchSize=4)
    setup.fail(1, 1, approximateArrivalOfFirstRecord="2019-11-14T00:13:49Z")
    printed = setup.handle()
    assert printed.count("RetryAttemptsExhausted") == 2
    assert printed.count("no longer readable") == 1
    assert "4 changes: RetryAttemptsExhausted; first change " in printed
    assert "first change 2019-11-14 00:13:49Z, no longer readable, in shard" in printed
    assert setup.remaining() == 2
    assert setup.function.events == []


def test_a_replay_sends_the_messages_of_exactly_these_records_and_empties_the_queue(
    setup: Setup, clients: FakeWebSockets
) -> None:
    setup.fail(2, len(setup.stream.numbers()) - 1)
    setup.handle(replay=True)
    assert setup.function.received == setup.stream.numbers()[2:]
    assert clients.messages("c")[-1]["type"] == "workflow_completed"
    assert setup.remaining() == 0


def test_replayed_records_have_the_form_of_those_that_lambda_delivers(setup: Setup) -> None:
    setup.fail(0, 0)
    setup.handle(replay=True)
    (record,) = setup.function.events[0]["Records"]
    delivered = json.loads(json.dumps(setup.stream.records()[0], default=lambda time: time.timestamp()))
    assert record == {**delivered, "eventSourceARN": record["eventSourceARN"]}
    assert isinstance(record["dynamodb"]["ApproximateCreationDateTime"], float)
    assert record["eventSourceARN"].startswith("arn:aws:dynamodb:")


def test_batches_are_replayed_in_the_order_of_their_changes(setup: Setup) -> None:
    setup.fail(3, 4, approximateArrivalOfFirstRecord="2026-01-01T00:00:01Z")
    setup.fail(1, 2, approximateArrivalOfFirstRecord="2026-01-01T00:00:01Z")
    setup.fail(0, 0, approximateArrivalOfFirstRecord="2026-01-01T00:00:00Z")
    setup.handle(replay=True)
    assert setup.function.received == setup.stream.numbers()[:5]


def test_more_records_than_a_batch_has_are_sent_in_several_invocations(setup: Setup) -> None:
    batch = failed_batch({"ReceiptHandle": "r", "Body": json.dumps(setup.stream.failed_batch(0, 0))})
    assert batch is not None
    one = setup.failures.stream.read(batch)[0]
    setup.function.handler = lambda _: {"batchItemFailures": []}
    setup.failures.notifier.send([one] * (MAX_RECORDS + 1))
    assert [len(event["Records"]) for event in setup.function.events] == [MAX_RECORDS, 1]
    setup.function.events.clear()
    large = {**one, "padding": "x" * 3_000_000}
    setup.failures.notifier.send([large, large, large])
    assert [len(event["Records"]) for event in setup.function.events] == [1, 1, 1]


def test_what_the_function_could_not_send_in_time_is_sent_in_a_further_invocation(setup: Setup) -> None:
    third = setup.stream.numbers()[2]
    setup.function.handler = lambda event: {
        "batchItemFailures": [{"itemIdentifier": third}] if len(event["Records"]) == 5 else []
    }
    setup.fail(0, 4)
    setup.handle(replay=True)
    assert [len(event["Records"]) for event in setup.function.events] == [5, 3]
    assert setup.remaining() == 0


@pytest.mark.parametrize("fails", ["with an error", "at its first record"])
def test_a_batch_that_cannot_be_sent_stays_in_the_queue_and_the_others_are_sent(setup: Setup, fails: str) -> None:
    first = setup.stream.numbers()[0]
    setup.fail(0, 0)
    if fails == "with an error":
        setup.function.error = "TypeError"
        reason = "it failed with TypeError"
    else:
        setup.fail(1, 1, approximateArrivalOfFirstRecord="2999-01-01T00:00:00Z")
        setup.function.handler = lambda event: {
            "batchItemFailures": [{"itemIdentifier": first}]
            if event["Records"][0]["dynamodb"]["SequenceNumber"] == first
            else []
        }
        reason = "it reports that the first record was not sent"
    with pytest.raises(Problem, match=reason):
        setup.handle(replay=True)
    assert setup.remaining() == 1


@pytest.mark.parametrize("code", ["TrimmedDataAccessException", "ResourceNotFoundException"])
def test_records_that_are_no_longer_in_the_stream_stay_in_the_queue(
    setup: Setup, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """moto retains records forever."""

    def trimmed(**_: Any) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "gone"}}, "GetShardIterator")

    setup.fail(0, 0)
    monkeypatch.setattr(setup.failures.stream.client, "get_shard_iterator", trimmed)
    with pytest.raises(Problem, match=r"no longer readable.*\n1 of 1 entries are still in the queue"):
        setup.handle(replay=True)
    assert (setup.remaining(), setup.function.events) == (1, [])


@pytest.mark.parametrize(("last", "difference"), [(0, -1), (-1, 1)], ids=["before the first", "behind the newest"])
def test_a_batch_whose_last_record_is_not_found_is_not_sent_in_part(setup: Setup, last: int, difference: int) -> None:
    setup.fail(1, 1, endSequenceNumber=str(int(setup.stream.numbers()[last]) + difference))
    with pytest.raises(Problem, match="no longer readable"):
        setup.handle(replay=True)
    assert setup.function.events == []


@pytest.mark.parametrize("body", ["text", "[]", "{}", '{"DDBStreamBatchInfo": {}}'])
def test_an_entry_that_is_not_from_lambda_is_reported_and_only_discarded(setup: Setup, body: str) -> None:
    setup.put(body)
    assert "1 entries of the queue are not from Lambda" in setup.handle()
    with pytest.raises(Problem, match="Use --discard"):
        setup.handle(replay=True)
    assert setup.remaining() == 1
    setup.handle(discard=True)
    assert setup.remaining() == 0


def test_discarding_deletes_all_entries_and_sends_nothing(setup: Setup) -> None:
    for _ in range(12):  # more than one response of SQS has
        setup.fail(0, 1, batchSize=2)
    assert "Discarded 12 entries with 24 changes." in setup.handle(discard=True)
    assert (setup.remaining(), setup.function.events) == (0, [])


def test_entries_are_visible_again_if_the_command_is_interrupted(setup: Setup) -> None:
    setup.fail(0, 0)

    def interrupt(_: Any) -> None:
        raise KeyboardInterrupt

    setup.function.handler = interrupt
    with pytest.raises(KeyboardInterrupt):
        setup.handle(replay=True)
    assert setup.remaining() == 1


ERRORS = {
    "DescribeStackResource ValidationError": "Stack 'x' does not exist. Give the name of a deployed stack of Baton",
    "ReceiveMessage AccessDenied": "Your AWS credentials do not permit ReceiveMessage.",
    "GetRecords LimitExceededException": "GetRecords failed with LimitExceededException: Stack 'x' does not exist",
}


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_of_aws_says_what_to_do(error: str) -> None:
    operation, code = error.split()
    raised = ClientError({"Error": {"Code": code, "Message": "Stack 'x' does not exist"}}, operation)
    assert command.described(raised).startswith(ERRORS[error])


@dataclass(frozen=True)
class Session:
    """Sessions with a stubbed client of CloudFormation, which moto has only with further packages."""

    stubbed: Any
    others: boto3.Session

    def client(self, name: str, **options: Any) -> Any:
        return self.stubbed if name == "cloudformation" else self.others.client(cast("Any", name), **options)


@pytest.fixture
def stubber(baton: Deployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:  # noqa: ARG001 - its credentials
    client = boto3.client("cloudformation")
    session = Session(client, boto3.Session())
    monkeypatch.setattr(boto3, "Session", lambda: session)
    with Stubber(client) as stubbed:
        yield stubbed


def test_queue_and_function_are_those_of_the_stack(stubber: Stubber, monkeypatch: pytest.MonkeyPatch) -> None:
    url = boto3.client("sqs").create_queue(QueueName="failures")["QueueUrl"]
    for resource, name in (("NotifyFailures", url), ("NotifySubscribersFunction", FUNCTION)):
        detail = {"LogicalResourceId": resource, "ResourceType": "x", "PhysicalResourceId": name}
        detail |= {"LastUpdatedTimestamp": cast("Any", datetime.now(UTC)), "ResourceStatus": "CREATE_COMPLETE"}
        expected = {"StackName": "baton-prod", "LogicalResourceId": resource}
        stubber.add_response("describe_stack_resource", {"StackResourceDetail": detail}, expected)
    monkeypatch.setattr(sys, "argv", ["failures", "baton-prod"])
    printed = io.StringIO()
    command.command(Console(file=printed))
    assert "nothing to do" in printed.getvalue()
    stubber.assert_no_pending_responses()
    assert {"NotifyFailures", "NotifySubscribersFunction"} <= set(template.template()["Resources"])


def test_a_stack_that_does_not_exist_is_a_problem(stubber: Stubber, monkeypatch: pytest.MonkeyPatch) -> None:
    stubber.add_client_error("describe_stack_resource", "ValidationError", "Stack 'unknown' does not exist")
    monkeypatch.setattr(sys, "argv", ["failures", "unknown"])
    with pytest.raises(Problem, match=r"Stack 'unknown' does not exist\. Give the name of a deployed stack"):
        command.command(Console())


@pytest.mark.usefixtures("baton")
def test_without_credentials_the_problem_is_that_of_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "unknown")
    monkeypatch.setattr(sys, "argv", ["failures", "baton-prod"])
    with pytest.raises(Problem, match="AWS could not be called: The config profile"):
        command.command(Console())


@pytest.mark.parametrize("arguments", [[], ["s", "--replay", "--discard"], ["s", "--other"]])
def test_wrong_arguments_exit_with_the_usage(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["failures", *arguments])
    with pytest.raises(SystemExit):
        command.command(Console())
    assert "[--replay | --discard]" in capsys.readouterr().err
