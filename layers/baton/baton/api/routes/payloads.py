"""Payloads."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body

from baton.api.app import created, found, new_router, no_content
from baton.api.bodies.fields import Listed
from baton.api.bodies.payloads import PayloadRequest, PayloadView
from baton.api.definitions import edit, listed, page_of
from baton.api.openapi.responses import responses_of
from baton.api.parameters import Cursor, IfMatch, Limit, PathId, Q, RequestCaller
from baton.domain.access.caller import Caller
from baton.domain.catalog.definitions import Payload
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


@router.post("/api/payloads", responses=responses_of(HTTPStatus.CREATED, NameTaken, Conflict))
def create_payload(caller: RequestCaller, request: Annotated[PayloadRequest, Body()]) -> Response[PayloadView]:
    """Create a payload from existing blocks and an existing LLM instance."""
    payload = wiring.define().create(caller.tenant, Payload, request.draft(), wiring.now())
    return created(with_titles(caller, [payload])[0], "/api/payloads")


@router.get("/api/payloads/<payload_id>", responses=responses_of(HTTPStatus.OK, NotFound))
def read_payload(caller: RequestCaller, payload_id: PathId) -> Response[PayloadView]:
    """A payload, with its blocks' titles."""
    return found(with_titles(caller, [wiring.catalog_store().read(caller.tenant, Payload, payload_id)])[0])


@router.put(
    "/api/payloads/<payload_id>", responses=responses_of(HTTPStatus.OK, NotFound, NameTaken, VersionChanged, Conflict)
)
def replace_payload(
    caller: RequestCaller, payload_id: PathId, request: Annotated[PayloadRequest, Body()], if_match: IfMatch = None
) -> Response[PayloadView]:
    """Replace a payload as a whole; runs that have started use the old one."""
    payload = wiring.define().replace(edit(caller, payload_id, if_match), Payload, request.draft())
    return found(with_titles(caller, [payload])[0])


@router.delete(
    "/api/payloads/<payload_id>",
    responses=responses_of(HTTPStatus.NO_CONTENT, NotFound, InUse, VersionChanged, Conflict),
)
def delete_payload(caller: RequestCaller, payload_id: PathId, if_match: IfMatch = None) -> Response[None]:
    """Delete a payload that no workflow refers to."""
    wiring.define().delete(edit(caller, payload_id, if_match), Payload)
    return no_content()


@router.get("/api/payloads")
def list_payloads(caller: RequestCaller, limit: Limit = 50, cursor: Cursor = None, q: Q = None) -> Listed[PayloadView]:
    """Payloads in the order of their ids; `q` searches names."""
    page = page_of(caller, Payload, limit, cursor, Search(q=q))
    return listed(page, with_titles(caller, page.items), "PAYLOAD")


def with_titles(caller: Caller, payloads: Iterable[Payload]) -> list[PayloadView]:
    """Payloads with their blocks' titles, which are read at once for all payloads."""
    listed = list(payloads)
    titles = wiring.catalog_store().names(
        caller.tenant, "BLOCK", [id_ for payload in listed for id_ in payload.block_ids]
    )
    return [PayloadView.of(payload, titles) for payload in listed]
