"""The Runs table's stream: each change is sent to every subscriber."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from baton.runtime import wiring
from baton.runtime.logging import log_error, logger, redact_unexpected_errors

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@redact_unexpected_errors
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Return the first record that was not sent, if any: Lambda delivers the batch again, starting with that record.

    The response's format: https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
    """
    seconds = context.get_remaining_time_in_millis() / 1000
    unsent = wiring.notify_subscribers()(wiring.changes(event), seconds)
    if unsent is None:
        return {"batchItemFailures": []}
    if unsent.error is None:
        logger.warning("batch ends early", records=len(event["Records"]), sent=unsent.index)
    else:
        log_error("subscribers not notified", unsent.error, records=len(event["Records"]))
    sequence_number = event["Records"][unsent.index]["dynamodb"]["SequenceNumber"]
    return {"batchItemFailures": [{"itemIdentifier": sequence_number}]}
