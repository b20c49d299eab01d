"""Cancel, resume or delete a run."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from baton.domain.errors import AttemptSuperseded, Invalid, NotFound, RunFinished, RunNotFinished
from baton.domain.runs.plan import next_position
from baton.domain.runs.resumes import ResumeOptions, check_answered, check_resumable, with_replaced
from baton.domain.runs.run import (
    FINAL_STATUSES,
    Run,
    RunHistory,
    Variables,
    cancelled,
    failed,
    redefined,
    resumed,
    with_snapshots,
)
from baton.domain.runs.snapshots import PayloadSnapshot, compile_snapshots, resolve_again
from baton.domain.times import timestamp
from baton.usecases.catalog.ports import DefinitionSource
from baton.usecases.runs.ports import Executions, RunStore

UNCHANGED = ResumeOptions()

NOT_RESUMED = "The run could not be resumed: the state machine did not accept it. Resume it again."


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRun:
    """Cancels, resumes and deletes runs. A change is rejected if the run's status has changed in the meantime."""

    runs: RunStore
    executions: Executions
    definitions: DefinitionSource

    def cancel(self, tenant: str, run_id: int, now: datetime, by: str | None = None) -> None:
        """No further payload starts. An LLM call in progress is not aborted, and its answer may still be stored.

        :raises NotFound: if there is no such run.
        :raises RunFinished: if it has ended.
        """
        run = self.runs.read(tenant, run_id)
        if run.status in FINAL_STATUSES:
            raise RunFinished(run_id, run.status)
        self.runs.change(run, cancelled(run, timestamp(now), by))
        self.executions.stop(run)

    def resume(self, tenant: str, run_id: int, now: datetime, options: ResumeOptions = UNCHANGED) -> Run:
        """Continue after the last response, as the next attempt. The attempt that has ended is stored with it.

        :raises NotFound: if there is no such run.
        :raises RunNotFinished: if it has not finished.
        :raises RunFinished: if it has completed.
        :raises Invalid: if the variables are too large, or the newest definition can't be executed.
        :raises Overloaded: if the snapshots could not be written in time; the run is unchanged.
        """
        history = self.runs.read_history(tenant, run_id)
        check_resumable(history.run)
        variables = with_replaced(history.variables, options.variables)
        run = self._next_attempt(history, variables, timestamp(now), options)
        self.runs.resume(history.run, run, variables if options.variables else None)
        try:
            self.executions.start(run)
        except Exception:
            with suppress(AttemptSuperseded):
                self.runs.change(run, failed(run, NOT_RESUMED, timestamp(now)))
            raise
        return run

    def _next_attempt(self, history: RunHistory, variables: Variables, now: str, options: ResumeOptions) -> Run:
        """The run as its next attempt, whose snapshots are stored."""
        position = next_position(history.run.plan, {response.position for response in history.responses})
        counted = replace(history.run, usage=history.usage)
        run = resumed(counted, position, now, options.correlation_id, options.started_by)
        if options.definition == "latest":
            return self._with_newest_definition(run, history, variables)
        if not options.variables:
            return run
        existing = self.runs.read_snapshots(history.run)
        resolved = resolve_again(existing, variables, run.on_missing, position)
        return run if resolved == tuple(existing[position:]) else self._with_snapshots(run, resolved)

    def _with_newest_definition(self, run: Run, history: RunHistory, variables: Variables) -> Run:
        """All payloads without a response are compiled again; the others, with their responses, are unchanged."""
        try:
            definitions = self.definitions.read_workflow(run.tenant, run.workflow_id)
        except NotFound as error:
            raise Invalid("definition", f"workflow {run.workflow_id} was deleted; resume without it.") from error
        check_answered(definitions.workflow, history.responses)
        snapshots = compile_snapshots(definitions, variables, run.on_missing, run.first_position)
        total = len(definitions.workflow.payloads)
        newest = redefined(run, total, snapshots[0].payload if snapshots else None)
        if total > history.run.total:
            first = self.runs.reserve_response_ids(run.tenant, len(snapshots))
            newest = replace(newest, first_response_id=first - run.first_position)
        return self._with_snapshots(newest, snapshots) if snapshots else newest

    def _with_snapshots(self, run: Run, snapshots: tuple[PayloadSnapshot, ...]) -> Run:
        return with_snapshots(run, self.runs.store_snapshots(run, snapshots))

    def delete(self, tenant: str, run_id: int) -> None:
        """Remove the run, its snapshot and its responses.

        :raises NotFound: if there is no such run.
        :raises RunNotFinished: if it has not finished.
        """
        run = self.runs.read(tenant, run_id)
        if run.status not in FINAL_STATUSES:
            raise RunNotFinished(run_id, run.status)
        self.runs.delete(run)
