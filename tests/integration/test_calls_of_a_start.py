"""The calls to AWS until a client has the id of its run: it waits for each of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Any

import pytest
from botocore.model import OperationModel

from baton.runtime import wiring
from tests.support.deployment import Deployment
from tests.support.environments import in_function
from tests.support.functions import request

READS = ["GetItem", "BatchGetItem", "BatchGetItem"]
"""The workflow; its payloads; their blocks and LLM instances."""

WRITES = ["UpdateItem", "BatchWriteItem", "PutItem"]
"""The ids; the snapshots and variables; the run."""


@contextmanager
def calls() -> Iterator[list[str]]:
    """The names of the operations that ``runs_api`` calls within this block, in order.

    Clients share lists of handlers, and the state machine runs in threads of its own.
    """
    made: list[str] = []
    thread = get_ident()

    def record(model: OperationModel, **_: Any) -> None:
        if get_ident() == thread:
            made.append(model.name)

    clients: list[Any] = [
        in_function("runs_api", wiring._dynamodb),  # noqa: SLF001 - the client whose calls are counted
        in_function("runs_api", wiring._executions)._client,  # noqa: SLF001
    ]
    for client in clients:
        client.meta.events.register("before-call", record)
    yield made
    for client in clients:
        client.meta.events.unregister("before-call", record)


@pytest.mark.parametrize("payloads", [1, 5, 20])
def test_a_run_of_up_to_24_payloads_starts_after_seven_calls(baton: Deployment, payloads: int) -> None:
    workflow = baton.workflow(*(f"prompt {number}" for number in range(payloads)))
    baton.llm.script(*["x"] * payloads)
    with calls() as made:
        run_id = baton.execute(workflow, topic="relays")
    assert made == [*READS, *WRITES, "StartExecution"]
    assert baton.finish(run_id)["status"] == "completed"


def test_each_level_of_fallbacks_is_one_more_read(baton: Deployment) -> None:
    workflow = baton.workflow("prompt")
    fallback = baton.create("/api/llm/instances", {"name": "fallback", "provider": "scripted", "model": "m"})
    instance = request("GET", "/api/llm/instances/1").body
    assert request("PUT", "/api/llm/instances/1", instance | {"fallback": fallback}).status == 200
    baton.llm.script("x")
    with calls() as made:
        run_id = baton.execute(workflow)
    assert made == [*READS, "BatchGetItem", *WRITES, "StartExecution"]
    assert baton.finish(run_id)["status"] == "completed"
