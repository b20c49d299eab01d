"""Records from the stream of the Runs table.

The event's form is in https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from baton.adapters.dynamodb.codecs.attributes import Item
from baton.adapters.dynamodb.codecs.partial_answer import partial_answer_from_item
from baton.adapters.dynamodb.codecs.response import response_from_item
from baton.adapters.dynamodb.codecs.run import run_from_item
from baton.domain.live.messages import Change
from baton.domain.runs.responses import PartialAnswer, Response
from baton.domain.runs.run import Run


def changes(records: Sequence[Mapping[str, Any]]) -> list[Change]:
    """Writes of runs, responses and their parts, in order; other items and removals are skipped."""
    return [
        Change(
            index=index,
            old=_record(record["dynamodb"].get("OldImage")),
            new=new,
            written_second=_written_second(record["dynamodb"]),
        )
        for index, record in enumerate(records)
        if (new := _record(record["dynamodb"].get("NewImage"))) is not None
    ]


def batch_response(records: Sequence[Mapping[str, Any]], first_failure: int | None) -> dict[str, Any]:
    """The response that makes Lambda deliver the batch again from the first failed record on, or, without one, not.

    Its format: https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
    """
    if first_failure is None:
        return {"batchItemFailures": []}
    return {"batchItemFailures": [{"itemIdentifier": records[first_failure]["dynamodb"]["SequenceNumber"]}]}


def _written_second(change: Mapping[str, Any]) -> int | None:
    """Whole seconds: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_StreamRecord.html."""
    created = change.get("ApproximateCreationDateTime")
    return None if created is None else int(created)


def _record(image: Item | None) -> Run | Response | PartialAnswer | None:
    match (image or {}).get("type"):
        case {"S": "RUN"}:
            return run_from_item(image or {})
        case {"S": "RESPONSE"}:
            return response_from_item(image or {})
        case {"S": "PART"}:
            return partial_answer_from_item(image or {})
        case _:
            return None
