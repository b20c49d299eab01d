"""Read a run of large answers as a function does, in a new process, and print its peak memory in KB.

With a path as its argument, it is read over HTTP; with ``subscribe``, by a late subscriber.

The stored run is generated on request, so that only the memory of the function is measured.
"""

from __future__ import annotations

import io
import json
import os
import re
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SUBSCRIBE = "subscribe"
IS_SUBSCRIBED = sys.argv[1:] == [SUBSCRIBE]
ANSWERS, BYTES, IN_THE_ITEM, ITEMS_PER_PAGE = 200 if IS_SUBSCRIBED else 40, 3_000_000, 100_000, 9

SETTINGS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "local",
    "RUNS_TABLE": "runs",
    "TEXTS_BUCKET": "texts",
    "CONNECTIONS_TABLE": "connections",
    "WEBSOCKET_CALLBACK_URL": "http://localhost/live",
}


def response_item(position: int) -> dict[str, Any]:
    """As stored: an answer of 3 MB to a prompt of 3 MB."""
    numbers = {"id": 1, "run_id": 1, "workflow_id": 1, "payload_id": 1, "total": ANSWERS, "attempt": 1, "expires_at": 9}
    texts = dict.fromkeys(("content", "prompt"), "x" * IN_THE_ITEM)
    keys = {"content_key": f"c{position}", "prompt_key": f"p{position}"}
    named = {"tenant": "default", "payload_name": "p", "started_at": "t", "created_at": "t", "metadata": "{}"}
    whole = {"position": position, "content_bytes": BYTES, "prompt_bytes": BYTES}
    return {
        **{name: {"N": str(value)} for name, value in (numbers | whole).items()},
        **{name: {"S": value} for name, value in (texts | keys | named).items()},
        **{name: {"BOOL": True} for name in ("content_truncated", "prompt_truncated")},
        "pk": {"S": "default#RUN#1"},
        "sk": {"S": f"RESPONSE#{position:04d}"},
    }


def run_item() -> dict[str, Any]:
    """As stored."""
    numbers = {"id": 1, "workflow_id": 1, "total": ANSWERS, "first_response_id": 1, "expires_at": 9}
    named = {"tenant": "default", "workflow_name": "w", "status": "completed", "created_at": "t", "sk": "RUN"}
    return {name: {"N": str(n)} for name, n in numbers.items()} | {name: {"S": text} for name, text in named.items()}


class Raw(io.BytesIO):
    """A body as botocore reads it."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


def dynamodb(request: Any, **_: Any) -> Any:
    """One page of the run's items, or the run."""
    parameters = json.loads(request.body)
    if parameters["TableName"] == "connections":
        return reply(request, b"{}")
    if "Key" in parameters:
        item = run_item() if parameters["Key"]["sk"]["S"] == "RUN" else response_item(0)
        return reply(request, json.dumps({"Item": item}).encode())
    last = parameters.get("ExclusiveStartKey", {}).get("sk", {}).get("S", "RESPONSE#-001")
    first = int(last.removeprefix("RESPONSE#")) + 1
    positions = range(first, min(ANSWERS, first + ITEMS_PER_PAGE))
    read = set(parameters.get("ExpressionAttributeNames", {}).values())
    items = [response_item(position) for position in positions]
    page: dict[str, Any] = {
        "Items": [{name: item[name] for name in item if not read or name in read} for item in items]
    }
    if positions.stop < ANSWERS:
        page["LastEvaluatedKey"] = {name: items[-1][name] for name in ("pk", "sk")}
    elif parameters["ExpressionAttributeValues"][":last"]["S"] == "VARIABLES":
        page["Items"].append(run_item())
    return reply(request, json.dumps(page).encode())


def s3(request: Any, **_: Any) -> Any:
    """The requested range of a text."""
    byte_range = request.headers.get("Range")
    byte_range = byte_range.decode() if isinstance(byte_range, bytes) else byte_range
    size = BYTES if byte_range is None else min(BYTES, int(byte_range.rpartition("-")[2]) + 1)
    return reply(request, b"x" * size, 200 if byte_range is None else 206)


FRAMES: list[int] = []
"""The sizes of the frames that were sent to the subscriber."""


def post(_pool: Any, _method: str, _path: str, body: bytes, **_: Any) -> Any:
    """Accept every message."""
    from urllib3 import HTTPResponse  # noqa: PLC0415 - what the function imports is measured, in its order

    FRAMES.append(len(body))
    return HTTPResponse(status=200)


def reply(request: Any, body: bytes, status: int = 200) -> Any:
    from botocore.awsrequest import AWSResponse  # noqa: PLC0415 - what the function imports is measured, in its order

    headers: Any = {"Content-Length": str(len(body))}
    return AWSResponse(request.url, status, headers, Raw(body))


def main(path: str) -> None:
    os.environ |= SETTINGS
    function = "websocket" if IS_SUBSCRIBED else "runs_api"
    sys.path[:0] = [str(ROOT / "functions" / function), str(ROOT / "layers" / "baton"), str(ROOT)]
    import app  # type: ignore[import-not-found]  # noqa: PLC0415 - the function's, whose folder is known only now
    import boto3  # noqa: PLC0415
    import urllib3  # noqa: PLC0415

    from tests.support.events import http_event, websocket_event  # noqa: PLC0415
    from tests.support.functions import Context  # noqa: PLC0415

    session: Any = boto3.Session()
    session.events.register("before-send.dynamodb", dynamodb)
    session.events.register("before-send.s3", s3)
    urllib3.HTTPConnectionPool.urlopen = post  # type: ignore[assignment,method-assign] # only live messages are sent with it here
    boto3.DEFAULT_SESSION = session
    frame = websocket_event("MESSAGE", "c", body='{"action": "subscribe", "runId": 1}')
    answer = app.handler(frame if IS_SUBSCRIBED else http_event("GET", path), Context())
    sent = len(json.dumps(answer, ensure_ascii=False).encode())
    measured = {"status": answer["statusCode"], "sent": sent, "kilobytes": peak()}
    print(json.dumps(measured | {"frames": len(FRAMES), "largest": max(FRAMES, default=0)}))  # noqa: T201 - for the test


def peak() -> int:
    """The peak memory of this program, in KB.

    On Linux, ``getrusage`` starts with the memory of the parent at the fork.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1])  # type: ignore[index] # each has this line
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # macOS returns bytes


if __name__ == "__main__":
    main(sys.argv[1])
