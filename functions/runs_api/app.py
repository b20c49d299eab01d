"""HTTP: execute workflows, and read, list, cancel, resume and delete runs."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Query
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BeforeValidator

from baton.domain.errors import AttemptSuperseded, NotFound, RunFinished, RunNotFinished
from baton.domain.runs import Status
from baton.runtime import wiring
from baton.runtime.http import cursors
from baton.runtime.http.api import accepted, answer, new_api, no_content
from baton.runtime.http.budget import fitting_page
from baton.runtime.http.fields import Cursor, Limit, Listed, PathId, PathPosition, QueryId
from baton.runtime.http.health_models import HealthAnswer
from baton.runtime.http.openapi import page as docs
from baton.runtime.http.openapi.answers import answers
from baton.runtime.http.run_models import (
    ExecuteAnswer,
    ExecuteRequest,
    PromptedResponseAnswer,
    RunAnswer,
    RunSummary,
    SingleResponseAnswer,
    listed_responses,
)
from baton.runtime.http.snapshot_models import DefinitionAnswer
from baton.runtime.logging import without_words
from baton.runtime.settings import TENANT

api = new_api()


def _in_lower_case(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


@api.post("/api/execute/workflow/<workflow_id>", responses=answers(HTTPStatus.ACCEPTED, NotFound))
def execute_workflow(
    workflow_id: PathId, request: Annotated[ExecuteRequest | None, Body()] = None
) -> Response[ExecuteAnswer]:
    """Start a run of the workflow and answer at once, before any LLM is called."""
    asked = request or ExecuteRequest()
    run = wiring.start_run()(TENANT, workflow_id, asked.variables or {}, wiring.now(), asked.on_missing or "keep")
    return accepted(ExecuteAnswer(run_id=run.id))


@api.get("/api/execute/run/<run_id>", responses=answers(HTTPStatus.OK, NotFound))
def read_executed_run(run_id: PathId) -> RunAnswer:
    """A run's status and results; the same as `GET /api/runs/{run_id}`."""
    return read_run(run_id)


@api.get("/api/runs/<run_id>", responses=answers(HTTPStatus.OK, NotFound))
def read_run(run_id: PathId) -> RunAnswer:
    """A run's status and results."""
    return RunAnswer.of_history(wiring.run_store().read_history(TENANT, run_id), wiring.long_texts())


@api.get("/api/runs")
def list_runs(
    status: Annotated[Status | None, BeforeValidator(_in_lower_case), Query()] = None,
    workflow_id: QueryId = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Listed[RunSummary]:
    """Runs, newest first. Filtered by status and workflow, a page may be empty and still not be the last."""
    after = cursors.decode("runs", cursor)
    page = wiring.run_store().page(TENANT, status, workflow_id, limit, after)
    items, last = fitting_page(page.items, [RunSummary.of(run) for run in page.items], page.next_after)
    return Listed(items=list(items), cursor=cursors.encode("runs", last))


@api.get("/api/runs/<run_id>/responses", responses=answers(HTTPStatus.OK, NotFound))
def list_responses(run_id: PathId, limit: Limit = 50, cursor: Cursor = None) -> Listed[PromptedResponseAnswer]:
    """A run's responses in order, each with the prompt that brought it about."""
    wiring.run_store().read(TENANT, run_id)
    listed = f"responses of {run_id}"
    page = wiring.run_store().read_responses(TENANT, run_id, limit, cursors.decode(listed, cursor))
    return listed_responses(page, cursors.encode(listed, page.next_after), wiring.long_texts())


@api.get("/api/runs/<run_id>/responses/<position>", responses=answers(HTTPStatus.OK, NotFound))
def read_response(run_id: PathId, position: PathPosition) -> SingleResponseAnswer:
    """One response, whole, with its prompt. A text that is too large to be sent has a URL, for 5 minutes."""
    return SingleResponseAnswer.of_whole(
        wiring.run_store().read_response(TENANT, run_id, position), wiring.long_texts()
    )


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
    """Go on with a failed or cancelled run after its last response.

    It keeps the definition as it was when the run was started; to use the newest one, execute the workflow again.
    """
    return accepted(RunSummary.of(wiring.change_run().resume(TENANT, run_id, wiring.now())))


@api.delete("/api/runs/<run_id>", responses=answers(HTTPStatus.NO_CONTENT, NotFound, RunNotFinished, AttemptSuperseded))
def delete_run(run_id: PathId) -> Response[None]:
    """Remove a finished run with its responses."""
    wiring.change_run().delete(TENANT, run_id)
    return no_content()


@api.get("/health", responses=answers(HTTPStatus.OK))
def read_health() -> HealthAnswer:
    """Whether the API answers, and which version it is. Nothing else is asked or read for it."""
    return HealthAnswer()


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


@without_words
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """One request of the HTTP API."""
    return answer(api, event, context)
