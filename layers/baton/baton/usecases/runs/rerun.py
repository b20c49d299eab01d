"""Rerun a run: start a new run of the same workflow as it is now."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from baton.domain.runs.resumes import with_replaced
from baton.domain.runs.run import Run, StartOptions, Variables
from baton.usecases.runs.ports import RunStore
from baton.usecases.runs.start_run import DEFAULTS, StartRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerun:
    """Reruns runs, whatever their status."""

    runs: RunStore
    start_run: StartRun

    def __call__(
        self, tenant: str, run_id: int, variables: Variables, now: datetime, options: StartOptions = DEFAULTS
    ) -> Run:
        """The new run, whose execution has been started.

        It has the variables of the other one, except those that ``variables`` replaces, and its ``on_missing`` unless
        the options have another one.

        :raises NotFound: if there is no such run, or its workflow was deleted.
        :raises Invalid: as a start does.
        :raises Overloaded: if the run could not be written in time; nothing was started.
        """
        run = self.runs.read(tenant, run_id)
        replaced = with_replaced(self.runs.read_variables(tenant, run_id), variables)
        chosen = replace(options, on_missing=options.on_missing or run.on_missing, rerun_of=run.id)
        return self.start_run(tenant, run.workflow_id, replaced, now, chosen)
