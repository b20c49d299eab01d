"""Workflows, and what a run of one would do."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body

from baton.api.app import created, found, new_router, no_content
from baton.api.bodies.fields import Listed
from baton.api.bodies.preflight import PreflightRequest, PreflightView
from baton.api.bodies.workflows import WorkflowRequest, WorkflowView
from baton.api.definitions import edit, listed, page_of
from baton.api.openapi.responses import responses_of
from baton.api.parameters import Cursor, IfMatch, Limit, PathId, Q, RequestCaller
from baton.domain.access.caller import Caller
from baton.domain.catalog.definitions import Workflow
from baton.domain.catalog.searches import Search
from baton.domain.errors import (
    Conflict,
    NameTaken,
    NotFound,
    VersionChanged,
)
from baton.domain.runs.preflight import preflight
from baton.runtime import wiring

router = new_router()


@router.post("/api/workflows", responses=responses_of(HTTPStatus.CREATED, NameTaken, Conflict))
def create_workflow(caller: RequestCaller, request: Annotated[WorkflowRequest, Body()]) -> Response[WorkflowView]:
    """Create a workflow from existing payloads."""
    workflow = wiring.define().create(caller.tenant, Workflow, request.draft(), wiring.now())
    return created(with_names(caller, [workflow])[0], "/api/workflows")


@router.get("/api/workflows/<workflow_id>", responses=responses_of(HTTPStatus.OK, NotFound))
def read_workflow(caller: RequestCaller, workflow_id: PathId) -> Response[WorkflowView]:
    """A workflow, with its payloads' names."""
    return found(with_names(caller, [wiring.catalog_store().read(caller.tenant, Workflow, workflow_id)])[0])


@router.put(
    "/api/workflows/<workflow_id>",
    responses=responses_of(HTTPStatus.OK, NotFound, NameTaken, VersionChanged, Conflict),
)
def replace_workflow(
    caller: RequestCaller, workflow_id: PathId, request: Annotated[WorkflowRequest, Body()], if_match: IfMatch = None
) -> Response[WorkflowView]:
    """Replace a workflow as a whole; runs that have started use the old one."""
    workflow = wiring.define().replace(edit(caller, workflow_id, if_match), Workflow, request.draft())
    return found(with_names(caller, [workflow])[0])


@router.delete(
    "/api/workflows/<workflow_id>",
    responses=responses_of(HTTPStatus.NO_CONTENT, NotFound, VersionChanged, Conflict),
)
def delete_workflow(caller: RequestCaller, workflow_id: PathId, if_match: IfMatch = None) -> Response[None]:
    """Delete a workflow, but not its payloads and runs."""
    wiring.define().delete(edit(caller, workflow_id, if_match), Workflow)
    return no_content()


@router.get("/api/workflows")
def list_workflows(
    caller: RequestCaller, limit: Limit = 50, cursor: Cursor = None, q: Q = None
) -> Listed[WorkflowView]:
    """Workflows in the order of their ids; `q` searches names."""
    page = page_of(caller, Workflow, limit, cursor, Search(q=q))
    return listed(page, with_names(caller, page.items), "WORKFLOW")


@router.post("/api/workflows/<workflow_id>/preflight", responses=responses_of(HTTPStatus.OK, NotFound))
def preflight_workflow(
    caller: RequestCaller, workflow_id: PathId, request: Annotated[PreflightRequest | None, Body()] = None
) -> PreflightView:
    """The prompts of a run, and the source of each reference, without calling an LLM."""
    definitions = wiring.definitions().read_workflow(caller.tenant, workflow_id)
    result = preflight(definitions, (request.variables if request else None) or {})
    return PreflightView.of(definitions.workflow, result)


def with_names(caller: Caller, workflows: Iterable[Workflow]) -> list[WorkflowView]:
    """Workflows with their payloads' names, which are read at once for all workflows."""
    listed = list(workflows)
    names = wiring.catalog_store().names(
        caller.tenant, "PAYLOAD", [id_ for workflow in listed for id_ in workflow.payloads]
    )
    return [WorkflowView.of(workflow, names) for workflow in listed]
