"""A task of the state machine: one payload of a run."""

from typing import Any

from baton.runtime import wiring
from baton.runtime.events import handle_step
from baton.runtime.invocations import observed


@observed
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """From the state before this payload to the state after it."""
    return handle_step(event, wiring.execute_payload())
