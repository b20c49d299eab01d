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
from baton.domain.runs.run import PartialAnswer, Response, Run


def changes(records: Sequence[Mapping[str, Any]]) -> list[Change]:
    """Writes of runs, responses and their parts, in order; other items and removals are skipped."""
    return [
        Change(index=index, old=_record(record["dynamodb"].get("OldImage")), new=new)
        for index, record in enumerate(records)
        if (new := _record(record["dynamodb"].get("NewImage"))) is not None
    ]


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
