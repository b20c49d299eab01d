"""Start a run: compile and store a snapshot of the workflow, then start the state machine."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from baton.domain.errors import AttemptSuperseded
from baton.domain.llm.tokens import TokenUsage
from baton.domain.runs.run import Run, StartOptions, Variables, check_variables, failed
from baton.domain.runs.snapshots import compile_snapshots
from baton.domain.times import expiry, timestamp
from baton.usecases.catalog.ports import DefinitionSource
from baton.usecases.runs.ports import Executions, RunStore

MAX_SECONDS = 20.0
"""For reading the workflow and writing the run; the rest of the function's 29 s is for the start of the execution."""

DEFAULTS = StartOptions()

NOT_STARTED = "The run could not be started: the state machine did not accept it. Execute the workflow again."


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRun:
    """Starts runs. Their records expire after ``retention``."""

    definitions: DefinitionSource
    runs: RunStore
    executions: Executions
    retention: timedelta
    monotonic: Callable[[], float]

    def __call__(
        self, tenant: str, workflow_id: int, variables: Variables, now: datetime, options: StartOptions = DEFAULTS
    ) -> Run:
        """The new run, whose execution has been started.

        :raises NotFound: if there is no such workflow.
        :raises Invalid: if the workflow can't be compiled, the variables are too large, or ``on_missing`` is ``fail``
            and a reference can never be resolved.
        :raises Overloaded: if the run could not be written in time; nothing was started.
        """
        began = self.monotonic()
        definitions = self.definitions.read_workflow(tenant, workflow_id)
        check_variables(variables)
        on_missing = options.on_missing or "keep"
        snapshots = compile_snapshots(definitions, variables, on_missing)
        run_id, first_response_id = self.runs.reserve_ids(tenant, len(snapshots))
        run = Run(
            tenant=tenant,
            id=run_id,
            workflow_id=workflow_id,
            workflow_name=definitions.workflow.name,
            status="created",
            total=len(snapshots),
            first_response_id=first_response_id,
            created_at=timestamp(now),
            expires_at=expiry(now, self.retention),
            payload_id=snapshots[0].payload_id,
            payload_name=snapshots[0].payload_name,
            usage=TokenUsage(),
            on_missing=on_missing,
            correlation_id=options.correlation_id,
            started_by=options.started_by,
            rerun_of=options.rerun_of,
        )
        self.runs.create(run, variables, snapshots, seconds=MAX_SECONDS - (self.monotonic() - began))
        self._start_execution(run, now)
        return run

    def _start_execution(self, run: Run, now: datetime) -> None:
        """If the execution can't be started, the run fails instead of having the status ``created`` forever."""
        try:
            self.executions.start(run)
        except Exception:
            with suppress(AttemptSuperseded):
                self.runs.change(run, failed(run, NOT_STARTED, timestamp(now)))
            raise
