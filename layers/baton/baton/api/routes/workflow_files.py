"""Workflow files: export, import and their JSON Schema."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Header, Query

from baton.api.app import new_router
from baton.api.bodies.imports import ImportView
from baton.api.bodies.workflow_files import JSON, YAML, YAML_TYPES, json_schema, read_file, write_file
from baton.api.openapi.responses import content_of, responses_of
from baton.api.parameters import PathId, RequestCaller
from baton.api.request_bodies import RequestBody
from baton.api.workflow_file_formats.documents import MAX_FILE_BYTES
from baton.domain.errors import (
    Conflict,
    NameTaken,
    NotFound,
    VersionChanged,
)
from baton.domain.files.workflow_files import export
from baton.runtime import wiring

BODIES = {"/api/workflows/import": RequestBody(media_types=YAML_TYPES | {JSON}, max_bytes=MAX_FILE_BYTES)}
"""The path that accepts other media types and larger bodies than those of JSON."""

FILE = content_of("FileModel", YAML, JSON)

router = new_router()


@router.get("/api/workflows/<workflow_id>/export", responses=responses_of(HTTPStatus.OK, NotFound, content=FILE))
def export_workflow(
    caller: RequestCaller,
    workflow_id: PathId,
    accept: Annotated[str | None, Header(alias="Accept", max_length=1000)] = None,
) -> Response[str]:
    """A workflow as a file, with its payloads, its blocks and the names of its LLM instances, and never a secret.

    In YAML, unless `Accept` contains JSON.
    """
    media_type = JSON if JSON in (accept or "") else YAML
    text = write_file(export(wiring.definitions().read_workflow(caller.tenant, workflow_id)), media_type)
    return Response(status_code=HTTPStatus.OK, content_type=media_type, body=text)


@router.post(
    "/api/workflows/import",
    responses=responses_of(HTTPStatus.OK, NameTaken, VersionChanged, Conflict),
    openapi_extensions={"requestBody": {"required": True, "content": FILE}},
)
def import_workflow(caller: RequestCaller, dry_run: Annotated[bool, Query()] = False) -> ImportView:
    """Save the definitions of a file, each under its name: all of them or none.

    The body is the file, in YAML or JSON. Definitions that are stored already as in the file are not written, so
    importing a file twice changes nothing. A dry run reports the differences and saves nothing.
    """
    event = router.current_event
    file = read_file(event.decoded_body or "", event.headers.get("content-type", JSON))
    imported = wiring.import_workflow_file()(caller.tenant, file, wiring.now(), dry_run=dry_run)
    return ImportView.of(imported, dry_run=dry_run)


@router.get("/schemas/workflow.json", responses=responses_of(HTTPStatus.OK))
def workflow_schema() -> dict[str, Any]:
    """The JSON Schema of workflow files, for completion and validation in editors."""
    return json_schema()
