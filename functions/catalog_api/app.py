"""HTTP: blocks, payloads, workflows and LLM instances."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Header, Query
from aws_lambda_powertools.utilities.typing import LambdaContext

from baton.domain.catalog import Block, Definition, LlmInstance, Payload, Workflow
from baton.domain.errors import Conflict, InUse, NameTaken, NotFound, VersionChanged
from baton.domain.pages import Page
from baton.domain.preflight import preflight
from baton.domain.searches import Search
from baton.runtime import wiring
from baton.runtime.http import cursors
from baton.runtime.http.api import answer, created, found, new_api, no_content
from baton.runtime.http.budget import fitting_page
from baton.runtime.http.catalog_models import (
    BlockAnswer,
    BlockRequest,
    PayloadAnswer,
    PayloadRequest,
    WorkflowAnswer,
    WorkflowRequest,
)
from baton.runtime.http.check_models import LlmCheckAnswer
from baton.runtime.http.fields import Answer, Cursor, IfMatch, Limit, Listed, PathId, Q, versions
from baton.runtime.http.import_models import ImportAnswer
from baton.runtime.http.llm_instance_models import LlmInstanceAnswer, LlmInstanceRequest
from baton.runtime.http.openapi.answers import answers, content_of
from baton.runtime.http.preflight_models import PreflightAnswer, PreflightRequest
from baton.runtime.http.request_bodies import RequestBody
from baton.runtime.http.workflow_file_formats.documents import MAX_FILE_BYTES
from baton.runtime.http.workflow_file_models import JSON, YAML, YAML_TYPES, json_schema, read_file, write_file
from baton.runtime.logging import without_words
from baton.runtime.settings import TENANT
from baton.usecases.define import Edit

FILE_BODY = RequestBody(media_types=YAML_TYPES | {JSON}, max_bytes=MAX_FILE_BYTES)
FILE = content_of("FileModel", YAML, JSON)

api = new_api()


@api.post("/api/blocks", responses=answers(HTTPStatus.CREATED, NameTaken))
def create_block(request: Annotated[BlockRequest, Body()]) -> Response[BlockAnswer]:
    """Create a block."""
    block = wiring.define().create(TENANT, Block, request.draft(), wiring.now())
    return created(BlockAnswer.of(block), "/api/blocks")


@api.get("/api/blocks/<block_id>", responses=answers(HTTPStatus.OK, NotFound))
def read_block(block_id: PathId) -> Response[BlockAnswer]:
    """A block, and in its `ETag` the version that an edit can be meant for."""
    return found(BlockAnswer.of(wiring.catalog_store().read(TENANT, Block, block_id)))


@api.put("/api/blocks/<block_id>", responses=answers(HTTPStatus.OK, NotFound, NameTaken, VersionChanged))
def replace_block(
    block_id: PathId, request: Annotated[BlockRequest, Body()], if_match: IfMatch = None
) -> Response[BlockAnswer]:
    """Replace a block as a whole; runs that have started keep the old one."""
    return found(BlockAnswer.of(wiring.define().replace(edit(block_id, if_match), Block, request.draft())))


@api.delete(
    "/api/blocks/<block_id>",
    responses=answers(HTTPStatus.NO_CONTENT, NotFound, InUse, VersionChanged, Conflict),
)
def delete_block(block_id: PathId, if_match: IfMatch = None) -> Response[None]:
    """Delete a block that no payload takes."""
    wiring.define().delete(edit(block_id, if_match), Block)
    return no_content()


@api.get("/api/blocks")
def list_blocks(
    limit: Limit = 50,
    cursor: Cursor = None,
    q: Q = None,
    tag: Annotated[str | None, Query(max_length=100)] = None,
    folder_path: Annotated[str | None, Query(max_length=500, description="With the folders below it.")] = None,
) -> Listed[BlockAnswer]:
    """Blocks in the order of their ids; `q` is looked for in titles and contents."""
    page = page_of(Block, limit, cursor, Search(q=q, tag=tag, folder_path=folder_path))
    return listed(page, [BlockAnswer.of(block) for block in page.items], "BLOCK")


@api.post("/api/payloads", responses=answers(HTTPStatus.CREATED, NameTaken, Conflict))
def create_payload(request: Annotated[PayloadRequest, Body()]) -> Response[PayloadAnswer]:
    """Create a payload of blocks and an LLM instance that are there."""
    payload = wiring.define().create(TENANT, Payload, request.draft(), wiring.now())
    return created(with_titles([payload])[0], "/api/payloads")


@api.get("/api/payloads/<payload_id>", responses=answers(HTTPStatus.OK, NotFound))
def read_payload(payload_id: PathId) -> Response[PayloadAnswer]:
    """A payload, with its blocks' titles."""
    return found(with_titles([wiring.catalog_store().read(TENANT, Payload, payload_id)])[0])


@api.put("/api/payloads/<payload_id>", responses=answers(HTTPStatus.OK, NotFound, NameTaken, VersionChanged, Conflict))
def replace_payload(
    payload_id: PathId, request: Annotated[PayloadRequest, Body()], if_match: IfMatch = None
) -> Response[PayloadAnswer]:
    """Replace a payload as a whole; runs that have started keep the old one."""
    payload = wiring.define().replace(edit(payload_id, if_match), Payload, request.draft())
    return found(with_titles([payload])[0])


@api.delete(
    "/api/payloads/<payload_id>",
    responses=answers(HTTPStatus.NO_CONTENT, NotFound, InUse, VersionChanged, Conflict),
)
def delete_payload(payload_id: PathId, if_match: IfMatch = None) -> Response[None]:
    """Delete a payload that no workflow takes."""
    wiring.define().delete(edit(payload_id, if_match), Payload)
    return no_content()


@api.get("/api/payloads")
def list_payloads(limit: Limit = 50, cursor: Cursor = None, q: Q = None) -> Listed[PayloadAnswer]:
    """Payloads in the order of their ids; `q` is looked for in names."""
    page = page_of(Payload, limit, cursor, Search(q=q))
    return listed(page, with_titles(page.items), "PAYLOAD")


@api.post("/api/workflows", responses=answers(HTTPStatus.CREATED, NameTaken, Conflict))
def create_workflow(request: Annotated[WorkflowRequest, Body()]) -> Response[WorkflowAnswer]:
    """Create a workflow of payloads that are there."""
    workflow = wiring.define().create(TENANT, Workflow, request.draft(), wiring.now())
    return created(with_names([workflow])[0], "/api/workflows")


@api.get("/api/workflows/<workflow_id>", responses=answers(HTTPStatus.OK, NotFound))
def read_workflow(workflow_id: PathId) -> Response[WorkflowAnswer]:
    """A workflow, with its payloads' names."""
    return found(with_names([wiring.catalog_store().read(TENANT, Workflow, workflow_id)])[0])


@api.put(
    "/api/workflows/<workflow_id>",
    responses=answers(HTTPStatus.OK, NotFound, NameTaken, VersionChanged, Conflict),
)
def replace_workflow(
    workflow_id: PathId, request: Annotated[WorkflowRequest, Body()], if_match: IfMatch = None
) -> Response[WorkflowAnswer]:
    """Replace a workflow as a whole; runs that have started keep the old one."""
    workflow = wiring.define().replace(edit(workflow_id, if_match), Workflow, request.draft())
    return found(with_names([workflow])[0])


@api.delete(
    "/api/workflows/<workflow_id>",
    responses=answers(HTTPStatus.NO_CONTENT, NotFound, VersionChanged, Conflict),
)
def delete_workflow(workflow_id: PathId, if_match: IfMatch = None) -> Response[None]:
    """Delete a workflow. Its payloads stay, and so do its runs."""
    wiring.define().delete(edit(workflow_id, if_match), Workflow)
    return no_content()


@api.get("/api/workflows")
def list_workflows(limit: Limit = 50, cursor: Cursor = None, q: Q = None) -> Listed[WorkflowAnswer]:
    """Workflows in the order of their ids; `q` is looked for in names."""
    page = page_of(Workflow, limit, cursor, Search(q=q))
    return listed(page, with_names(page.items), "WORKFLOW")


@api.get("/api/workflows/<workflow_id>/export", responses=answers(HTTPStatus.OK, NotFound, content=FILE))
def export_workflow(
    workflow_id: PathId, accept: Annotated[str | None, Header(alias="Accept", max_length=1000)] = None
) -> Response[str]:
    """A workflow as a file, with its payloads, its blocks and the names of its LLM instances, and never a secret.

    In YAML, unless JSON is asked for.
    """
    media_type = JSON if JSON in (accept or "") else YAML
    text = write_file(wiring.move_workflows().export(TENANT, workflow_id), media_type)
    return Response(status_code=HTTPStatus.OK, content_type=media_type, body=text)


@api.post(
    "/api/workflows/import",
    responses=answers(HTTPStatus.OK, NameTaken, VersionChanged, Conflict),
    openapi_extensions={"requestBody": {"required": True, "content": FILE}},
)
def import_workflow(dry_run: Annotated[bool, Query()] = False) -> ImportAnswer:
    """Save what a file says, each definition under its name: all of it or nothing.

    The body is the file, in YAML or JSON. What the catalog says already is left alone, so importing a file twice
    changes nothing. A dry run tells the differences and saves nothing.
    """
    event = api.current_event
    file = read_file(event.decoded_body or "", event.headers.get("content-type", JSON))
    imported = wiring.move_workflows().import_file(TENANT, file, wiring.now(), dry_run=dry_run)
    return ImportAnswer.of(imported, dry_run=dry_run)


@api.get("/schemas/workflow.json", responses=answers(HTTPStatus.OK))
def workflow_schema() -> dict[str, Any]:
    """The JSON Schema of workflow files, for editors to complete and check by."""
    return json_schema()


@api.post("/api/workflows/<workflow_id>/preflight", responses=answers(HTTPStatus.OK, NotFound))
def preflight_workflow(
    workflow_id: PathId, request: Annotated[PreflightRequest | None, Body()] = None
) -> PreflightAnswer:
    """What a run would ask, and where its references would come from. No LLM is called."""
    definitions = wiring.definitions().read_workflow(TENANT, workflow_id)
    told = preflight(definitions, (request.variables if request else None) or {})
    return PreflightAnswer.of(definitions.workflow, told)


@api.post("/api/llm/instances", responses=answers(HTTPStatus.CREATED, NameTaken))
def create_llm_instance(request: Annotated[LlmInstanceRequest, Body()]) -> Response[LlmInstanceAnswer]:
    """Create an LLM instance; its key is kept as a secret."""
    create = wiring.define_llm_instances().create
    instance = create(TENANT, request.draft(), request.secret(), wiring.now())
    return created(LlmInstanceAnswer.of(instance), "/api/llm/instances")


@api.get("/api/llm/instances/<instance_id>", responses=answers(HTTPStatus.OK, NotFound))
def read_llm_instance(instance_id: PathId) -> Response[LlmInstanceAnswer]:
    """An LLM instance, without its key."""
    return found(LlmInstanceAnswer.of(wiring.catalog_store().read(TENANT, LlmInstance, instance_id)))


@api.put("/api/llm/instances/<instance_id>", responses=answers(HTTPStatus.OK, NotFound, NameTaken, VersionChanged))
def replace_llm_instance(
    instance_id: PathId, request: Annotated[LlmInstanceRequest, Body()], if_match: IfMatch = None
) -> Response[LlmInstanceAnswer]:
    """Replace an LLM instance; without an `api_key` it keeps the one that it has."""
    replace = wiring.define_llm_instances().replace
    return found(LlmInstanceAnswer.of(replace(edit(instance_id, if_match), request.draft(), request.secret())))


@api.delete(
    "/api/llm/instances/<instance_id>",
    responses=answers(HTTPStatus.NO_CONTENT, NotFound, InUse, VersionChanged, Conflict),
)
def delete_llm_instance(instance_id: PathId, if_match: IfMatch = None) -> Response[None]:
    """Delete an LLM instance that no payload uses, and its key."""
    wiring.define_llm_instances().delete(edit(instance_id, if_match))
    return no_content()


@api.post("/api/llm/instances/<instance_id>/test", responses=answers(HTTPStatus.OK, NotFound))
def test_llm_instance(instance_id: PathId) -> LlmCheckAnswer:
    """Whether an LLM instance answers, or why not, with its newest key and within 10 seconds.

    Asks for the endpoint's models, or for a few words where there is no list of them. Nothing is stored.
    """
    return LlmCheckAnswer.of(wiring.check_llm_instance()(TENANT, instance_id))


@api.get("/api/llm/instances")
def list_llm_instances(limit: Limit = 50, cursor: Cursor = None, q: Q = None) -> Listed[LlmInstanceAnswer]:
    """LLM instances in the order of their ids; `q` is looked for in names."""
    page = page_of(LlmInstance, limit, cursor, Search(q=q))
    return listed(page, [LlmInstanceAnswer.of(instance) for instance in page.items], "LLM_INSTANCE")


@without_words
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """One request of the HTTP API."""
    return answer(api, event, context, {"/api/workflows/import": FILE_BODY})


def edit(definition_id: int, if_match: str | None) -> Edit:
    """A change of this definition, now."""
    return Edit(tenant=TENANT, definition_id=definition_id, now=wiring.now(), versions=versions(if_match))


def page_of[D: Definition](kind: type[D], limit: int, cursor: str | None, search: Search) -> Page[D]:
    """The page that a cursor asks for."""
    return wiring.catalog_store().page(TENANT, kind, limit, cursors.decode(kind.kind, cursor), search)


def listed[A: Answer](page: Page[Any], items: Sequence[A], kind: str) -> Listed[A]:
    """As much of a page as one answer can carry; names and titles are not counted when the page is read."""
    fitting, last = fitting_page(page.items, items, page.next_after)
    return Listed(items=list(fitting), cursor=cursors.encode(kind, last))


def with_titles(payloads: Iterable[Payload]) -> list[PayloadAnswer]:
    """Payloads with their blocks' titles, which one look-up brings for all."""
    listed = list(payloads)
    titles = wiring.catalog_store().names(TENANT, "BLOCK", [id_ for payload in listed for id_ in payload.block_ids])
    return [PayloadAnswer.of(payload, titles) for payload in listed]


def with_names(workflows: Iterable[Workflow]) -> list[WorkflowAnswer]:
    """Workflows with their payloads' names, which one look-up brings for all."""
    listed = list(workflows)
    names = wiring.catalog_store().names(TENANT, "PAYLOAD", [id_ for workflow in listed for id_ in workflow.payloads])
    return [WorkflowAnswer.of(workflow, names) for workflow in listed]
