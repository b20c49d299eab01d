"""Executions of the state machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from baton.domain.runs.run import Run, execution_name
from baton.domain.runs.steps import Step

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient


class StepFunctionsExecutions:
    """Executions are started and stopped by their names."""

    def __init__(self, client: SFNClient, state_machine_arn: str) -> None:
        self._client = client
        self._arn = state_machine_arn

    def start(self, run: Run) -> None:
        """Start at ``run.first_position``; starting the same attempt again does nothing."""
        step = Step(
            tenant=run.tenant,
            run_id=run.id,
            attempt=run.attempt,
            position=run.first_position,
            correlation_id=run.correlation_id,
        )
        try:
            self._client.start_execution(stateMachineArn=self._arn, name=_name(run), input=json.dumps(step.to_event()))
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
                raise

    def stop(self, run: Run) -> None:
        """Stop the current attempt's execution, if it exists."""
        execution_arn = f"{self._arn.replace(':stateMachine:', ':execution:')}:{_name(run)}"
        try:
            self._client.stop_execution(executionArn=execution_arn, cause="The run was cancelled.")
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionDoesNotExist":
                raise


def _name(run: Run) -> str:
    return execution_name(run.tenant, run.id, run.attempt)
