"""The Runs table as one step uses it.

For each position: one read, a second one if the payload has references, and one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from baton.adapters.dynamodb import keys
from baton.adapters.dynamodb.calls import condition_failing_as, expression_names, get_many, update_expression, values
from baton.adapters.dynamodb.codecs.attributes import Item, to_attributes
from baton.adapters.dynamodb.codecs.partial_answer import partial_answer_to_item
from baton.adapters.dynamodb.codecs.payload_snapshot import snapshot_from_item
from baton.adapters.dynamodb.codecs.run import run_from_item, variables_from_item
from baton.adapters.dynamodb.large_records import Texts, store_long_texts, whole_content, with_long_fields
from baton.adapters.dynamodb.throttling import Deadline, retry_throttled
from baton.adapters.dynamodb.transactions import Write, transact
from baton.domain.errors import AttemptSuperseded, ResponseAlreadyStored
from baton.domain.prompts import Reference, Sources, check_source_bytes
from baton.domain.runs.plan import completed_before
from baton.domain.runs.responses import NextPayload, PartialAnswer, Response
from baton.domain.runs.run import Run, after_response, payload_started
from baton.domain.runs.snapshots import PayloadSnapshot
from baton.domain.runs.steps import StepRecords

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_SOURCE_ATTRIBUTES = ("sk", "content", "content_key", "content_bytes", "variables")

ATTEMPT_IS_RUNNING = "#status = :running AND #attempt = :attempt"
"""A run may be cancelled, or resumed as its next attempt, while the function for a payload is starting."""


class DynamoStepStore:
    """Reads are strongly consistent: the previous response may have just been written."""

    def __init__(self, client: DynamoDBClient, table: str, texts: Texts) -> None:
        self._client = client
        self._table = table
        self._texts = texts

    def read_step(self, tenant: str, run_id: int, position: int) -> StepRecords:
        """Everything that the checks before a payload's execution need, in one read.

        A snapshot that was compiled for a later attempt is a second read.
        """
        run = keys.run(tenant, run_id)
        snapshot = keys.snapshot(tenant, run_id, position)
        response = keys.response(tenant, run_id, position)
        found = get_many(self._client, self._table, [run, snapshot, response])
        items = {item["sk"]["S"]: item for item in found}
        compiled = items.get(snapshot["sk"])
        stored = run_from_item(items[run["sk"]], compiled or {}) if run["sk"] in items else None
        return StepRecords(
            run=stored,
            snapshot=self._snapshot(stored, position, compiled),
            answered=response["sk"] in items,
        )

    def _snapshot(self, run: Run | None, position: int, item: Item | None) -> PayloadSnapshot | None:
        """The snapshot that the run executes at this position; ``item`` is the one that was compiled at its start."""
        if run and position < run.total and (version := run.snapshot_version(position)):
            key = keys.snapshot(run.tenant, run.id, position, version)
            item = next(iter(get_many(self._client, self._table, [key])), None)
        return None if item is None else snapshot_from_item(with_long_fields(item, self._texts))

    def read_sources(self, run: Run, references: Sequence[Reference]) -> Sources:
        """The responses and variables that the references need, in one read.

        :raises PromptTooLong: if the responses are too long for one prompt; none of the long texts has been read.
        """
        positions = {reference.position for reference in references if reference.position is not None}
        responses = {keys.response(run.tenant, run.id, position)["sk"]: position for position in positions}
        wanted = [keys.response(run.tenant, run.id, position) for position in positions]
        if any(reference.source == "variable" for reference in references):
            wanted.append(keys.variables(run.tenant, run.id))
        found = get_many(self._client, self._table, wanted, _SOURCE_ATTRIBUTES)
        check_source_bytes(sum(int(item["content_bytes"]["N"]) for item in found if "content_bytes" in item))
        items = {item["sk"]["S"]: item for item in found}
        return Sources(
            contents={responses[sk]: whole_content(item, self._texts) for sk, item in items.items() if sk in responses},
            variables=variables_from_item(items.get(keys.VARIABLES)),
        )

    def publish_part(self, part: PartialAnswer) -> None:
        """Publish a part of an answer to subscribers; it replaces the previous part.

        Like all messages, it is sent through the stream of the table.
        """
        self._client.put_item(TableName=self._table, Item=partial_answer_to_item(part))

    def record_tries(self, run: Run, tries: int, waited_seconds: int) -> None:
        """Record in the run the tries and the waiting time of a payload that has finally failed.

        :raises AttemptSuperseded: if the run is no longer running this attempt.
        """
        self._change(run, self._update(run, {"tries": tries, "waited_seconds": waited_seconds}))

    def start_payload(self, run: Run, payload: NextPayload, now: str) -> None:
        """Record in the run that this payload has started.

        :raises AttemptSuperseded: if the run is no longer running this attempt.
        """
        self._change(run, self._update(run, _progress(payload_started(run, payload, now))))

    def _change(self, run: Run, update: Any) -> None:
        with condition_failing_as(_superseded(run.id, run.attempt)):
            retry_throttled(partial(self._client.update_item, **update), Deadline())

    def store_response(self, run: Run, response: Response) -> None:
        """Store the response and the run after it, both or neither.

        If the run is no longer running this attempt, the response is stored without the start of the next payload.

        :raises ResponseAlreadyStored: if the position has a response, which is not changed.
        :raises AttemptSuperseded: if the run was deleted, or its definition has no such position any longer; nothing is
            stored.
        """
        item = store_long_texts(response, self._texts)
        usage = asdict(response.usage)
        try:
            self._store(response, item, self._update(run, _progress(after_response(run, response)), usage))
        except AttemptSuperseded:
            late = {name: value for name, value in item.items() if name != "following"}
            self._store(response, late, self._late_update(run, response.position, usage))

    def _update(self, run: Run, changes: Mapping[str, Any], added: Mapping[str, int] = MappingProxyType({})) -> Any:
        """The update of the item of a run that is running this attempt; ``None`` removes an attribute."""
        sets = {name: value for name, value in changes.items() if value is not None}
        removed = changes.keys() - sets.keys()
        return {
            **self._run_item(run),
            "UpdateExpression": update_expression(sets, removed, added),
            "ConditionExpression": ATTEMPT_IS_RUNNING,
            "ExpressionAttributeNames": expression_names("status", "attempt", *changes, *added),
            "ExpressionAttributeValues": values(running="running", attempt=run.attempt, **sets, **added),
        }

    def _late_update(self, run: Run, position: int, added: Mapping[str, int]) -> Any:
        """The update of the item of a run that was cancelled or resumed meanwhile.

        The position is the first without a response, also in a later attempt, whose next payload needs the count. The
        newest definition may end before it.
        """
        completed = completed_before(position) + 1
        return {
            **self._run_item(run),
            "UpdateExpression": update_expression(["completed"], added=added),
            "ConditionExpression": "attribute_exists(pk) AND #total > :position",
            "ExpressionAttributeNames": expression_names("completed", "total", *added),
            "ExpressionAttributeValues": values(completed=completed, position=position, **added),
        }

    def _run_item(self, run: Run) -> dict[str, Any]:
        return {"TableName": self._table, "Key": to_attributes(keys.run(run.tenant, run.id))}

    def _store(self, response: Response, item: Item, update: Any) -> None:
        """The item of the response and an update of the run's, in one transaction."""
        never_stored = "attribute_not_exists(pk)"  # a payload may be delivered twice; the first answer wins
        put: Any = {"TableName": self._table, "Item": item, "ConditionExpression": never_stored}
        transact(
            self._client,
            [
                Write(request={"Put": put}, error=lambda _: ResponseAlreadyStored(response.position)),
                Write(request={"Update": update}, error=lambda _: _superseded(response.run_id, response.attempt)),
            ],
        )


def _progress(run: Run) -> dict[str, Any]:
    """The attributes of a run that change when a payload starts or is completed."""
    return {
        "position": run.position,
        "completed": run.completed,
        "payload_id": run.payload_id,
        "payload_name": run.payload_name,
        "payload_started_at": run.payload_started_at,
        "started_with_response": run.started_with_response,
    }


def _superseded(run_id: int, attempt: int) -> AttemptSuperseded:
    return AttemptSuperseded(f"Run {run_id} is no longer running attempt {attempt}.")
