"""The Runs table as one step uses it: two reads and two writes per position, if the run has no subscribers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from baton.adapters.dynamodb import keys
from baton.adapters.dynamodb.calls import condition_failing_as, expression_names, get_many, values
from baton.adapters.dynamodb.codecs.attributes import Item, to_attributes
from baton.adapters.dynamodb.codecs.partial_answer import partial_answer_to_item
from baton.adapters.dynamodb.codecs.payload_snapshot import snapshot_from_item
from baton.adapters.dynamodb.codecs.run import run_from_item, variables_from_item
from baton.adapters.dynamodb.large_records import Texts, store_long_texts, whole_content, with_long_fields
from baton.adapters.dynamodb.throttling import Deadline, retry_throttled
from baton.domain.errors import AttemptSuperseded, ResponseAlreadyStored
from baton.domain.prompts import Reference, Sources, check_source_bytes
from baton.domain.runs.plan import completed_before, predecessors
from baton.domain.runs.responses import PartialAnswer, Response
from baton.domain.runs.run import Run
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
        """Everything that the checks before a payload's execution need, in one read."""
        run = keys.run(tenant, run_id)
        snapshot = keys.snapshot(tenant, run_id, position)
        responses = {at: keys.response(tenant, run_id, at) for at in (position, *predecessors(position))}
        found = get_many(self._client, self._table, [run, snapshot, *responses.values()])
        items = {item["sk"]["S"]: item for item in found}
        return StepRecords(
            run=run_from_item(items[run["sk"]], items.get(snapshot["sk"], {})) if run["sk"] in items else None,
            snapshot=self._snapshot(items[snapshot["sk"]]) if snapshot["sk"] in items else None,
            done=frozenset(at for at, key in responses.items() if key["sk"] in items),
        )

    def _snapshot(self, item: Item) -> PayloadSnapshot:
        return snapshot_from_item(with_long_fields(item, self._texts))

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
        with condition_failing_as(AttemptSuperseded(f"Run {run.id} is no longer running attempt {run.attempt}.")):
            self._client.update_item(
                TableName=self._table,
                Key=to_attributes(keys.run(run.tenant, run.id)),
                UpdateExpression="SET #tries = :tries, #waited_seconds = :waited_seconds",
                ConditionExpression=ATTEMPT_IS_RUNNING,
                ExpressionAttributeNames=expression_names("status", "attempt", "tries", "waited_seconds"),
                ExpressionAttributeValues=values(
                    running="running", attempt=run.attempt, tries=tries, waited_seconds=waited_seconds
                ),
            )

    def start_payload(self, run: Run, snapshot: PayloadSnapshot, now: str) -> None:
        """Record in the run that this payload has started.

        :raises AttemptSuperseded: if the run is no longer running this attempt.
        """
        update = partial(
            self._client.update_item,
            TableName=self._table,
            Key=to_attributes(keys.run(run.tenant, run.id)),
            UpdateExpression="SET #position = :position, #completed = :completed, #payload_id = :payload_id, "
            "#payload_name = :payload_name, #payload_started_at = :now",
            ConditionExpression=ATTEMPT_IS_RUNNING,
            ExpressionAttributeNames=expression_names(
                "status", "attempt", "position", "completed", "payload_id", "payload_name", "payload_started_at"
            ),
            ExpressionAttributeValues=values(
                running="running",
                attempt=run.attempt,
                position=snapshot.position,
                completed=completed_before(snapshot.position),
                payload_id=snapshot.payload_id,
                payload_name=snapshot.payload_name,
                now=now,
            ),
        )
        with condition_failing_as(AttemptSuperseded(f"Run {run.id} is no longer running attempt {run.attempt}.")):
            retry_throttled(update, Deadline())

    def store_response(self, response: Response) -> None:
        """:raises ResponseAlreadyStored: if the position has a response, which is not changed."""
        never_stored = "attribute_not_exists(pk)"  # a payload may be delivered twice; the first answer wins
        put = partial(
            self._client.put_item,
            TableName=self._table,
            Item=store_long_texts(response, self._texts),
            ConditionExpression=never_stored,
        )
        with condition_failing_as(ResponseAlreadyStored(response.position)):
            retry_throttled(put, Deadline())
