"""List, send again or discard the batches of live messages that Lambda has given up, of any deployed stack.

Usage: python -m local.failures STACK [--replay | --discard] [--endpoint-url URL]

It uses your own AWS credentials and region. docs/operations/alarms/notify-failures.md says when to use what.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from local import terminal
from local.failed_batches import FailedBatch, Notifier, NotReadable, NotSent, Queue, Stream, failed_batch
from local.problem import Problem

QUEUE, FUNCTION = "NotifyFailures", "NotifySubscribersFunction"
INVOCATION = Config(read_timeout=330, retries={"total_max_attempts": 1})
"""The function ends after 300 s; a second invocation would send its messages again."""

ACTIONS = "Send them to the clients that are connected now with --replay, or delete them with --discard."
NOT_ALLOWED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")


@dataclass(frozen=True, slots=True)
class Failures:
    """The failure queue of a stack, and what is needed to send its batches again."""

    queue: Queue
    stream: Stream
    notifier: Notifier


@dataclass(frozen=True, slots=True)
class Received:
    """The entries of the queue: batches in the order of their changes, and receipts of other entries."""

    batches: Sequence[FailedBatch]
    others: Sequence[str]

    def __len__(self) -> int:
        return len(self.batches) + len(self.others)

    @property
    def receipts(self) -> list[str]:
        return [*(batch.receipt for batch in self.batches), *self.others]


def command(console: Console) -> None:
    options = parsed_options()
    try:
        failures = failures_of(options.stack, boto3.Session(), options.endpoint_url)
        handle(console, failures, replay=options.replay, discard=options.discard)
    except ClientError as error:
        raise Problem(described(error)) from error
    except BotoCoreError as error:
        raise Problem(f"AWS could not be called: {error}") from error


def parsed_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m local.failures",
        description="List the batches of live messages that Lambda has given up, send them again, or discard them.",
    )
    parser.add_argument("stack", metavar="STACK", help="the stack's name, such as baton-prod")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--replay", action="store_true", help="send them to the clients that are connected now")
    action.add_argument("--discard", action="store_true", help="delete all of them from the queue")
    parser.add_argument("--endpoint-url", metavar="URL", help="of an emulator; without it, AWS")
    return parser.parse_args()


def failures_of(stack: str, session: boto3.Session, endpoint: str | None) -> Failures:
    """:raises ClientError: if the stack or one of the two resources does not exist."""
    resources = session.client("cloudformation", endpoint_url=endpoint)

    def name_of(resource: str) -> str:
        found = resources.describe_stack_resource(StackName=stack, LogicalResourceId=resource)
        return found["StackResourceDetail"].get("PhysicalResourceId", "")

    return Failures(
        Queue(session.client("sqs", endpoint_url=endpoint), name_of(QUEUE)),
        Stream(session.client("dynamodbstreams", endpoint_url=endpoint)),
        Notifier(session.client("lambda", endpoint_url=endpoint, config=INVOCATION), name_of(FUNCTION)),
    )


def handle(console: Console, failures: Failures, *, replay: bool = False, discard: bool = False) -> None:
    """Show, send again or discard all entries of the queue. Those that are not deleted are visible again afterwards.

    :raises Problem: if a batch could not be sent again.
    """
    remaining: dict[str, None] = {}
    try:
        received = in_order(failures.queue.receive(), remaining)
        if not received:
            console.print("The queue is empty: nothing to do.")
        elif replay:
            replay_all(console, failures, received, remaining)
        elif discard:
            discard_all(console, failures.queue, received, remaining)
        else:
            show(console, received)
    finally:
        for receipt in remaining:
            failures.queue.release(receipt)


def in_order(entries: Sequence[Mapping[str, Any]], remaining: dict[str, None]) -> Received:
    """The entries, whose receipts are added to ``remaining``."""
    remaining |= dict.fromkeys(entry["ReceiptHandle"] for entry in entries)
    batches = [batch for entry in entries if (batch := failed_batch(entry))]
    known = {batch.receipt for batch in batches}
    return Received(
        sorted(batches, key=lambda batch: (batch.first_record_at, int(batch.start))),
        [receipt for receipt in remaining if receipt not in known],
    )


def show(console: Console, received: Received) -> None:
    now = datetime.now(UTC)
    for batch in received.batches:
        console.print(f"{label(batch)}: {details(batch, now)}", soft_wrap=True)
    if received.others:
        console.print(
            f"{len(received.others)} entries of the queue are not from Lambda; --discard deletes them.", soft_wrap=True
        )
    console.print(ACTIONS, soft_wrap=True)


def details(batch: FailedBatch, now: datetime) -> str:
    """Why the batch failed, and where its changes are."""
    until = batch.readable_until()
    readable = f"readable until {text_of(until)}" if until > now else "no longer readable"
    return f"{batch.reason}; first change {text_of(batch.first_record_at)}, {readable}, in {batch.shard}"


def replay_all(console: Console, failures: Failures, received: Received, remaining: dict[str, None]) -> None:
    reasons = list[str]()
    for batch in received.batches:
        try:
            failures.notifier.send(failures.stream.read(batch))
        except NotReadable:
            reasons.append(f"{label(batch)}: no longer readable; clients read the run instead. Use --discard.")
        except NotSent as error:
            reasons.append(f"{label(batch)}: notify_subscribers did not send it: {error}. Read its log.")
        else:
            failures.queue.delete(batch.receipt)
            del remaining[batch.receipt]
            console.print(f"{label(batch)}: sent.", soft_wrap=True)
    reasons += ["An entry that is not from Lambda. Use --discard."] * len(received.others)
    if reasons:
        raise Problem("\n".join([*reasons, f"{len(reasons)} of {len(received)} entries are still in the queue."]))


def discard_all(console: Console, queue: Queue, received: Received, remaining: dict[str, None]) -> None:
    for receipt in received.receipts:
        queue.delete(receipt)
        del remaining[receipt]
    changes = sum(batch.records for batch in received.batches)
    console.print(f"Discarded {len(received)} entries with {changes} changes.")


def label(batch: FailedBatch) -> str:
    return f"Batch of {text_of(batch.failed_at)}, {batch.records} changes"


def text_of(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def described(error: ClientError) -> str:
    """What is wrong, and what to do."""
    code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
    if error.operation_name == "DescribeStackResource" and code == "ValidationError":
        return (
            f"{message.rstrip('.')}. Give the name of a deployed stack of Baton, such as baton-prod, and set "
            "AWS_PROFILE and AWS_REGION to its account and region."
        )
    if code in NOT_ALLOWED:
        return (
            f"Your AWS credentials do not permit {error.operation_name}. "
            "docs/operations/alarms/notify-failures.md lists the permissions that are needed."
        )
    return f"{error.operation_name} failed with {code}: {message}"


if __name__ == "__main__":
    terminal.run_command(command)
