"""The Catalog table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, repeat
from typing import TYPE_CHECKING

from baton.adapters.dynamodb import keys
from baton.adapters.dynamodb.calls import expression_names, get_many, query, query_page, values
from baton.adapters.dynamodb.catalog_writes import CatalogWrites
from baton.adapters.dynamodb.codecs.attributes import Item, from_attributes, to_attributes
from baton.adapters.dynamodb.codecs.definitions import definition_from_item, definition_to_item, ledger_from_item
from baton.adapters.dynamodb.large_records import RECORD_KEY, TextGone, Texts, request_bytes, with_long_fields
from baton.adapters.dynamodb.transactions import MAX_WRITES, transact
from baton.domain.catalog.definitions import (
    REFERRERS,
    Block,
    Definition,
    Ledger,
    LlmInstance,
    Payload,
    Replacement,
    Workflow,
    WorkflowBundle,
)
from baton.domain.catalog.fallbacks import with_fallbacks
from baton.domain.catalog.searches import Search
from baton.domain.errors import NotFound
from baton.domain.kinds import KIND_WORDS, Kind, Referrer
from baton.domain.pages import Page

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


MAX_PAGE_BYTES = 900_000
MAX_TRANSACTION_BYTES = 3_000_000
"""A transaction may have 4 MB."""

MAX_SAVED_AT_ONCE = (MAX_WRITES - 1) // 2
"""A new definition needs one write for itself and one for its name; the ledger needs one for all."""

MAX_READ_PER_PAGE = 2_000

MAX_SEARCHED_AT_ONCE = 500
"""The items of each further read of a search. The first read is as small as without a search, in case most match."""

LARGE_READ_COST = 40
"""Reading long fields from S3 needs one call for each record, so such a record counts as this many."""


class DynamoCatalogStore:
    """One partition for each tenant and kind, with ids as sort keys; one more item for each name reserves it."""

    def __init__(self, client: DynamoDBClient, table: str, texts: Texts) -> None:
        self._client = client
        self._table = table
        self._texts = texts
        self._writes = CatalogWrites(table, texts)

    def reserve_id(self, tenant: str, kind: Kind) -> int:
        """The next id of this kind; an id that is not used is never returned again."""
        updated = self._client.update_item(
            TableName=self._table,
            Key=to_attributes(keys.counter(tenant, kind)),
            UpdateExpression="ADD #last :one",
            ExpressionAttributeNames=expression_names("last"),
            ExpressionAttributeValues=values(one=1),
            ReturnValues="UPDATED_NEW",
        )
        return int(from_attributes(updated["Attributes"])["last"])

    def read_ledger(self, tenant: str) -> Ledger:
        """The counters that a later write compares; read them before checking references or searching for referrers."""
        key = to_attributes(keys.ledger(tenant))
        item = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item", {})
        return ledger_from_item(item)

    def create(self, tenant: str, definition: Definition, ledger: Ledger) -> None:
        """Store a new definition.

        :raises NameTaken: if another definition of the kind has the name.
        :raises LedgerConflict: if it refers to others, and something was deleted since the ledger was read.
        """
        self.save(tenant, [Replacement(current=None, new=definition)], ledger)

    def replace(self, tenant: str, current: Definition, new: Definition, ledger: Ledger) -> None:
        """Store the next version of a definition that was read.

        :raises VersionChanged: if it has been changed or deleted since.
        :raises NameTaken: if another definition of the kind has the new name.
        :raises LedgerConflict: if it refers to others, and something was deleted since the ledger was read.
        """
        self.save(tenant, [Replacement(current=current, new=new)], ledger)

    def transactions(self, replacements: Sequence[Replacement]) -> Sequence[Sequence[Replacement]]:
        """The replacements in their order, split into as few transactions as possible."""
        parts: list[list[Replacement]] = [[]]
        size = 0
        for replacement in replacements:
            added = request_bytes(definition_to_item("", replacement.new))
            size += added
            if len(parts[-1]) == MAX_SAVED_AT_ONCE or size > MAX_TRANSACTION_BYTES:
                parts.append([])
                size = added
            parts[-1].append(replacement)
        return [part for part in parts if part]

    def save(self, tenant: str, replacements: Sequence[Replacement], ledger: Ledger) -> None:
        """Store all of these or none.

        :raises VersionChanged: if one has been changed or deleted since it was read.
        :raises NameTaken: if another definition of the kind has the name of a new one.
        :raises LedgerConflict: if one refers to others, and something was deleted since the ledger was read.
        """
        transact(self._client, self._writes.for_save(tenant, replacements, ledger))
        for replacement in replacements:
            if replacement.current is not None:
                self._writes.remove_texts(tenant, replacement.current)

    def delete(self, tenant: str, current: Definition, ledger: Ledger) -> None:
        """Remove a definition that was read.

        :raises VersionChanged: if it has been changed or deleted since.
        :raises LedgerConflict: if a reference to anything was added since the ledger was read.
        """
        transact(self._client, self._writes.for_delete(tenant, current, ledger))
        self._writes.remove_texts(tenant, current)

    def referrers(self, tenant: str, definition: Definition) -> Sequence[Referrer]:
        """The definitions that refer to this one; reads all of the kinds that may, but only when one is deleted."""
        return [
            found for kind in REFERRERS[definition.kind] for found in self._referrers_of_kind(tenant, kind, definition)
        ]

    def _referrers_of_kind(self, tenant: str, referrer: Kind, definition: Definition) -> list[Referrer]:
        found = query(
            self._client,
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            FilterExpression="contains(#refers_to, :target)",
            ProjectionExpression="#id, #name",
            ExpressionAttributeNames=expression_names("refers_to", "id", "name"),
            ExpressionAttributeValues=values(
                pk=keys.definitions(tenant, referrer), target=keys.target(definition.kind, definition.id)
            ),
            ConsistentRead=True,
        )
        return [Referrer(kind=referrer, **from_attributes(item)) for item in found]

    def read[D: Definition](self, tenant: str, kind: type[D], definition_id: int) -> D:
        """:raises NotFound:"""
        item = self._item(to_attributes(keys.definition(tenant, kind.kind, definition_id)))
        found = self._whole(item) if item else None
        if found is None:
            raise NotFound(KIND_WORDS[kind.kind], definition_id)
        return definition_from_item(kind, found)

    def _item(self, key: Item) -> Item | None:
        return self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")

    def _whole(self, item: Item) -> Item | None:
        """The item with its long fields; read again if these were removed after the read, by a newer version."""
        try:
            return with_long_fields(item, self._texts)
        except TextGone:
            newer = self._item({"pk": item["pk"], "sk": item["sk"]})
            return with_long_fields(newer, self._texts) if newer else None

    def find[D: Definition](self, tenant: str, kind: type[D], names: Sequence[str]) -> Sequence[D]:
        """The definitions with these names; names that no definition has are omitted."""
        wanted = [keys.name(tenant, kind.kind, name) for name in names]
        found = [from_attributes(item) for item in get_many(self._client, self._table, wanted)]
        return list(self.read_many(tenant, kind, [item["id"] for item in found]).values())

    def read_many[D: Definition](self, tenant: str, kind: type[D], ids: Sequence[int]) -> Mapping[int, D]:
        """The definitions with these ids, by id; ids of missing definitions are omitted."""
        return _of_kind(kind, tenant, self._read_items(_keys_of(kind, tenant, ids)))

    def _read_items(self, wanted: Iterable[keys.Key]) -> list[Item]:
        """The existing ones of these items, with their long fields, in no order."""
        items = (self._whole(item) for item in get_many(self._client, self._table, wanted))
        return [item for item in items if item]

    def names(self, tenant: str, kind: Kind, ids: Sequence[int]) -> Mapping[int, str]:
        """The names of the definitions with these ids, by id; ids of missing definitions are omitted."""
        wanted = [keys.definition(tenant, kind, id_) for id_ in ids]
        name = "title" if kind == "BLOCK" else "name"
        found = [from_attributes(item) for item in get_many(self._client, self._table, wanted, ("id", name))]
        return {item["id"]: item[name] for item in found}

    def page[D: Definition](self, tenant: str, kind: type[D], limit: int, after: int | None, search: Search) -> Page[D]:
        """In the order of their ids; a page ends early at a maximum of bytes, or of items read.

        A search that does not find enough in its first read continues with large ones.
        """
        found: list[D] = []
        last, read, size = after, 0, 0
        further = limit + 1 if search.has_no_filter else MAX_SEARCHED_AT_ONCE
        for item in self._items_after(tenant, kind.kind, after, chain((limit + 1,), repeat(further))):
            if len(found) == limit or read >= MAX_READ_PER_PAGE:
                return Page(items=found, next_after=last)
            read += LARGE_READ_COST if RECORD_KEY in item else 1
            complete = self._whole(item)
            if complete is None:
                continue
            definition = definition_from_item(kind, complete)
            is_found = search.matches(definition)
            size += len(json.dumps(complete)) if is_found else 0
            if found and size > MAX_PAGE_BYTES:
                return Page(items=found, next_after=last)
            last = definition.id
            if is_found:
                found.append(definition)
        return Page(items=found)

    def _items_after(self, tenant: str, kind: Kind, after: int | None, sizes: Iterable[int]) -> Iterator[Item]:
        """The items with larger ids in their order; each of ``sizes`` is the most items of one read."""
        last = None if after is None else to_attributes(keys.definition(tenant, kind, after))
        for size in sizes:
            items, last = query_page(
                self._client,
                last,
                TableName=self._table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues=values(pk=keys.definitions(tenant, kind)),
                ConsistentRead=True,
                Limit=size,
            )
            yield from items
            if last is None:
                return

    def read_workflow(self, tenant: str, workflow_id: int) -> WorkflowBundle:
        """The workflow with all existing definitions that it refers to, in one read for each level of references.

        :raises NotFound: if there is no such workflow.
        """
        workflow = self.read(tenant, Workflow, workflow_id)
        payloads = self.read_many(tenant, Payload, workflow.payloads)
        blocks = _keys_of(Block, tenant, (id_ for payload in payloads.values() for id_ in payload.block_ids))
        instances = _keys_of(LlmInstance, tenant, (payload.llm_instance for payload in payloads.values()))
        items = self._read_items([*blocks, *instances])
        return WorkflowBundle(
            workflow=workflow,
            payloads=payloads,
            blocks=_of_kind(Block, tenant, items),
            instances=with_fallbacks(
                _of_kind(LlmInstance, tenant, items).values(), partial(self.read_many, tenant, LlmInstance)
            ),
        )


def _keys_of[D: Definition](kind: type[D], tenant: str, ids: Iterable[int]) -> list[keys.Key]:
    return [keys.definition(tenant, kind.kind, id_) for id_ in ids]


def _of_kind[D: Definition](kind: type[D], tenant: str, items: Iterable[Item]) -> dict[int, D]:
    """The definitions of one kind by id, of items of any kind."""
    own = [item for item in items if item["pk"]["S"] == keys.definitions(tenant, kind.kind)]
    return {definition.id: definition for definition in (definition_from_item(kind, item) for item in own)}
