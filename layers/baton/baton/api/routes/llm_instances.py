"""LLM instances."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body

from baton.api.app import created, found, new_router, no_content
from baton.api.bodies.fields import Listed
from baton.api.bodies.llm_checks import LlmCheckView
from baton.api.bodies.llm_instances import LlmInstanceRequest, LlmInstanceView
from baton.api.definitions import edit, listed, page_of
from baton.api.openapi.responses import responses_of
from baton.api.parameters import Cursor, IfMatch, Limit, PathId, Q, RequestCaller
from baton.domain.catalog.definitions import LlmInstance
from baton.domain.catalog.searches import Search
from baton.domain.errors import (
    Conflict,
    InUse,
    NameTaken,
    NotFound,
    VersionChanged,
)
from baton.runtime import wiring

router = new_router()


@router.post("/api/llm/instances", responses=responses_of(HTTPStatus.CREATED, NameTaken))
def create_llm_instance(
    caller: RequestCaller, request: Annotated[LlmInstanceRequest, Body()]
) -> Response[LlmInstanceView]:
    """Create an LLM instance; its key is stored as a secret."""
    create = wiring.define_llm_instances().create
    instance = create(caller.tenant, request.draft(), request.secret(), wiring.now())
    return created(LlmInstanceView.of(instance), "/api/llm/instances")


@router.get("/api/llm/instances/<instance_id>", responses=responses_of(HTTPStatus.OK, NotFound))
def read_llm_instance(caller: RequestCaller, instance_id: PathId) -> Response[LlmInstanceView]:
    """An LLM instance, without its key."""
    return found(LlmInstanceView.of(wiring.catalog_store().read(caller.tenant, LlmInstance, instance_id)))


@router.put(
    "/api/llm/instances/<instance_id>", responses=responses_of(HTTPStatus.OK, NotFound, NameTaken, VersionChanged)
)
def replace_llm_instance(
    caller: RequestCaller, instance_id: PathId, request: Annotated[LlmInstanceRequest, Body()], if_match: IfMatch = None
) -> Response[LlmInstanceView]:
    """Replace an LLM instance; without `api_key` in the body, its key does not change."""
    replace = wiring.define_llm_instances().replace
    return found(LlmInstanceView.of(replace(edit(caller, instance_id, if_match), request.draft(), request.secret())))


@router.delete(
    "/api/llm/instances/<instance_id>",
    responses=responses_of(HTTPStatus.NO_CONTENT, NotFound, InUse, VersionChanged, Conflict),
)
def delete_llm_instance(caller: RequestCaller, instance_id: PathId, if_match: IfMatch = None) -> Response[None]:
    """Delete an LLM instance that no payload and no other instance refers to, and its key."""
    wiring.define_llm_instances().delete(edit(caller, instance_id, if_match))
    return no_content()


@router.post("/api/llm/instances/<instance_id>/test", responses=responses_of(HTTPStatus.OK, NotFound))
def test_llm_instance(caller: RequestCaller, instance_id: PathId) -> LlmCheckView:
    """Call an LLM instance with its newest key, for at most 10 seconds, and report whether it answers.

    Requests the list of the endpoint's models, or a short answer where there is no such list. Nothing is stored.
    """
    return LlmCheckView.of(wiring.check_llm_instance()(caller.tenant, instance_id))


@router.get("/api/llm/instances")
def list_llm_instances(
    caller: RequestCaller, limit: Limit = 50, cursor: Cursor = None, q: Q = None
) -> Listed[LlmInstanceView]:
    """LLM instances in the order of their ids; `q` searches names."""
    page = page_of(caller, LlmInstance, limit, cursor, Search(q=q))
    return listed(page, [LlmInstanceView.of(instance) for instance in page.items], "LLM_INSTANCE")
