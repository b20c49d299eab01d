"""The WebSocket API: who connects, what they follow, and who leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from baton.api.caller import caller_of
from baton.domain.access.caller import Caller
from baton.domain.errors import ConnectionGone, Invalid, NotFound
from baton.domain.live.frames import PONG, error_frame, parse_frame, parse_run_id
from baton.domain.times import timestamp
from baton.runtime import wiring
from baton.runtime.logging import logger, without_words

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@without_words
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """One event of a connection. A frame is answered over the connection, and no frame closes it."""
    context = event["requestContext"]
    caller = caller_of(event)
    connection_id = context["connectionId"]
    logger.info("websocket event", event_type=context["eventType"], connection_id=connection_id)
    match context["eventType"]:
        case "CONNECT":
            return _connect(caller, connection_id, event.get("queryStringParameters") or {})
        case "DISCONNECT":
            wiring.follow_runs().disconnect(caller.tenant, connection_id)
        case _:
            _answer(caller, connection_id, event.get("body") or "", context["requestId"])
    return {"statusCode": 200}


def _connect(caller: Caller, connection_id: str, query: dict[str, str]) -> dict[str, Any]:
    """A status other than 200 refuses the connection."""
    try:
        run_id = parse_run_id(query["runId"]) if "runId" in query else None
    except Invalid as error:
        return {"statusCode": 400, "body": str(error)}
    wiring.follow_runs().connect(caller.tenant, connection_id, run_id, wiring.now())
    return {"statusCode": 200}


def _answer(caller: Caller, connection_id: str, text: str, request_id: str) -> None:
    try:
        _dispatch_or_report(caller, connection_id, text, request_id)
    except ConnectionGone:
        wiring.follow_runs().disconnect(caller.tenant, connection_id)


def _dispatch_or_report(caller: Caller, connection_id: str, text: str, request_id: str) -> None:
    try:
        _dispatch(caller, connection_id, text)
    except (Invalid, NotFound) as error:
        wiring.sender().send(connection_id, error_frame(request_id, timestamp(wiring.now()), str(error)))


def _dispatch(caller: Caller, connection_id: str, text: str) -> None:
    frame = parse_frame(text)
    match frame.action:
        case "ping":
            wiring.sender().send(connection_id, PONG)
        case "subscribe":
            wiring.follow_runs().subscribe(caller.tenant, connection_id, frame.run_id, wiring.now())
        case "unsubscribe":
            wiring.follow_runs().unsubscribe(caller.tenant, connection_id, frame.run_id)
