"""The Runs table's stream: each change is sent to every subscriber."""

from typing import Any

from baton.runtime import wiring
from baton.runtime.events import handle_batch
from baton.runtime.logging import redact_unexpected_errors


@redact_unexpected_errors
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """One batch of changes."""
    return handle_batch(event, wiring.notify_subscribers())
