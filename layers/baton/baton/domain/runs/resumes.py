"""Resuming a run: which runs can be resumed, and what the next attempt executes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from baton.domain.catalog.definitions import Workflow
from baton.domain.errors import Invalid, RunFinished, RunNotFinished
from baton.domain.runs.responses import Response
from baton.domain.runs.run import FINAL_STATUSES, NO_VARIABLES, RESUMABLE_STATUSES, Run, Variables, check_variables

DefinitionChoice = Literal["snapshot", "latest"]
"""What the payloads without a response execute: what the run has executed so far, or the catalog as it is now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeOptions:
    """What may be chosen when a run is resumed, and the call that resumes it: its correlation id, and its caller.

    ``variables`` replace those of the run that have the same names.
    """

    variables: Variables = NO_VARIABLES
    definition: DefinitionChoice = "snapshot"
    correlation_id: str | None = None
    started_by: str | None = None


def check_resumable(run: Run) -> None:
    """Check the status.

    :raises RunNotFinished: if the run has not finished.
    :raises RunFinished: if it has completed.
    """
    if run.status not in FINAL_STATUSES:
        raise RunNotFinished(run.id, run.status)
    if run.status not in RESUMABLE_STATUSES:
        raise RunFinished(run.id, run.status)


def with_replaced(variables: Variables, replacing: Variables) -> Variables:
    """The variables of a run after some of them are replaced, or added.

    :raises Invalid: if they are too large to be stored.
    """
    replaced = {**variables, **replacing}
    if replacing:
        check_variables(replaced)
    return replaced


def check_answered(workflow: Workflow, responses: Iterable[Response]) -> None:
    """The workflow must have the payloads that have answered at the same positions: later prompts refer to these.

    :raises Invalid: if one is elsewhere now, or was removed.
    """
    for response in responses:
        at = response.position
        now = workflow.payloads[at] if at < len(workflow.payloads) else None
        if now != response.payload_id:
            found = "has no payload there now" if now is None else f"has payload {now} there now"
            detail = (
                f"payload {response.payload_id} has answered at position {at}, and workflow {workflow.id} {found}. "
                "Restore the order of the answered payloads, resume without it, or rerun the run."
            )
            raise Invalid("definition", detail)
