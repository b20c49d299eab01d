"""Lists of stores, read to their end."""

from __future__ import annotations

from collections.abc import Callable

from baton.domain.pages import Page

MAX_PAGES = 50


def all_items[T](read_page: Callable[[int | None], Page[T]], limit: int) -> list[T]:
    """The items of all pages, none of which may have more than ``limit``."""
    items: list[T] = []
    after = None
    for _ in range(MAX_PAGES):
        page = read_page(after)
        assert len(page.items) <= limit
        items += page.items
        after = page.next_after
        if after is None:
            return items
    raise AssertionError("the list never ends")
