"""The floor of the overhead: the deployed state machine with a function that does nothing, on the same stack.

A run of Baton can't be faster than this on the stack.
"""

import io
import json
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.bench.target import Target
from local.problem import Problem

NAME = "bench-floor"
FUNCTION = Path(__file__).parent / "floor_function" / "app.py"
INTEGRATION = ":states:::dynamodb:"
FUNCTION_SETTINGS = ("Runtime", "Role", "Handler", "Timeout", "MemorySize", "Architectures")
SECONDS_TO_END = 60


@dataclass(frozen=True)
class Floor:
    """``item`` is a run as stored when it was created, and ``state`` the input of its execution."""

    target: Target
    state_machine: str
    item: dict[str, Any]
    state: dict[str, Any]

    def run(self, payloads: int) -> dict[str, Any]:
        """The stored run after an execution with so many payloads.

        :raises Problem: if the execution does not succeed.
        """
        states, dynamodb = self.target.aws("stepfunctions"), self.target.aws("dynamodb")
        dynamodb.put_item(TableName=NAME, Item=self.item)
        state = json.dumps(self.state | {"payloads": payloads})
        execution = states.start_execution(stateMachineArn=self.state_machine, input=state)["executionArn"]
        deadline = time.monotonic() + SECONDS_TO_END
        while (status := states.describe_execution(executionArn=execution)["status"]) == "RUNNING":
            if time.monotonic() > deadline:
                break
            time.sleep(0.1)
        if status != "SUCCEEDED":
            raise Problem(f"The execution of the floor is {status}: does {FUNCTION} fit the state machine?")
        key = {name: self.item[name] for name in ("pk", "sk")}
        item: dict[str, Any] = dynamodb.get_item(TableName=NAME, Key=key)["Item"]
        return {name: next(iter(value.values())) for name, value in item.items()}


@contextmanager
def deployed_floor(target: Target) -> Iterator[Floor]:
    """A function, a table and a state machine, removed after the block. A run must have been executed before."""
    states = target.aws("stepfunctions")
    machine = states.describe_state_machine(stateMachineArn=target.resource("StateMachine"))
    with ExitStack() as removed:
        function = create_function(target, removed)
        create_table(target, removed)
        created = states.create_state_machine(
            name=NAME, definition=floor_definition(machine["definition"], function), roleArn=machine["roleArn"]
        )
        removed.callback(states.delete_state_machine, stateMachineArn=created["stateMachineArn"])
        executions = states.list_executions(stateMachineArn=machine["stateMachineArn"], maxResults=1)["executions"]
        state = json.loads(states.describe_execution(executionArn=executions[0]["executionArn"])["input"])
        yield Floor(target, created["stateMachineArn"], created_run(target, state), state)


def floor_definition(deployed: str, function: str) -> str:
    """The deployed definition, with the function and the table of the floor.

    :raises Problem: if the definition has not exactly one state that calls a function.
    """
    definition = json.loads(deployed)
    tasks = [state for state in definition["States"].values() if state["Type"] == "Task"]
    updates = [task for task in tasks if INTEGRATION in task["Resource"]]
    calls = [task for task in tasks if ":lambda:" in task["Resource"]]
    if len(calls) != 1 or len(calls) + len(updates) != len(tasks):
        raise Problem("The floor can't be measured: its state machine must call one function and DynamoDB only.")
    for update in updates:
        update["Parameters"]["TableName"] = NAME
    calls[0]["Resource"] = function
    return json.dumps(definition)


def create_function(target: Target, removed: ExitStack) -> str:
    """The ARN of a version of the function, with the settings of execute_payload."""
    lambda_ = target.aws("lambda")
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.write(FUNCTION, "app.py")
    settings = lambda_.get_function_configuration(FunctionName=target.resource("ExecutePayloadFunction"))
    created = lambda_.create_function(
        FunctionName=NAME,
        Code={"ZipFile": package.getvalue()},
        Publish=True,
        **{name: settings[name] for name in FUNCTION_SETTINGS if name in settings},
    )
    removed.callback(lambda_.delete_function, FunctionName=NAME)
    lambda_.get_waiter("function_active_v2").wait(FunctionName=NAME)
    arn: str = created["FunctionArn"]
    return arn if arn.endswith(f":{created['Version']}") else f"{arn}:{created['Version']}"


def create_table(target: Target, removed: ExitStack) -> None:
    dynamodb = target.aws("dynamodb")
    keys = {"pk": "HASH", "sk": "RANGE"}
    dynamodb.create_table(
        TableName=NAME,
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys.items()],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in keys],
        BillingMode="PAY_PER_REQUEST",
    )
    removed.callback(dynamodb.delete_table, TableName=NAME)


def created_run(target: Target, state: dict[str, Any]) -> dict[str, Any]:
    """The item of the run that has this state, as it was before its execution."""
    key = {"pk": {"S": f"{state['tenant']}#RUN#{state['run_id']}"}, "sk": {"S": "RUN"}}
    item = target.aws("dynamodb").get_item(TableName=target.resource("RunsTable"), Key=key)["Item"]
    return {name: value for name, value in item.items() if name not in {"started_at", "completed_at"}} | {
        "status": {"S": "created"}
    }
