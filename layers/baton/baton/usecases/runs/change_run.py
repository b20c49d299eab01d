"""Cancel, resume or delete a run."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from baton.domain.errors import AttemptSuperseded, RunFinished, RunNotFinished
from baton.domain.runs.plan import next_position
from baton.domain.runs.run import FINAL_STATUSES, RESUMABLE_STATUSES, Run, cancelled, failed, resumed
from baton.domain.times import timestamp
from baton.usecases.runs.ports import Executions, RunStore

NOT_RESUMED = "The run could not be resumed: the state machine did not accept it. Resume it again."


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRun:
    """Cancels, resumes and deletes runs. A change is rejected if the run's status has changed in the meantime."""

    runs: RunStore
    executions: Executions

    def cancel(self, tenant: str, run_id: int, now: datetime) -> None:
        """No further payload starts. An LLM call in progress is not aborted, and its answer may still be stored.

        :raises NotFound: if there is no such run.
        :raises RunFinished: if it has ended.
        """
        run = self.runs.read(tenant, run_id)
        if run.status in FINAL_STATUSES:
            raise RunFinished(run_id, run.status)
        self.runs.change(run, cancelled(run, timestamp(now)))
        self.executions.stop(run)

    def resume(self, tenant: str, run_id: int, now: datetime) -> Run:
        """Continue after the last response, as the next attempt, on the same snapshot.

        :raises NotFound: if there is no such run.
        :raises RunNotFinished: if it has not finished.
        :raises RunFinished: if it has completed.
        """
        history = self.runs.read_history(tenant, run_id)
        if history.run.status not in FINAL_STATUSES:
            raise RunNotFinished(run_id, history.run.status)
        if history.run.status not in RESUMABLE_STATUSES:
            raise RunFinished(run_id, history.run.status)
        done = {response.position for response in history.responses}
        position = next_position(history.run.plan, done)
        run = resumed(replace(history.run, usage=history.usage), position, timestamp(now))
        self.runs.change(history.run, run)
        try:
            self.executions.start(run)
        except Exception:
            with suppress(AttemptSuperseded):
                self.runs.change(run, failed(run, NOT_RESUMED, timestamp(now)))
            raise
        return run

    def delete(self, tenant: str, run_id: int) -> None:
        """Remove the run, its snapshot and its responses.

        :raises NotFound: if there is no such run.
        :raises RunNotFinished: if it has not finished.
        """
        run = self.runs.read(tenant, run_id)
        if run.status not in FINAL_STATUSES:
            raise RunNotFinished(run_id, run.status)
        self.runs.delete(run)
