"""The payload function of the floor: it logs one line and counts on.

It logs, because the emulator waits 50 ms for the log of a function that logs nothing.
"""

from typing import Any


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """The state after this payload; ``payloads`` of the state is their number."""
    position = event["position"] + 1
    print(f"payload {position}")  # noqa: T201 - the log
    return event | {"position": position, "outcome": "continue" if position < event["payloads"] else "completed"}
