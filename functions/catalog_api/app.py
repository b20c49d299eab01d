"""HTTP: blocks, payloads, workflows and LLM instances."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.utilities.typing import LambdaContext

from baton.domain.catalog import Block, LlmInstance, Payload, Workflow
from baton.runtime import wiring
from baton.runtime.http import cursors
from baton.runtime.http.api import answer, created, new_api
from baton.runtime.http.catalog_models import (
    BlockAnswer,
    BlockRequest,
    LlmInstanceAnswer,
    LlmInstanceRequest,
    PayloadAnswer,
    PayloadRequest,
    WorkflowAnswer,
    WorkflowRequest,
)
from baton.runtime.http.fields import Cursor, Limit, Listed, PathId
from baton.runtime.settings import TENANT

api = new_api()


@api.post("/api/blocks")
def create_block(request: Annotated[BlockRequest, Body()]) -> Response[BlockAnswer]:
    """Create a block."""
    block = wiring.define().create(TENANT, Block, request.draft(), wiring.now())
    return created(BlockAnswer.of(block), f"/api/blocks/{block.id}")


@api.get("/api/blocks/<block_id>")
def read_block(block_id: PathId) -> BlockAnswer:
    """A block."""
    return BlockAnswer.of(wiring.catalog_store().read(TENANT, Block, block_id))


@api.put("/api/blocks/<block_id>")
def replace_block(block_id: PathId, request: Annotated[BlockRequest, Body()]) -> BlockAnswer:
    """Replace a block as a whole; runs that have started keep the old one."""
    block = wiring.define().replace(TENANT, Block, block_id, request.draft(), wiring.now())
    return BlockAnswer.of(block)


@api.get("/api/blocks")
def list_blocks(limit: Limit = 50, cursor: Cursor = None) -> Listed[BlockAnswer]:
    """All blocks, in the order of their ids."""
    page = wiring.catalog_store().page(TENANT, Block, limit, cursors.decode("blocks", cursor))
    return Listed(
        items=[BlockAnswer.of(block) for block in page.items], cursor=cursors.encode("blocks", page.next_after)
    )


@api.post("/api/payloads")
def create_payload(request: Annotated[PayloadRequest, Body()]) -> Response[PayloadAnswer]:
    """Create a payload of blocks and an LLM instance that are there."""
    payload = wiring.define().create(TENANT, Payload, request.draft(), wiring.now())
    return created(_payloads([payload])[0], f"/api/payloads/{payload.id}")


@api.get("/api/payloads/<payload_id>")
def read_payload(payload_id: PathId) -> PayloadAnswer:
    """A payload, with its blocks' titles."""
    return _payloads([wiring.catalog_store().read(TENANT, Payload, payload_id)])[0]


@api.put("/api/payloads/<payload_id>")
def replace_payload(payload_id: PathId, request: Annotated[PayloadRequest, Body()]) -> PayloadAnswer:
    """Replace a payload as a whole; runs that have started keep the old one."""
    payload = wiring.define().replace(TENANT, Payload, payload_id, request.draft(), wiring.now())
    return _payloads([payload])[0]


@api.get("/api/payloads")
def list_payloads(limit: Limit = 50, cursor: Cursor = None) -> Listed[PayloadAnswer]:
    """All payloads, in the order of their ids."""
    page = wiring.catalog_store().page(TENANT, Payload, limit, cursors.decode("payloads", cursor))
    return Listed(items=_payloads(page.items), cursor=cursors.encode("payloads", page.next_after))


@api.post("/api/workflows")
def create_workflow(request: Annotated[WorkflowRequest, Body()]) -> Response[WorkflowAnswer]:
    """Create a workflow of payloads that are there."""
    workflow = wiring.define().create(TENANT, Workflow, request.draft(), wiring.now())
    return created(_workflows([workflow])[0], f"/api/workflows/{workflow.id}")


@api.get("/api/workflows/<workflow_id>")
def read_workflow(workflow_id: PathId) -> WorkflowAnswer:
    """A workflow, with its payloads' names."""
    return _workflows([wiring.catalog_store().read(TENANT, Workflow, workflow_id)])[0]


@api.put("/api/workflows/<workflow_id>")
def replace_workflow(workflow_id: PathId, request: Annotated[WorkflowRequest, Body()]) -> WorkflowAnswer:
    """Replace a workflow as a whole; runs that have started keep the old one."""
    workflow = wiring.define().replace(TENANT, Workflow, workflow_id, request.draft(), wiring.now())
    return _workflows([workflow])[0]


@api.get("/api/workflows")
def list_workflows(limit: Limit = 50, cursor: Cursor = None) -> Listed[WorkflowAnswer]:
    """All workflows, in the order of their ids."""
    page = wiring.catalog_store().page(TENANT, Workflow, limit, cursors.decode("workflows", cursor))
    return Listed(items=_workflows(page.items), cursor=cursors.encode("workflows", page.next_after))


@api.post("/api/llm/instances")
def create_llm_instance(request: Annotated[LlmInstanceRequest, Body()]) -> Response[LlmInstanceAnswer]:
    """Create an LLM instance; its key is kept as a secret."""
    create = wiring.define().create_llm_instance
    instance = create(TENANT, request.draft(), request.secret(), wiring.now())
    return created(LlmInstanceAnswer.of(instance), f"/api/llm/instances/{instance.id}")


@api.get("/api/llm/instances/<instance_id>")
def read_llm_instance(instance_id: PathId) -> LlmInstanceAnswer:
    """An LLM instance, without its key."""
    return LlmInstanceAnswer.of(wiring.catalog_store().read(TENANT, LlmInstance, instance_id))


@api.put("/api/llm/instances/<instance_id>")
def replace_llm_instance(instance_id: PathId, request: Annotated[LlmInstanceRequest, Body()]) -> LlmInstanceAnswer:
    """Replace an LLM instance; without an ``api_key`` it keeps the one that it has."""
    replace = wiring.define().replace_llm_instance
    return LlmInstanceAnswer.of(replace(TENANT, instance_id, request.draft(), request.secret(), wiring.now()))


@api.get("/api/llm/instances")
def list_llm_instances(limit: Limit = 50, cursor: Cursor = None) -> Listed[LlmInstanceAnswer]:
    """All LLM instances, in the order of their ids."""
    page = wiring.catalog_store().page(TENANT, LlmInstance, limit, cursors.decode("instances", cursor))
    items = [LlmInstanceAnswer.of(instance) for instance in page.items]
    return Listed(items=items, cursor=cursors.encode("instances", page.next_after))


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """One request of the HTTP API."""
    return answer(api, event, context)


def _payloads(payloads: Iterable[Payload]) -> list[PayloadAnswer]:
    """Read back with their blocks' titles, which one look-up brings for all."""
    listed = list(payloads)
    blocks = wiring.catalog_store().read_many(TENANT, Block, [id_ for payload in listed for id_ in payload.blocks])
    return [PayloadAnswer.of(payload, blocks) for payload in listed]


def _workflows(workflows: Iterable[Workflow]) -> list[WorkflowAnswer]:
    """Read back with their payloads' names, which one look-up brings for all."""
    listed = list(workflows)
    payloads = wiring.catalog_store().read_many(
        TENANT, Payload, [id_ for workflow in listed for id_ in workflow.payloads]
    )
    return [WorkflowAnswer.of(workflow, payloads) for workflow in listed]
