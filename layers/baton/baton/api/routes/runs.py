"""Runs: start, read, list, cancel, resume, rerun and delete."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Query
from pydantic import BeforeValidator

from baton.api import cursors
from baton.api.app import accepted, new_router, no_content
from baton.api.bodies.fields import Listed
from baton.api.bodies.run_definitions import DefinitionView
from baton.api.bodies.runs import (
    AttemptView,
    ExecuteRequest,
    ExecuteView,
    PromptedResponseView,
    RerunRequest,
    ResumeRequest,
    RunSummary,
    RunView,
    SingleResponseView,
    listed_responses,
)
from baton.api.budget import truncate_page
from baton.api.openapi.responses import responses_of
from baton.api.parameters import Cursor, Limit, PathId, PathPosition, QueryId, RequestCaller, RequestCorrelationId
from baton.domain.errors import (
    AttemptSuperseded,
    NotFound,
    RunFinished,
    RunNotFinished,
)
from baton.domain.runs.resumes import ResumeOptions
from baton.domain.runs.run import StartOptions, Status
from baton.runtime import wiring
from baton.runtime.logging import append_keys, run_keys

router = new_router()


def _in_lower_case(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


@router.post("/api/execute/workflow/<workflow_id>", responses=responses_of(HTTPStatus.ACCEPTED, NotFound))
def execute_workflow(
    caller: RequestCaller,
    correlation_id: RequestCorrelationId,
    workflow_id: PathId,
    request: Annotated[ExecuteRequest | None, Body()] = None,
) -> Response[ExecuteView]:
    """Start a run of the workflow. Returns immediately, before any LLM is called."""
    body = request or ExecuteRequest()
    options = StartOptions(on_missing=body.on_missing, correlation_id=correlation_id, started_by=caller.name)
    run = wiring.start_run()(caller.tenant, workflow_id, body.variables or {}, wiring.now(), options)
    append_keys(**run_keys(run))
    return accepted(ExecuteView(run_id=run.id))


@router.get("/api/execute/run/<run_id>", responses=responses_of(HTTPStatus.OK, NotFound))
def read_executed_run(caller: RequestCaller, run_id: PathId) -> RunView:
    """A run's status and results; the same as `GET /api/runs/{run_id}`."""
    return read_run(caller, run_id)


@router.get("/api/runs/<run_id>", responses=responses_of(HTTPStatus.OK, NotFound))
def read_run(caller: RequestCaller, run_id: PathId) -> RunView:
    """A run's status and results."""
    return RunView.of_history(wiring.run_store().read_history(caller.tenant, run_id), wiring.long_texts())


@router.get("/api/runs")
def list_runs(
    caller: RequestCaller,
    status: Annotated[Status | None, BeforeValidator(_in_lower_case), Query()] = None,
    workflow_id: QueryId = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Listed[RunSummary]:
    """Runs, newest first. Filtered by status and workflow, a page may be empty and still not be the last."""
    after = cursors.decode("runs", cursor)
    page = wiring.run_store().page(caller.tenant, status, workflow_id, limit, after)
    items, last = truncate_page(page.items, [RunSummary.of(run) for run in page.items], page.next_after)
    return Listed(items=list(items), cursor=cursors.encode("runs", last))


@router.get("/api/runs/<run_id>/responses", responses=responses_of(HTTPStatus.OK, NotFound))
def list_responses(
    caller: RequestCaller, run_id: PathId, limit: Limit = 50, cursor: Cursor = None
) -> Listed[PromptedResponseView]:
    """A run's responses in order, each with its prompt."""
    wiring.run_store().read(caller.tenant, run_id)
    listed = f"responses of {run_id}"
    page = wiring.run_store().read_responses(caller.tenant, run_id, limit, cursors.decode(listed, cursor))
    return listed_responses(page, cursors.encode(listed, page.next_after), wiring.long_texts())


@router.get("/api/runs/<run_id>/responses/<position>", responses=responses_of(HTTPStatus.OK, NotFound))
def read_response(caller: RequestCaller, run_id: PathId, position: PathPosition) -> SingleResponseView:
    """One response, whole, with its prompt.

    A text that is too large for the body is cut, and has a URL that is valid for 5 minutes.
    """
    return SingleResponseView.of_whole(
        wiring.run_store().read_response(caller.tenant, run_id, position), wiring.long_texts()
    )


@router.get("/api/runs/<run_id>/definition", responses=responses_of(HTTPStatus.OK, NotFound))
def read_definition(caller: RequestCaller, run_id: PathId) -> DefinitionView:
    """What the run executes: the definition as it was when the run was started.

    If the run was resumed with the newest definition, the payloads without a response are as they were then.
    """
    run = wiring.run_store().read(caller.tenant, run_id)
    return DefinitionView.of(run, wiring.run_store().read_snapshots(run))


@router.get("/api/runs/<run_id>/attempts", responses=responses_of(HTTPStatus.OK, NotFound))
def list_attempts(
    caller: RequestCaller, run_id: PathId, limit: Limit = 50, cursor: Cursor = None
) -> Listed[AttemptView]:
    """The attempts of a run in order, the current one included: how each started and ended.

    Attempts that an older version of Baton has stored are known only if they are the current one.
    """
    listed = f"attempts of {run_id}"
    after = cursors.decode(listed, cursor) or 0
    attempts = wiring.run_store().read_attempts(caller.tenant, run_id)
    following = [AttemptView.of(attempt) for attempt in attempts if attempt.attempt > after]
    last = following[limit - 1].number if len(following) > limit else None
    return Listed(items=following[:limit], cursor=cursors.encode(listed, last))


@router.post(
    "/api/runs/<run_id>/cancel", responses=responses_of(HTTPStatus.OK, NotFound, RunFinished, AttemptSuperseded)
)
def cancel_run(caller: RequestCaller, run_id: PathId) -> RunSummary:
    """End a run early: no further payload starts. Stored responses remain readable."""
    wiring.change_run().cancel(caller.tenant, run_id, wiring.now(), caller.name)
    return RunSummary.of(wiring.run_store().read(caller.tenant, run_id))


@router.post(
    "/api/runs/<run_id>/resume",
    responses=responses_of(HTTPStatus.ACCEPTED, NotFound, RunFinished, RunNotFinished, AttemptSuperseded),
)
def resume_run(
    caller: RequestCaller,
    correlation_id: RequestCorrelationId,
    run_id: PathId,
    request: Annotated[ResumeRequest | None, Body()] = None,
) -> Response[RunSummary]:
    """Resume a failed or cancelled run after its last response, as the next attempt.

    It uses the definition as it was when the run was started, or, with `"definition": "latest"`, as it is now. Then the
    payloads that have answered must be at the same positions of the workflow; their responses are not changed.
    """
    body = request or ResumeRequest()
    options = ResumeOptions(
        variables=body.variables or {},
        definition=body.definition or "snapshot",
        correlation_id=correlation_id,
        started_by=caller.name,
    )
    run = wiring.change_run().resume(caller.tenant, run_id, wiring.now(), options)
    append_keys(**run_keys(run))
    return accepted(RunSummary.of(run))


@router.post("/api/runs/<run_id>/rerun", responses=responses_of(HTTPStatus.ACCEPTED, NotFound))
def rerun_run(
    caller: RequestCaller,
    correlation_id: RequestCorrelationId,
    run_id: PathId,
    request: Annotated[RerunRequest | None, Body()] = None,
) -> Response[ExecuteView]:
    """Start a new run of the same workflow as it is now, with the variables of this run, or with others.

    The run may have any status, and is not changed. The new run has it as `metadata.rerun_of`.
    """
    body = request or RerunRequest()
    options = StartOptions(on_missing=body.on_missing, correlation_id=correlation_id, started_by=caller.name)
    run = wiring.rerun()(caller.tenant, run_id, body.variables or {}, wiring.now(), options)
    append_keys(**run_keys(run))
    return accepted(ExecuteView(run_id=run.id))


@router.delete(
    "/api/runs/<run_id>", responses=responses_of(HTTPStatus.NO_CONTENT, NotFound, RunNotFinished, AttemptSuperseded)
)
def delete_run(caller: RequestCaller, run_id: PathId) -> Response[None]:
    """Remove a finished run with its responses."""
    wiring.change_run().delete(caller.tenant, run_id)
    return no_content()
