"""From an event of API Gateway to its caller: the only place that decides whose objects a request is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baton.domain.access.caller import Caller

DEFAULT_TENANT = "default"
"""Who owns everything, as long as requests are not authenticated."""


def caller_of(_event: Mapping[str, Any]) -> Caller:
    """The caller of an HTTP API or WebSocket API event."""
    return Caller(tenant=DEFAULT_TENANT)
