"""The Runs table's stream: each change is sent to every subscriber."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from baton.runtime import wiring
from baton.runtime.logging import log_error, redact_unexpected_errors

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@redact_unexpected_errors
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Return the first failed record, if any: Lambda delivers the batch again, starting with that record.

    The response's format: https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
    """
    failure = wiring.notify_subscribers()(wiring.changes(event))
    if failure is None:
        return {"batchItemFailures": []}
    log_error("subscribers not notified", failure.error, records=len(event["Records"]))
    sequence_number = event["Records"][failure.index]["dynamodb"]["SequenceNumber"]
    return {"batchItemFailures": [{"itemIdentifier": sequence_number}]}
