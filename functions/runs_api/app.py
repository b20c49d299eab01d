"""HTTP: execute workflows, and read, list, cancel, resume and delete runs."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Query
from aws_lambda_powertools.utilities.typing import LambdaContext

from baton.domain.errors import AttemptSuperseded, NotFound, RunFinished, RunNotFinished
from baton.domain.runs import Status
from baton.runtime import wiring
from baton.runtime.http import cursors
from baton.runtime.http.api import accepted, answer, new_api, no_content
from baton.runtime.http.fields import Cursor, Limit, Listed, PathId, QueryId
from baton.runtime.http.openapi import page as docs
from baton.runtime.http.openapi.answers import answers
from baton.runtime.http.run_models import (
    ExecuteAnswer,
    ExecuteRequest,
    PromptedResponseAnswer,
    RunAnswer,
    RunSummary,
    fitted,
)
from baton.runtime.http.snapshot_models import DefinitionAnswer
from baton.runtime.settings import TENANT

api = new_api()


@api.post("/api/execute/workflow/<workflow_id>", responses=answers(HTTPStatus.ACCEPTED, NotFound))
def execute_workflow(
    workflow_id: PathId, request: Annotated[ExecuteRequest | None, Body()] = None
) -> Response[ExecuteAnswer]:
    """Start a run of the workflow and answer at once, before any LLM is called."""
    asked = request or ExecuteRequest()
    run = wiring.start_run()(TENANT, workflow_id, asked.variables, wiring.now(), asked.on_missing)
    return accepted(ExecuteAnswer(run_id=run.id))


@api.get("/api/execute/run/<run_id>", responses=answers(HTTPStatus.OK, NotFound))
def read_executed_run(run_id: PathId) -> RunAnswer:
    """A run's status and results; the same as `GET /api/runs/{run_id}`."""
    return read_run(run_id)


@api.get("/api/runs/<run_id>", responses=answers(HTTPStatus.OK, NotFound))
def read_run(run_id: PathId) -> RunAnswer:
    """A run's status and results."""
    return RunAnswer.of_history(wiring.run_store().read_history(TENANT, run_id))


@api.get("/api/runs")
def list_runs(
    status: Annotated[Status | None, Query()] = None,
    workflow_id: QueryId = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Listed[RunSummary]:
    """Runs, newest first. Filtered by status and workflow, a page may be empty and still not be the last."""
    after = cursors.decode("runs", cursor)
    page = wiring.run_store().page(TENANT, status, workflow_id, limit, after)
    return Listed(items=[RunSummary.of(run) for run in page.items], cursor=cursors.encode("runs", page.next_after))


@api.get("/api/runs/<run_id>/responses", responses=answers(HTTPStatus.OK, NotFound))
def list_responses(run_id: PathId, limit: Limit = 50, cursor: Cursor = None) -> Listed[PromptedResponseAnswer]:
    """A run's responses in order, each with the prompt that brought it about."""
    wiring.run_store().read(TENANT, run_id)
    listed = f"responses of {run_id}"
    page = wiring.run_store().read_responses(TENANT, run_id, limit, cursors.decode(listed, cursor))
    items = [PromptedResponseAnswer.of(response) for response in fitted(page.items)]
    return Listed(items=items, cursor=cursors.encode(listed, page.next_after))


@api.get("/api/runs/<run_id>/definition", responses=answers(HTTPStatus.OK, NotFound))
def read_definition(run_id: PathId) -> DefinitionAnswer:
    """What the run executes: the definition as it was when the run was started."""
    run = wiring.run_store().read(TENANT, run_id)
    return DefinitionAnswer.of(run, wiring.run_store().read_snapshots(TENANT, run_id))


@api.post("/api/runs/<run_id>/cancel", responses=answers(HTTPStatus.OK, NotFound, RunFinished, AttemptSuperseded))
def cancel_run(run_id: PathId) -> RunSummary:
    """End a run early: no further payload starts. What has been answered stays readable."""
    wiring.change_run().cancel(TENANT, run_id, wiring.now())
    return RunSummary.of(wiring.run_store().read(TENANT, run_id))


@api.post(
    "/api/runs/<run_id>/resume",
    responses=answers(HTTPStatus.ACCEPTED, NotFound, RunFinished, RunNotFinished, AttemptSuperseded),
)
def resume_run(run_id: PathId) -> Response[RunSummary]:
    """Go on with a failed or cancelled run after its last response."""
    return accepted(RunSummary.of(wiring.change_run().resume(TENANT, run_id, wiring.now())))


@api.delete("/api/runs/<run_id>", responses=answers(HTTPStatus.NO_CONTENT, NotFound, RunNotFinished, AttemptSuperseded))
def delete_run(run_id: PathId) -> Response[None]:
    """Remove a finished run with its responses."""
    wiring.change_run().delete(TENANT, run_id)
    return no_content()


@api.get("/openapi.json", include_in_schema=False, compress=True, cache_control="max-age=300")
def read_openapi() -> Response[str]:
    """What the whole API can do, this function's part of it and the catalog's."""
    return docs.document()


@api.get("/docs", include_in_schema=False, cache_control="max-age=300")
def read_docs() -> Response[str]:
    """The same for people."""
    return docs.page()


@api.get("/docs/<name>", include_in_schema=False, compress=True, cache_control="max-age=86400")
def read_docs_asset(name: str) -> Response[str]:
    """A script or style of that page."""
    return docs.asset(name)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """One request of the HTTP API."""
    return answer(api, event, context)
