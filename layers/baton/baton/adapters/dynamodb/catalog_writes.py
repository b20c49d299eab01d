"""The writes of the Catalog table, each with the race that its condition stops."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from baton.adapters.dynamodb import keys
from baton.adapters.dynamodb.calls import expression_names, values
from baton.adapters.dynamodb.codecs.attributes import Item, to_attributes
from baton.adapters.dynamodb.codecs.definitions import definition_to_item
from baton.adapters.dynamodb.large_records import Texts, long_fields_key, store_long_fields
from baton.adapters.dynamodb.transactions import Write
from baton.domain.catalog.definitions import Definition, Ledger, Replacement
from baton.domain.errors import LedgerConflict, NameTaken, VersionChanged
from baton.domain.kinds import KIND_WORDS


class CatalogWrites:
    """The writes of a transaction that creates, replaces or deletes definitions."""

    def __init__(self, table: str, texts: Texts) -> None:
        self._table = table
        self._texts = texts

    def for_save(self, tenant: str, replacements: Sequence[Replacement], ledger: Ledger) -> list[Write]:
        """A write for each definition and its name, and one that counts the references of all in the ledger."""
        writes = [write for replacement in replacements for write in self._for_one(tenant, replacement)]
        if any(replacement.new.refers_to for replacement in replacements):
            writes.append(self._count_in_ledger(tenant, "links", unless_changed="deletions", since=ledger.deletions))
        return writes

    def _for_one(self, tenant: str, replacement: Replacement) -> list[Write]:
        current, new = replacement.current, replacement.new
        item: Any = {"TableName": self._table, "Item": self._store_texts(tenant, new)}
        if current is None:
            return [Write(request={"Put": item}), self._reserve_name(tenant, new)]
        request: Any = {**item, **_if_unchanged(current)}
        put = Write(request={"Put": request}, error=_version_changed(current))
        if new.name == current.name:
            return [put]
        return [put, self._reserve_name(tenant, new), self._release_name(tenant, current)]

    def for_delete(self, tenant: str, current: Definition, ledger: Ledger) -> list[Write]:
        """A write for the definition, its name, and the count of deletions in the ledger."""
        key = to_attributes(keys.definition(tenant, current.kind, current.id))
        request: Any = {"TableName": self._table, "Key": key, **_if_unchanged(current)}
        delete = Write(request={"Delete": request}, error=_version_changed(current))
        count = self._count_in_ledger(tenant, "deletions", unless_changed="links", since=ledger.links)
        return [delete, self._release_name(tenant, current), count]

    def _store_texts(self, tenant: str, definition: Definition) -> Item:
        """The item to write. Texts that are too long for it are stored first, so that a reader always finds them."""
        return store_long_fields(definition_to_item(tenant, definition), self._texts, _folder(tenant, definition))

    def remove_texts(self, tenant: str, former: Definition) -> None:
        """Delete the long texts of a version that was replaced or deleted.

        Texts that can't be deleted remain, without a reference to them.
        """
        key = long_fields_key(definition_to_item(tenant, former), self._texts, _folder(tenant, former))
        if key is not None:
            with suppress(ClientError, BotoCoreError):
                self._texts.delete(key)

    def _reserve_name(self, tenant: str, definition: Definition) -> Write:
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
            error=lambda existing: NameTaken(KIND_WORDS[kind], name, existing["id"]),
        )

    def _release_name(self, tenant: str, definition: Definition) -> Write:
        key = to_attributes(keys.name(tenant, definition.kind, definition.name))
        return Write(request={"Delete": {"TableName": self._table, "Key": key}})

    def _count_in_ledger(self, tenant: str, counter: str, *, unless_changed: str, since: int) -> Write:
        """Increment a counter. A save with references and a deletion may both have passed their checks; one wins."""
        is_unchanged = "#other = :since" if since else "attribute_not_exists(#other)"
        return Write(
            request={
                "Update": {
                    "TableName": self._table,
                    "Key": to_attributes(keys.ledger(tenant)),
                    "UpdateExpression": "ADD #counter :one",
                    "ConditionExpression": is_unchanged,
                    "ExpressionAttributeNames": {"#counter": counter, "#other": unless_changed},
                    "ExpressionAttributeValues": values(one=1, **({"since": since} if since else {})),
                }
            },
            error=lambda _: LedgerConflict(),
        )


def _folder(tenant: str, definition: Definition) -> str:
    """A folder for each version, so that removing the texts of a former version never affects those of a later one."""
    return keys.definition_texts(tenant, definition.kind, definition.id, definition.version)


def _if_unchanged(current: Definition) -> dict[str, Any]:
    """Two writers may change one version at once; one wins."""
    return {
        "ConditionExpression": "#version = :version",
        "ExpressionAttributeNames": expression_names("version"),
        "ExpressionAttributeValues": values(version=current.version),
    }


def _version_changed(current: Definition) -> Any:
    return lambda _: VersionChanged(KIND_WORDS[current.kind], current.id)
