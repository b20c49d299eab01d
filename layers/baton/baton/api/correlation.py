"""The correlation id of a request: it links the request with all log lines of the run that it starts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

HEADER = "X-Correlation-Id"

ACCEPTED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""It is logged and stored, so it is short and contains no spaces, quotes or control characters."""


def correlation_id_of(event: Mapping[str, Any]) -> str:
    """The client's own id, if it sends one that is accepted; else the id that API Gateway gave to the request.

    API Gateway's id is unique, and the access log has it. Names of headers are in lower case in payload format 2.0.
    """
    sent = event.get("headers", {}).get(HEADER.lower(), "")
    return sent if ACCEPTED.fullmatch(sent) else str(event["requestContext"]["requestId"])
