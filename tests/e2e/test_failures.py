"""The command for batches of live messages that Lambda has given up, on a running stack."""

from __future__ import annotations

import json
import subprocess
import sys

from local.deployment import STACK_NAME, environment
from local.stack import Stack
from tests.e2e.baton import Baton, Prompt
from tests.e2e.cloud import Cloud
from tests.e2e.live import complete_outline, is_the_end_of, outline
from tests.support.failed_batches import TableStream
from tests.support.template import ROOT


def test_a_replay_sends_the_messages_of_a_failed_batch_to_a_client_that_is_connected_now(
    stack: Stack, baton: Baton, cloud: Cloud
) -> None:
    run_id = baton.start(baton.workflow("given up", [Prompt("given up", options={"answer": "A relay."})]))
    baton.ended(run_id)
    stream = TableStream(cloud.client("dynamodbstreams"), cloud.physical_id("RunsTable"))
    of_run = [index for index, record in enumerate(stream.records()) if is_of(run_id, record["dynamodb"]["Keys"])]
    entry = stream.failed_batch(of_run[0], of_run[-1], batchSize=len(of_run))
    cloud.client("sqs").send_message(QueueUrl=cloud.physical_id("NotifyFailures"), MessageBody=json.dumps(entry))
    with baton.listen() as listener:
        listener.ping()
        listener.received.clear()
        assert f"{len(of_run)} changes: RetryAttemptsExhausted" in command(stack)
        assert command(stack, "--replay").endswith(f"{len(of_run)} changes: sent.\n")
        listener.receive_until(is_the_end_of(run_id))
        assert outline(listener.of_run(run_id)) == complete_outline(1)
    assert command(stack) == "The queue is empty: nothing to do.\n"


def is_of(run_id: int, keys: dict[str, dict[str, str]]) -> bool:
    return keys["pk"]["S"] == f"default#RUN#{run_id}"


def command(stack: Stack, *options: str) -> str:
    """What the command prints."""
    return subprocess.run(
        [sys.executable, "-m", "local.failures", STACK_NAME, *options],
        cwd=ROOT,
        env=environment(stack.emulator, ROOT),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
