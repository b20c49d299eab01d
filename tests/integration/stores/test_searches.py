"""Searches in a list: few reads however little they find, and the same pages as a filter of the whole list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from baton.adapters.dynamodb import catalog as catalog_module
from baton.adapters.dynamodb.calls import write_many
from baton.adapters.dynamodb.catalog import DynamoCatalogStore
from baton.adapters.dynamodb.codecs.definitions import definition_to_item
from baton.adapters.s3 import S3Texts
from baton.domain.catalog.definitions import Block, new_definition
from baton.domain.catalog.searches import Search
from baton.domain.pages import Page
from tests.support.aws import Account
from tests.support.records import AT_NOON, TENANT, block_draft

PAGE_SIZE = 50
RARE = Search(q="needle")


def catalog_of(aws: Account) -> DynamoCatalogStore:
    return DynamoCatalogStore(aws.dynamodb, aws.catalog_table, S3Texts(lambda: aws.s3, aws.texts_bucket))


def stored_blocks(aws: Account, names: Sequence[str], tenant: str = TENANT) -> list[Block]:
    blocks = [new_definition(Block, block_draft(name), id_, AT_NOON) for id_, name in enumerate(names, start=1)]
    write_many(aws.dynamodb, aws.catalog_table, puts=[definition_to_item(tenant, block) for block in blocks])
    return blocks


@contextmanager
def queries_of(aws: Account) -> Iterator[list[int]]:
    """The ``Limit`` of each query within this block."""
    limits: list[int] = []

    def record(params: dict[str, Any], **_: object) -> None:
        limits.append(params["Limit"])

    aws.dynamodb.meta.events.register("provide-client-params.dynamodb.Query", record)
    yield limits
    aws.dynamodb.meta.events.unregister("provide-client-params.dynamodb.Query", record)


def test_a_search_for_one_of_2000_needs_five_queries(aws: Account) -> None:
    blocks = stored_blocks(aws, [f"block {number}" for number in range(1999)] + ["the needle"])
    with queries_of(aws) as limits:
        page = catalog_of(aws).page(TENANT, Block, PAGE_SIZE, None, RARE)
    assert page == Page(items=blocks[-1:])
    assert limits == [51, 500, 500, 500, 500]


@pytest.mark.parametrize("search", [Search(), Search(q="block")])
def test_a_list_in_which_most_match_reads_one_more_than_the_page_size(aws: Account, search: Search) -> None:
    blocks = stored_blocks(aws, [f"block {number}" for number in range(120)])
    with queries_of(aws) as limits:
        page = catalog_of(aws).page(TENANT, Block, PAGE_SIZE, None, search)
    assert page == Page(items=blocks[:PAGE_SIZE], next_after=PAGE_SIZE)
    assert limits == [51]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(found=st.lists(st.booleans(), max_size=30), limit=st.integers(1, 8))
def test_the_pages_are_those_of_a_filter_of_the_whole_list(
    aws: Account, monkeypatch: pytest.MonkeyPatch, found: list[bool], limit: int
) -> None:
    monkeypatch.setattr(catalog_module, "MAX_SEARCHED_AT_ONCE", 4)
    monkeypatch.setattr(catalog_module, "MAX_READ_PER_PAGE", 12)
    tenant = f"tenant-{next(TENANTS)}"
    blocks = stored_blocks(aws, [f"{'needle' if each else 'hay'} {at}" for at, each in enumerate(found)], tenant)
    for after in (None, *range(len(blocks) + 2)):
        assert catalog_of(aws).page(tenant, Block, limit, after, RARE) == filtered(blocks, limit, after, 12)


TENANTS = count()
"""Each example has its own tenant, and so its own list."""


def filtered(blocks: Sequence[Block], limit: int, after: int | None, most: int) -> Page[Block]:
    """The page: it ends before the first block after ``limit`` matching ones, or after ``most`` blocks."""
    rest = [block for block in blocks if block.id > (after or 0)]
    hits = [block for block in rest if "needle" in block.name]
    end = rest.index(hits[limit - 1]) + 1 if len(hits) >= limit else len(rest)
    read = rest[: min(end, most)]
    return Page(
        items=[block for block in read if block in hits], next_after=read[-1].id if len(read) < len(rest) else None
    )
