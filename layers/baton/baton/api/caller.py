"""The caller of an API Gateway event: the only place that decides which tenant a request belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baton.domain.access.caller import Caller

DEFAULT_TENANT = "default"
"""The tenant of all objects while requests are not authenticated."""


def caller_of(_event: Mapping[str, Any]) -> Caller:
    """The caller of an HTTP API or WebSocket API event."""
    return Caller(tenant=DEFAULT_TENANT)
