"""Blocks."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Query

from baton.api.app import created, found, new_router, no_content
from baton.api.bodies.blocks import BlockRequest, BlockView
from baton.api.bodies.fields import Listed
from baton.api.definitions import edit, listed, page_of
from baton.api.openapi.responses import responses_of
from baton.api.parameters import Cursor, IfMatch, Limit, PathId, Q, RequestCaller
from baton.domain.catalog.definitions import Block
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


@router.post("/api/blocks", responses=responses_of(HTTPStatus.CREATED, NameTaken))
def create_block(caller: RequestCaller, request: Annotated[BlockRequest, Body()]) -> Response[BlockView]:
    """Create a block."""
    block = wiring.define().create(caller.tenant, Block, request.draft(), wiring.now())
    return created(BlockView.of(block), "/api/blocks")


@router.get("/api/blocks/<block_id>", responses=responses_of(HTTPStatus.OK, NotFound))
def read_block(caller: RequestCaller, block_id: PathId) -> Response[BlockView]:
    """A block; its `ETag` is the version, which an edit can require with `If-Match`."""
    return found(BlockView.of(wiring.catalog_store().read(caller.tenant, Block, block_id)))


@router.put("/api/blocks/<block_id>", responses=responses_of(HTTPStatus.OK, NotFound, NameTaken, VersionChanged))
def replace_block(
    caller: RequestCaller, block_id: PathId, request: Annotated[BlockRequest, Body()], if_match: IfMatch = None
) -> Response[BlockView]:
    """Replace a block as a whole; runs that have started use the old one."""
    return found(BlockView.of(wiring.define().replace(edit(caller, block_id, if_match), Block, request.draft())))


@router.delete(
    "/api/blocks/<block_id>",
    responses=responses_of(HTTPStatus.NO_CONTENT, NotFound, InUse, VersionChanged, Conflict),
)
def delete_block(caller: RequestCaller, block_id: PathId, if_match: IfMatch = None) -> Response[None]:
    """Delete a block that no payload refers to."""
    wiring.define().delete(edit(caller, block_id, if_match), Block)
    return no_content()


@router.get("/api/blocks")
def list_blocks(  # noqa: PLR0913, PLR0917 - one argument for each query parameter
    caller: RequestCaller,
    limit: Limit = 50,
    cursor: Cursor = None,
    q: Q = None,
    tag: Annotated[str | None, Query(max_length=100)] = None,
    folder_path: Annotated[str | None, Query(max_length=500, description="With the folders below it.")] = None,
) -> Listed[BlockView]:
    """Blocks in the order of their ids; `q` searches titles and contents."""
    page = page_of(caller, Block, limit, cursor, Search(q=q, tag=tag, folder_path=folder_path))
    return listed(page, [BlockView.of(block) for block in page.items], "BLOCK")
