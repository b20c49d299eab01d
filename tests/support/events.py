"""Events as AWS sends them, built from the files in ``tests/events``.

The files have the formats that AWS documents, with placeholders for the account and the ids:
- HTTP API, payload format 2.0:
  https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
- WebSocket API:
  https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html
- DynamoDB stream: https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
- schedule: https://docs.aws.amazon.com/eventbridge/latest/userguide/event-reference.html
- execution status: https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

EVENTS = Path(__file__).parents[1] / "events"


def event(name: str, **overrides: Any) -> dict[str, Any]:
    """A new copy of the file's event with other values: a dict is merged, ``None`` removes a field."""
    return _merged(json.loads(_text(name)), overrides)


def http_event(
    method: str,
    path: str,
    body: str | None = None,
    *,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A request as API Gateway sends it to a function."""
    made = event(
        "http_api_request",
        rawPath=path,
        rawQueryString="&".join(f"{name}={value}" for name, value in (query or {}).items()),
        queryStringParameters=None,
        headers={"content-type": "application/json"} if body else {},
        requestContext={"http": {"method": method, "path": path}, "requestId": "1"},
        body=body,
    )
    made["headers"] |= headers or {}
    return made | ({} if query is None else {"queryStringParameters": dict(query)})


def websocket_event(
    event_type: Literal["CONNECT", "MESSAGE", "DISCONNECT"],
    connection_id: str,
    *,
    body: str | None = None,
    query: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """An event of the WebSocket API; ``query`` belongs to ``CONNECT``, ``body`` to ``MESSAGE``."""
    made = event(
        f"websocket_{event_type.lower()}",
        requestContext={"connectionId": connection_id, "requestId": "ws-1"},
        queryStringParameters=None,
        multiValueQueryStringParameters=None,
        body=body,
    )
    if query is None:
        return made
    repeated = {name: [value] for name, value in query.items()}
    return made | {"queryStringParameters": dict(query), "multiValueQueryStringParameters": repeated}


def stream_event(records: Iterable[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """A batch of a table's stream, from records as the stream's own API returns them."""
    return {"Records": [_stream_record(record) for record in records]}


def _stream_record(record: Mapping[str, Any]) -> dict[str, Any]:
    templates = {each["eventName"]: each for each in event("dynamodb_stream")["Records"]}
    template = templates[record["eventName"]]
    images = dict.fromkeys(("NewImage", "OldImage", "Keys"))  # replaced completely, not merged
    change = _merged(template["dynamodb"], images) | dict(record["dynamodb"])
    return {**template, "dynamodb": change}


@cache
def _text(name: str) -> str:
    return (EVENTS / f"{name}.json").read_text()


def _merged(values: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(values)
    for name, value in overrides.items():
        old = merged.get(name)
        merged[name] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return {name: value for name, value in merged.items() if value is not None or name not in overrides}
