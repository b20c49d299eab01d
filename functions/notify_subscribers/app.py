"""The Runs table's stream: each change is sent to every subscriber."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from baton.runtime import wiring
from baton.runtime.events import handle_batch
from baton.runtime.invocations import observed


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """One batch of changes."""
    return handle_batch(event, wiring.notify_subscribers(), context.get_remaining_time_in_millis() / 1000)
