"""Baton as deployed, in memory: the template's tables and state machine on moto, the functions in this process."""

from __future__ import annotations

import io
import json
import re
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, partial
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from moto.awslambda.models import LambdaFunction
from moto.stepfunctions.parser.asl.component.common.retry import jitter_strategy_decl, retrier_decl
from moto.stepfunctions.parser.asl.component.state import state as moto_state
from moto.stepfunctions.parser.asl.component.state.exec import execute_state
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_dynamodb import (
    StateTaskServiceDynamoDB,
)
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.utils import TMP_THREADS

from baton.adapters.llm import registry
from baton.adapters.llm.provider import Provider
from baton.domain.times import timestamp
from tests.fakes.llm import FakeLlm
from tests.support import template
from tests.support.aws import EXECUTE_PAYLOAD_ARN, KNOWN, STACK, Account, account
from tests.support.functions import Answer, invoke, request

SECONDS_TO_END = 60

PARSE = cache(AmazonStateLanguageParser.parse)
"""moto parses a definition when it is created and again for each execution, in 60 ms each time; the parsed program is
not changed by executions, which keep their state in an environment of their own."""

JITTER = 0.5
"""The share of a pause before a retry that full jitter leaves, which is random on AWS."""

type Invocation = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(kw_only=True)
class Deployment:
    """A client of the deployment.

    ``waits`` contains the seconds of the state machine's waits, ``pauses`` those before its retries. ``update`` is
    called with the name of a state and its write to DynamoDB, and may raise a :class:`ClientError`. ``task_seconds``
    is the simulated duration of each task, and ``clock`` the time at which a state is entered.
    """

    aws: Account
    llm: FakeLlm
    waits: list[int] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    payload_function: Invocation = field(default=lambda event: invoke("execute_payload", event))
    update: Callable[[str, Callable[[], None]], None] = field(default=lambda _, write: write())
    task_seconds: int = 0
    clock: Callable[[], datetime] = field(default=partial(datetime.now, UTC))

    def wait(self, env: object, wait_seconds: int) -> None:  # noqa: ARG002 - moto passes it by name
        """Replaces the wait of a Wait state."""
        self.waits.append(wait_seconds)

    def now(self, **_: object) -> SimpleNamespace:
        """Replaces the time at which a state is entered, in the format of AWS."""
        return SimpleNamespace(isoformat=lambda: timestamp(self.clock()))

    def workflow(self, *prompts: str, provider: str = "scripted", options: dict[str, Any] | None = None) -> int:
        """Define a workflow with one payload a prompt, named p0, p1, …; its id."""
        instance = {"name": "llm", "provider": provider, "model": "m", "defaults": {"options": options or {}}}
        instance_id = self.create("/api/llm/instances", instance)
        payloads = []
        for position, prompt in enumerate(prompts):
            block = self.create("/api/blocks", {"title": f"b{position}", "content": prompt})
            payload = {"name": f"p{position}", "blocks": [block], "llm_instance": instance_id}
            payloads.append(self.create("/api/payloads", payload))
        return self.create("/api/workflows", {"name": "w", "payloads": payloads})

    def create(self, path: str, body: dict[str, Any]) -> int:
        """The id of what was created."""
        answer = request("POST", path, body)
        assert answer.status == 201, answer.body
        return int(answer.body["id"])

    def execute(self, workflow_id: int, **variables: Any) -> int:
        """Start a run; its id."""
        answer = request("POST", f"/api/execute/workflow/{workflow_id}", {"variables": variables})
        assert answer.status == 202, answer.body
        return int(answer.body["runId"])

    def finish(self, run_id: int, attempt: int = 1) -> dict[str, Any]:
        """The run as clients read it, after its execution has ended."""
        self.states(run_id, attempt)
        read: Answer = request("GET", f"/api/execute/run/{run_id}")
        return dict(read.body)

    def states(self, run_id: int, attempt: int = 1) -> list[str]:
        """The states of the run's execution, after it has ended."""
        self.status(run_id, attempt)
        arn = _execution_arn(run_id, attempt)
        pages = self.aws.stepfunctions.get_paginator("get_execution_history").paginate(executionArn=arn)
        events = [event for page in pages for event in page["events"]]
        return [
            str(event["stateEnteredEventDetails"]["name"]) for event in events if "stateEnteredEventDetails" in event
        ]

    def status(self, run_id: int, attempt: int = 1) -> str:
        """The status of the run's execution, after it has ended."""
        return self.ended(run_id, attempt)[0]

    def ended(self, run_id: int, attempt: int = 1) -> tuple[str, str | None, str | None]:
        """The status, error and cause of the run's execution, after it has ended."""
        deadline = time.monotonic() + SECONDS_TO_END
        arn = _execution_arn(run_id, attempt)
        while (execution := self.aws.stepfunctions.describe_execution(executionArn=arn))["status"] == "RUNNING":
            assert time.monotonic() < deadline, "the execution does not end"
            time.sleep(0.005)
        return execution["status"], execution.get("error"), execution.get("cause")


def _execution_arn(run_id: int, attempt: int) -> str:
    return f"{KNOWN['StateMachine'].replace(':stateMachine:', ':execution:')}:default-{run_id}-{attempt}"


@contextmanager
def deployment() -> Iterator[Deployment]:
    """A new account with all resources, until all executions have ended.

    Waits and retries of the state machine have no duration.
    """
    with (
        account({"stepfunctions": {"execute_state_machine": True}}) as aws,
        pytest.MonkeyPatch.context() as monkeypatch,
    ):
        monkeypatch.setattr(AmazonStateLanguageParser, "parse", staticmethod(PARSE))
        deployed = Deployment(aws=aws, llm=FakeLlm())
        _create_payload_function()
        aws.create_state_machine(state_machine_definition())
        monkeypatch.setattr(LambdaFunction, "invoke", _invoker(deployed))
        monkeypatch.setattr(WaitFunction, "_wait_interval", deployed.wait)
        monkeypatch.setattr(retrier_decl, "time", SimpleNamespace(sleep=deployed.pauses.append))
        monkeypatch.setattr(jitter_strategy_decl, "random", SimpleNamespace(uniform=lambda _, most: most * JITTER))
        monkeypatch.setattr(StateTaskServiceDynamoDB, "_eval_service_task", _updater(deployed))
        monkeypatch.setattr(
            moto_state, "datetime", SimpleNamespace(datetime=deployed, timezone=SimpleNamespace(utc=UTC))
        )
        monkeypatch.setattr(execute_state, "threading", SimpleNamespace(Event=partial(_TaskEnd, deployed)))
        scripted = Provider(complete=deployed.llm)
        monkeypatch.setitem(cast("dict[str, Provider]", registry.PROVIDERS), "scripted", scripted)
        try:
            yield deployed
        finally:
            _join_executions()


def _join_executions() -> None:
    """An execution that outlives its test would call real services, with real pauses, beside the tests after it."""
    for thread in TMP_THREADS:  # grows while an execution enters further states
        thread.join(SECONDS_TO_END)
        assert not thread.is_alive(), "an execution does not end"
    TMP_THREADS.clear()


def state_machine_definition() -> str:
    """workflow.asl.json with the substitutions of the template."""
    (properties,) = template.resources("AWS::Serverless::StateMachine").values()
    substitutions = template.resolve(properties["DefinitionSubstitutions"], KNOWN)
    text = (template.ROOT / properties["DefinitionUri"]).read_text()
    return re.sub(r"\$\{(\w+)\}", lambda match: str(substitutions[match[1]]), text)


class ServiceFailure(BaseException):  # not caught by any handler
    """An error of Lambda itself, before or after the function has run."""

    def __init__(self, name: str = "Lambda.ServiceException") -> None:
        super().__init__(name)
        self.name = name


class _TaskEnd(threading.Event):
    """The end of a task, within its timeout if its simulated duration is."""

    def __init__(self, deployed: Deployment) -> None:
        super().__init__()
        self._deployed = deployed

    def wait(self, timeout: float | None = None) -> bool:
        return super().wait(SECONDS_TO_END) and (timeout is None or self._deployed.task_seconds <= timeout)


def _updater(deployed: Deployment) -> Callable[..., None]:
    """Writes to DynamoDB through ``update``."""
    update = StateTaskServiceDynamoDB._eval_service_task  # noqa: SLF001 - moto has no other place

    def updated(state: StateTaskServiceDynamoDB, *arguments: Any, **named: Any) -> None:
        deployed.update(state.name, partial(update, state, *arguments, **named))

    return updated


def _create_payload_function() -> None:
    """moto needs an existing function with code; the code is not executed."""
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("app.py", "")
    role = boto3.client("iam").create_role(RoleName=STACK, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    boto3.client("lambda").create_function(
        FunctionName=EXECUTE_PAYLOAD_ARN.rpartition(":")[2],
        Runtime="python3.13",
        Role=role,
        Handler="app.handler",
        Code={"ZipFile": package.getvalue()},
        Publish=True,  # the state machine calls a version
    )


def _invoker(deployed: Deployment) -> Callable[[LambdaFunction, str, Any, dict[str, str]], bytes]:
    """Runs the payload function in this process; an exception becomes an error in Lambda's format."""

    def invoked(_: LambdaFunction, body: str, _request: Any, response_headers: dict[str, str]) -> bytes:
        try:
            return json.dumps(deployed.payload_function(json.loads(body))).encode()
        except ServiceFailure as failure:
            answer = {"errorType": failure.name, "errorMessage": "Lambda failed."}
        except Exception as error:  # noqa: BLE001 - as Lambda does
            answer = {"errorType": type(error).__name__, "errorMessage": str(error)}
        response_headers["x-amz-function-error"] = "Unhandled"
        return json.dumps(answer).encode()

    return invoked
