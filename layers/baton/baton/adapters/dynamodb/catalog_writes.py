"""The writes of the Catalog table, each with the race that its condition decides."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from baton.adapters.dynamodb import keys, large_records
from baton.adapters.dynamodb.calls import expression_names, values
from baton.adapters.dynamodb.codecs.attributes import Item, to_attributes
from baton.adapters.dynamodb.codecs.definitions import definition_to_item
from baton.adapters.dynamodb.responses import Texts
from baton.adapters.dynamodb.transactions import Write
from baton.domain.catalog.definitions import Definition, Ledger, Replacement
from baton.domain.errors import LedgerConflict, NameTaken, VersionChanged
from baton.domain.kinds import KIND_WORDS


class CatalogWrites:
    """What a transaction holds for a definition that is new, replaced or deleted."""

    def __init__(self, table: str, texts: Texts) -> None:
        self._table = table
        self._texts = texts

    def of_many(self, tenant: str, replacements: Sequence[Replacement], ledger: Ledger) -> list[Write]:
        """Each definition with its name, and once for all of them the references that they bring."""
        writes = [write for replacement in replacements for write in self._of_one(tenant, replacement)]
        if any(replacement.following.refers_to for replacement in replacements):
            writes.append(self._count(tenant, "links", unless_moved="deletions", since=ledger.deletions))
        return writes

    def _of_one(self, tenant: str, replacement: Replacement) -> list[Write]:
        current, following = replacement.current, replacement.following
        item: Any = {"TableName": self._table, "Item": self._item(tenant, following)}
        if current is None:
            return [Write(request={"Put": item}), self._take_name(tenant, following)]
        request: Any = {**item, **_unchanged(current)}
        put = Write(request={"Put": request}, refusal=_changed(current))
        if following.name == current.name:
            return [put]
        return [put, self._take_name(tenant, following), self._free_name(tenant, current)]

    def of_deleted(self, tenant: str, current: Definition, ledger: Ledger) -> list[Write]:
        """The definition, its name, and the deletion in the ledger."""
        key = to_attributes(keys.definition(tenant, current.kind, current.id))
        request: Any = {"TableName": self._table, "Key": key, **_unchanged(current)}
        delete = Write(request={"Delete": request}, refusal=_changed(current))
        count = self._count(tenant, "deletions", unless_moved="links", since=ledger.links)
        return [delete, self._free_name(tenant, current), count]

    def _item(self, tenant: str, definition: Definition) -> Item:
        """What is too long for the item is stored before it: one that is read has all of its texts."""
        return large_records.stored(definition_to_item(tenant, definition), self._texts, _folder(tenant, definition))

    def remove_texts(self, tenant: str, former: Definition) -> None:
        """Of a definition that was replaced or deleted. Texts that can't be removed are left over, unreferenced."""
        key = large_records.stored_key(definition_to_item(tenant, former), self._texts, _folder(tenant, former))
        if key is not None:
            with suppress(ClientError, BotoCoreError):
                self._texts.delete(key)

    def _take_name(self, tenant: str, definition: Definition) -> Write:
        kind, name = definition.kind, definition.name
        is_free = "attribute_not_exists(pk)"  # two writers may want one name at once; one wins
        return Write(
            request={
                "Put": {
                    "TableName": self._table,
                    "Item": to_attributes({**keys.name(tenant, kind, name), "id": definition.id}),
                    "ConditionExpression": is_free,
                    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                }
            },
            refusal=lambda held: NameTaken(KIND_WORDS[kind], name, held["id"]),
        )

    def _free_name(self, tenant: str, definition: Definition) -> Write:
        key = to_attributes(keys.name(tenant, definition.kind, definition.name))
        return Write(request={"Delete": {"TableName": self._table, "Key": key}})

    def _count(self, tenant: str, counter: str, *, unless_moved: str, since: int) -> Write:
        """One who adds a reference and one who deletes may both have found nothing in their way; one wins."""
        not_moved = "#other = :since" if since else "attribute_not_exists(#other)"
        return Write(
            request={
                "Update": {
                    "TableName": self._table,
                    "Key": to_attributes(keys.ledger(tenant)),
                    "UpdateExpression": "ADD #counter :one",
                    "ConditionExpression": not_moved,
                    "ExpressionAttributeNames": {"#counter": counter, "#other": unless_moved},
                    "ExpressionAttributeValues": values(one=1, **({"since": since} if since else {})),
                }
            },
            refusal=lambda _: LedgerConflict(),
        )


def _folder(tenant: str, definition: Definition) -> str:
    """One for each version: what removes the texts of a former version never meets those of a later one."""
    return keys.definition_texts(tenant, definition.kind, definition.id, definition.version)


def _unchanged(current: Definition) -> dict[str, Any]:
    """Two writers may change one version at once; one wins."""
    return {
        "ConditionExpression": "#version = :version",
        "ExpressionAttributeNames": expression_names("version"),
        "ExpressionAttributeValues": values(version=current.version),
    }


def _changed(current: Definition) -> Any:
    return lambda _: VersionChanged(KIND_WORDS[current.kind], current.id)
