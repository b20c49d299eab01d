"""The Catalog table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from baton.adapters.dynamodb import keys
from baton.adapters.dynamodb.calls import get_many, names, query_page, values
from baton.adapters.dynamodb.items import from_item, record_from_item, record_to_item, to_item
from baton.adapters.dynamodb.transactions import Write, transact
from baton.domain.catalog import (
    KIND_WORDS,
    Block,
    Definition,
    Draft,
    Kind,
    LlmInstance,
    Payload,
    Workflow,
)
from baton.domain.errors import NameTaken, NotFound, VersionChanged
from baton.domain.pages import Page
from baton.domain.runs import Definitions

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class DynamoCatalogStore:
    """One partition a kind and tenant, ids as sort keys; beside each definition an item that holds its name."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def reserve_id(self, tenant: str, kind: Kind) -> int:
        """The next id of this kind; an id that then isn't used is never given again."""
        answer = self._client.update_item(
            TableName=self._table,
            Key=to_item(keys.counter(tenant, kind)),
            UpdateExpression="ADD #last :one",
            ExpressionAttributeNames=names("last"),
            ExpressionAttributeValues=values(one=1),
            ReturnValues="UPDATED_NEW",
        )
        return int(from_item(answer["Attributes"])["last"])

    def create[D: Definition](self, tenant: str, kind: type[D], draft: Draft, definition_id: int, now: str) -> D:
        """Store a new definition under an id that was reserved for it.

        :raises NameTaken: if another definition of the kind has the name.
        """
        definition = kind(**_said(draft), id=definition_id, version=1, created_at=now, updated_at=now)
        transact(self._client, [self._put(tenant, definition), self._take_name(tenant, draft, definition_id)])
        return definition

    def replace[D: Definition](self, tenant: str, kind: type[D], current: D, draft: Draft, now: str) -> D:
        """Store the draft as the next version of a definition that was read.

        :raises VersionChanged: if it has been changed or deleted since.
        :raises NameTaken: if another definition of the kind has the new name.
        """
        version = current.version + 1
        following = kind(**_said(draft), id=current.id, version=version, created_at=current.created_at, updated_at=now)
        writes = [self._put_next(tenant, following)]
        if draft.name != current.name:
            writes += [self._take_name(tenant, draft, current.id), self._free_name(tenant, current)]
        transact(self._client, writes)
        return following

    def read[D: Definition](self, tenant: str, kind: type[D], definition_id: int) -> D:
        """:raises NotFound:"""
        key = to_item(keys.definition(tenant, kind.kind, definition_id))
        answer = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        if "Item" not in answer:
            raise NotFound(KIND_WORDS[kind.kind], definition_id)
        return record_from_item(kind, answer["Item"])

    def read_many[D: Definition](self, tenant: str, kind: type[D], ids: Sequence[int]) -> Mapping[int, D]:
        """Those of the ids that there are."""
        wanted = [keys.definition(tenant, kind.kind, id_) for id_ in ids]
        found = [record_from_item(kind, item) for item in get_many(self._client, self._table, wanted)]
        return {definition.id: definition for definition in found}

    def page[D: Definition](self, tenant: str, kind: type[D], limit: int, after: int | None) -> Page[D]:
        """In the order of their ids."""
        items, last = query_page(
            self._client,
            None if after is None else to_item(keys.definition(tenant, kind.kind, after)),
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=values(pk=keys.definitions(tenant, kind.kind)),
            ConsistentRead=True,
            Limit=limit,
        )
        definitions = [record_from_item(kind, item) for item in items]
        return Page(items=definitions, next_after=definitions[-1].id if last else None)

    def read_workflow(self, tenant: str, workflow_id: int) -> Definitions:
        """The workflow with all that it points to and that is still there.

        :raises NotFound: if there is no such workflow.
        """
        workflow = self.read(tenant, Workflow, workflow_id)
        payloads = self.read_many(tenant, Payload, workflow.payloads)
        block_ids = dict.fromkeys(id_ for payload in payloads.values() for id_ in payload.blocks)
        instance_ids = dict.fromkeys(payload.llm_instance for payload in payloads.values())
        return Definitions(
            workflow=workflow,
            payloads=payloads,
            blocks=self.read_many(tenant, Block, list(block_ids)),
            instances=self.read_many(tenant, LlmInstance, list(instance_ids)),
        )

    def _put(self, tenant: str, definition: Definition) -> Write:
        item = record_to_item(definition, keys.definition(tenant, definition.kind, definition.id))
        return Write(request={"Put": {"TableName": self._table, "Item": item}})

    def _put_next(self, tenant: str, following: Definition) -> Write:
        unchanged = "#version = :version"  # two writers may replace one version at once; one wins
        return Write(
            request={
                "Put": {
                    "TableName": self._table,
                    "Item": record_to_item(following, keys.definition(tenant, following.kind, following.id)),
                    "ConditionExpression": unchanged,
                    "ExpressionAttributeNames": names("version"),
                    "ExpressionAttributeValues": values(version=following.version - 1),
                }
            },
            refusal=lambda _: VersionChanged(KIND_WORDS[following.kind], following.id),
        )

    def _take_name(self, tenant: str, draft: Draft, definition_id: int) -> Write:
        is_free = "attribute_not_exists(pk)"  # two writers may want one name at once; one wins
        return Write(
            request={
                "Put": {
                    "TableName": self._table,
                    "Item": to_item({**keys.name(tenant, draft.kind, draft.name), "id": definition_id}),
                    "ConditionExpression": is_free,
                    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                }
            },
            refusal=lambda held: NameTaken(KIND_WORDS[draft.kind], draft.name, held["id"]),
        )

    def _free_name(self, tenant: str, definition: Definition) -> Write:
        key = to_item(keys.name(tenant, definition.kind, definition.name))
        return Write(request={"Delete": {"TableName": self._table, "Key": key}})


def _said(draft: Draft) -> dict[str, Any]:
    return {f.name: getattr(draft, f.name) for f in fields(draft)}
