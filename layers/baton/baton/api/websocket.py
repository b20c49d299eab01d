"""Events of the WebSocket API: connect, receive a frame, disconnect.

The event's format is in
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from baton.api.caller import caller_of
from baton.domain.errors import Invalid
from baton.domain.live.frames import parse_frame, parse_run_id
from baton.runtime.logging import append_keys, logger
from baton.usecases.live.follow_runs import FollowRuns
from baton.usecases.live.handle_frame import HandleFrame

OK = {"statusCode": 200}


def handle_event(
    event: Mapping[str, Any], follow_runs: FollowRuns, handle_frame: HandleFrame, now: datetime
) -> dict[str, Any]:
    """The response for API Gateway; on connect, any status other than 200 rejects the connection."""
    context = event["requestContext"]
    tenant, connection_id = caller_of(event).tenant, context["connectionId"]
    append_keys(
        tenant=tenant,
        run_id=_run_id(event),
        correlation_id=context["requestId"],
        connection_id=connection_id,
        event_type=context["eventType"],
        action=context["routeKey"],
    )
    logger.info("websocket event")
    match context["eventType"]:
        case "CONNECT":
            return _connect(event, follow_runs, now)
        case "DISCONNECT":
            follow_runs.disconnect(tenant, connection_id)
        case _:
            handle_frame(tenant, connection_id, event.get("body") or "", context["requestId"])
    return OK


def _run_id(event: Mapping[str, Any]) -> int | None:
    """The run that the event is about, for the log."""
    with suppress(Invalid):
        if event["requestContext"]["eventType"] == "MESSAGE":
            return parse_frame(event.get("body") or "").run_id or None
        return parse_run_id((event.get("queryStringParameters") or {}).get("runId", ""))
    return None


def _connect(event: Mapping[str, Any], follow_runs: FollowRuns, now: datetime) -> dict[str, Any]:
    query = event.get("queryStringParameters") or {}
    try:
        run_id = parse_run_id(query["runId"]) if "runId" in query else None
    except Invalid as error:
        return {"statusCode": 400, "body": str(error)}
    follow_runs.connect(caller_of(event).tenant, event["requestContext"]["connectionId"], run_id, now)
    return OK
