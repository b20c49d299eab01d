"""The WebSocket API: clients connect, send frames and disconnect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from baton.api.websocket import handle_event
from baton.runtime import wiring
from baton.runtime.logging import logger, redact_unexpected_errors

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@redact_unexpected_errors
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Handle one event of a connection."""
    context = event["requestContext"]
    logger.info("websocket event", event_type=context["eventType"], connection_id=context["connectionId"])
    return handle_event(event, wiring.follow_runs(), wiring.handle_frame(), wiring.now())
