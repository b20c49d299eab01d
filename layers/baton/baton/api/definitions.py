"""Functions that the routes of all kinds of definitions share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from baton.api import cursors
from baton.api.bodies.fields import Listed, View
from baton.api.budget import truncate_page
from baton.api.parameters import versions
from baton.domain.access.caller import Caller
from baton.domain.catalog.definitions import Definition
from baton.domain.catalog.searches import Search
from baton.domain.pages import Page
from baton.runtime import wiring
from baton.usecases.catalog.define import Edit


def edit(caller: Caller, definition_id: int, if_match: str | None) -> Edit:
    """The parameters of a change of this definition at the current time."""
    return Edit(tenant=caller.tenant, definition_id=definition_id, now=wiring.now(), versions=versions(if_match))


def page_of[D: Definition](caller: Caller, kind: type[D], limit: int, cursor: str | None, search: Search) -> Page[D]:
    """The page after a cursor."""
    return wiring.catalog_store().page(caller.tenant, kind, limit, cursors.decode(kind.kind, cursor), search)


def listed[V: View](page: Page[Any], items: Sequence[V], kind: str) -> Listed[V]:
    """As many items of a page as fit into one response; names and titles are not counted when the page is read."""
    fitting, last = truncate_page(page.items, items, page.next_after)
    return Listed(items=list(fitting), cursor=cursors.encode(kind, last))
