"""The WebSocket API: clients connect, send frames and disconnect."""

from typing import Any

from baton.api.websocket import handle_event
from baton.runtime import wiring
from baton.runtime.invocations import observed


@observed
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """One event of a connection."""
    return handle_event(event, wiring.follow_runs(), wiring.handle_frame(), wiring.now())
