"""The Runs table: the state of a run so far, which subscribers read, and whole runs, as the API uses them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from baton.adapters.dynamodb import keys
from baton.adapters.dynamodb.calls import (
    condition_failing_as,
    expression_names,
    get_many,
    projection,
    query,
    query_page,
    update_expression,
    values,
    write_many,
)
from baton.adapters.dynamodb.codecs import response
from baton.adapters.dynamodb.codecs import run as run_codec
from baton.adapters.dynamodb.codecs.attributes import Item, from_attributes, to_attributes
from baton.adapters.dynamodb.codecs.payload_snapshot import snapshot_from_item, snapshot_to_item
from baton.adapters.dynamodb.codecs.response import response_from_item
from baton.adapters.dynamodb.codecs.run import (
    attempt_to_item,
    run_from_item,
    run_to_item,
    variables_from_item,
    variables_to_item,
)
from baton.adapters.dynamodb.large_records import MAX_ITEM_BYTES, Texts, store_long_fields, text_keys, with_long_fields
from baton.adapters.dynamodb.throttling import MAX_SECONDS, Deadline, retry_throttled
from baton.adapters.dynamodb.transactions import Write, transact
from baton.domain.errors import AttemptSuperseded, NotFound
from baton.domain.pages import Page
from baton.domain.runs.responses import Response
from baton.domain.runs.run import Run, RunHistory, Status, Variables
from baton.domain.runs.snapshots import PayloadSnapshot

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MAX_RUN_BYTES = 8_000_000
"""Of the snapshots of a run that are stored in its partition, which writes 1 MB a second; the others are in S3."""

IS_UNCHANGED = "#status = :was AND #attempt = :was_attempt"
"""Two callers, or a caller and the state machine, may end a run at the same time; the first write wins."""

_HISTORY_ATTRIBUTES = sorted({"sk", "variables", *run_codec.ATTRIBUTES, *response.ATTRIBUTES})
"""All but the prompts: they may be as long as the answers, and a history does not contain them."""


class DynamoRunHistories:
    """Reads are strongly consistent: a subscriber must find what was written before it subscribed.

    Only the start of a long text is read.
    """

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def read(self, tenant: str, run_id: int) -> Run:
        """:raises NotFound:"""
        item = self._item(keys.run(tenant, run_id))
        if not item:
            raise NotFound("run", run_id)
        older = "on_missing" not in item  # its snapshots have it
        return run_from_item(item, self._item(keys.snapshot(tenant, run_id, 0)) if older else {})

    def _item(self, key: keys.Key) -> Item:
        """The item with this key, empty if there is none."""
        found = self._client.get_item(TableName=self._table, Key=to_attributes(key), ConsistentRead=True)
        return found.get("Item", {})

    def read_history(self, tenant: str, run_id: int) -> RunHistory:
        """The run with all its existing attempts and responses, without prompts, in one query.

        :raises NotFound:
        """
        read = self._query(tenant, run_id, keys.RESPONSES_FROM, keys.VARIABLES, _HISTORY_ATTRIBUTES)
        items = {item["sk"]["S"]: item for item in read}
        if keys.RUN not in items:
            raise NotFound("run", run_id)
        run = run_from_item(items[keys.RUN])
        return RunHistory(
            run=run,
            variables=variables_from_item(items.get(keys.VARIABLES)),
            responses=tuple(
                response_from_item(item) for sk, item in items.items() if sk.startswith(keys.RESPONSES_FROM)
            ),
            attempts=_earlier_attempts(run, items),
        )

    def _query(self, tenant: str, run_id: int, first: str, last: str, attributes: Sequence[str] = ()) -> Iterator[Item]:
        """The run's items with sort keys from ``first`` to ``last``, in order; all their attributes, or only these."""
        return query(
            self._client,
            **projection(attributes),
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :last",
            ExpressionAttributeValues=values(pk=keys.run_partition(tenant, run_id), first=first, last=last),
            ConsistentRead=True,
        )


class DynamoRunStore(DynamoRunHistories):
    """One partition per run. The run's own item is written last and deleted first: an incomplete run is never read."""

    def __init__(self, client: DynamoDBClient, table: str, texts: Texts) -> None:
        super().__init__(client, table)
        self._texts = texts

    def reserve_ids(self, tenant: str, responses: int) -> tuple[int, int]:
        """A new run id, and the first of ``responses`` new response ids; both from one atomic write."""
        updated = self._client.update_item(
            TableName=self._table,
            Key=to_attributes(keys.counter(tenant, "RUN")),
            UpdateExpression="ADD #runs :one, #responses :responses",
            ExpressionAttributeNames=expression_names("runs", "responses"),
            ExpressionAttributeValues=values(one=1, responses=responses),
            ReturnValues="UPDATED_NEW",
        )
        counters = from_attributes(updated["Attributes"])
        return counters["runs"], counters["responses"] - responses + 1

    def reserve_response_ids(self, tenant: str, responses: int) -> int:
        """The first of ``responses`` new, consecutive response ids."""
        updated = self._client.update_item(
            TableName=self._table,
            Key=to_attributes(keys.counter(tenant, "RUN")),
            UpdateExpression="ADD #responses :responses",
            ExpressionAttributeNames=expression_names("responses"),
            ExpressionAttributeValues=values(responses=responses),
            ReturnValues="UPDATED_NEW",
        )
        return int(from_attributes(updated["Attributes"])["responses"]) - responses + 1

    def create(
        self, run: Run, variables: Variables, snapshots: Sequence[PayloadSnapshot], seconds: float = MAX_SECONDS
    ) -> None:
        """Write the run; it can be read only after all of its items are written. What is written by then expires.

        :raises Overloaded: if it takes longer than ``seconds``, because DynamoDB has no capacity for it.
        """
        deadline = Deadline(seconds)
        puts = [*self._snapshot_items(run, snapshots), variables_to_item(run, variables)]
        write_many(self._client, self._table, puts=puts, deadline=deadline)
        put = partial(
            self._client.put_item,
            TableName=self._table,
            Item=run_to_item(run),
            ConditionExpression="attribute_not_exists(pk)",
        )
        retry_throttled(put, deadline)

    def store_snapshots(self, run: Run, snapshots: Sequence[PayloadSnapshot]) -> str:
        """Store further snapshots beside those of the run, and return their version, which no run has yet.

        Two resumes at the same time have versions of their own: only one of them changes the run.

        :raises Overloaded: if DynamoDB has no capacity for them.
        """
        version = secrets.token_hex(4)
        write_many(self._client, self._table, puts=self._snapshot_items(run, snapshots, version))
        return version

    def _snapshot_items(
        self, run: Run, snapshots: Sequence[PayloadSnapshot], version: str | None = None
    ) -> Sequence[Item]:
        """The items to write; texts that are too long for them are stored in S3 first."""
        max_bytes = min(MAX_ITEM_BYTES, MAX_RUN_BYTES // max(1, len(snapshots)))
        folder = f"{keys.run_texts(run.tenant, run.id)}/payloads"
        return [
            store_long_fields(
                snapshot_to_item(run, snapshot, version), self._texts, f"{folder}/{snapshot.position:04d}", max_bytes
            )
            for snapshot in snapshots
        ]

    def read_snapshots(self, run: Run) -> Sequence[PayloadSnapshot]:
        """The payloads that the run executes, in order; none for an unknown run."""
        versions = [(position, run.snapshot_version(position)) for position in range(run.total)]
        executed = {keys.snapshot(run.tenant, run.id, *version)["sk"] for version in versions}
        items = self._query(run.tenant, run.id, keys.SNAPSHOTS, keys.SNAPSHOTS + "~")
        return [
            snapshot_from_item(with_long_fields(item, self._texts)) for item in items if item["sk"]["S"] in executed
        ]

    def read_variables(self, tenant: str, run_id: int) -> Variables:
        """The variables of the run; none for an unknown run."""
        return variables_from_item(self._item(keys.variables(tenant, run_id)))

    def read_attempts(self, tenant: str, run_id: int) -> Sequence[Run]:
        """The attempts in order: the run as it was at the end of each, and as it is now for the current one.

        :raises NotFound:
        """
        read = self._query(tenant, run_id, keys.RUN, keys.ATTEMPTS + "~")
        items = {item["sk"]["S"]: item for item in read}
        if keys.RUN not in items:
            raise NotFound("run", run_id)
        run = run_from_item(items[keys.RUN])
        return [*_earlier_attempts(run, items), run]

    def read_responses(self, tenant: str, run_id: int, limit: int, after: int | None) -> Page[Response]:
        """By position, starting after ``after``; none for an unknown run. Only the start of a long text is read."""
        first = keys.response(tenant, run_id, 0 if after is None else after + 1)["sk"]
        items = list(islice(self._query(tenant, run_id, first, keys.RESPONSES_FROM + "~"), limit + 1))
        responses = [response_from_item(item) for item in items[:limit]]
        return Page(items=responses, next_after=responses[-1].position if len(items) > limit else None)

    def read_response(self, tenant: str, run_id: int, position: int) -> Response:
        """The response at a position; only the start of a long text is read.

        :raises NotFound: if there is no such run, or it has no response at this position.
        """
        key = to_attributes(keys.response(tenant, run_id, position))
        found = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        if "Item" in found:
            return response_from_item(found["Item"])
        self.read(tenant, run_id)
        raise NotFound(f"response of run {run_id} at position", position)

    def page(
        self, tenant: str, status: Status | None, workflow_id: int | None, limit: int, after: int | None
    ) -> Page[Run]:
        """Newest first. With both filters, a page may be shorter than ``limit``, even empty, without being the last."""
        index, attribute, partition = _index(tenant, status, workflow_id)
        items, last = query_page(
            self._client,
            None if after is None else _index_key(tenant, attribute, partition, after),
            TableName=self._table,
            IndexName=index,
            KeyConditionExpression="#partition = :partition",
            ExpressionAttributeNames={"#partition": attribute},
            ExpressionAttributeValues=values(partition=partition),
            ScanIndexForward=False,
            Limit=limit,
        )
        runs = self._read_listed(tenant, [int(item["id"]["N"]) for item in items])
        return Page(
            items=[run for run in runs if status in (None, run.status)],
            next_after=int(last["id"]["N"]) if last else None,
        )

    def change(self, run: Run, changed: Run) -> None:
        """Write only the fields that differ: a payload may start at the same time and write other fields of the run.

        :raises AttemptSuperseded: if the run's status or attempt has changed since it was read.
        """
        update = partial(self._client.update_item, **self._update(run, changed))
        with condition_failing_as(_superseded(run)):
            retry_throttled(update, Deadline())

    def resume(self, run: Run, resumed: Run, variables: Variables | None = None) -> None:
        """Write the fields that differ, the attempt that has ended, and changed variables: all or none.

        :raises AttemptSuperseded: if the run's status or attempt has changed since it was read.
        """
        puts = [attempt_to_item(run), *([] if variables is None else [variables_to_item(run, variables)])]
        transact(
            self._client,
            [
                Write(request={"Update": self._update(run, resumed)}, error=lambda _: _superseded(run)),
                *(Write(request={"Put": {"TableName": self._table, "Item": item}}) for item in puts),
            ],
        )

    def _update(self, run: Run, changed: Run) -> Any:
        """The update of the run's item, if its status and attempt are unchanged."""
        before, after = run_to_item(run), run_to_item(changed)
        sets = {name: value for name, value in after.items() if before.get(name) != value}
        removed = [name for name in before if name not in after]
        return {
            "TableName": self._table,
            "Key": to_attributes(keys.run(run.tenant, run.id)),
            "UpdateExpression": update_expression(sets, removed),
            "ConditionExpression": IS_UNCHANGED,
            "ExpressionAttributeNames": expression_names("status", "attempt", *sets, *removed),
            "ExpressionAttributeValues": _unchanged_values(run) | {f":{name}": value for name, value in sets.items()},
        }

    def delete(self, run: Run) -> None:
        """Delete a finished run with all of its records.

        :raises AttemptSuperseded: if the run's status or attempt has changed since it was read.
        """
        delete = partial(
            self._client.delete_item,
            TableName=self._table,
            Key=to_attributes(keys.run(run.tenant, run.id)),
            ConditionExpression=IS_UNCHANGED,
            ExpressionAttributeNames=expression_names("status", "attempt"),
            ExpressionAttributeValues=_unchanged_values(run),
        )
        with condition_failing_as(_superseded(run)):
            retry_throttled(delete, Deadline())
        remaining = list(self._query(run.tenant, run.id, " ", "~"))
        for key in [key for item in remaining for key in text_keys(item)]:
            self._texts.delete(key)
        write_many(self._client, self._table, deletes=[{"pk": i["pk"]["S"], "sk": i["sk"]["S"]} for i in remaining])

    def _read_listed(self, tenant: str, ids: Sequence[int]) -> list[Run]:
        """The runs in the order of the ids, without those that have been deleted."""
        items = get_many(self._client, self._table, [keys.run(tenant, id_) for id_ in ids])
        runs = {run.id: run for run in (run_from_item(item) for item in items)}
        return [runs[id_] for id_ in ids if id_ in runs]


def _earlier_attempts(run: Run, items: Mapping[str, Item]) -> tuple[Run, ...]:
    """The attempts before the current one; a resume may store the current one too while the items are read."""
    ended = (run_from_item(item) for sk, item in items.items() if sk.startswith(keys.ATTEMPTS))
    return tuple(attempt for attempt in ended if attempt.attempt < run.attempt)


def _unchanged_values(run: Run) -> Item:
    return values(was=run.status, was_attempt=run.attempt)


def _superseded(run: Run) -> AttemptSuperseded:
    return AttemptSuperseded(f"Run {run.id} is no longer {run.status}; read it again.")


def _index(tenant: str, status: Status | None, workflow_id: int | None) -> tuple[str, str, str]:
    """The most selective index for a filter: its name, its partition attribute and the partition."""
    if workflow_id is not None:
        return "by_workflow", "tenant_workflow", f"{tenant}#{workflow_id}"
    if status is not None:
        return "by_status", "tenant_status", f"{tenant}#{status}"
    return "by_tenant", "tenant_runs", f"{tenant}#RUN"


def _index_key(tenant: str, attribute: str, partition: str, run_id: int) -> Item:
    return to_attributes({**keys.run(tenant, run_id), attribute: partition, "id": run_id})
