"""The program of the emulator's process, which also counts what AWS charges for; ``GET /bench-usage`` returns it.

DynamoDB's calls are counted inside the emulator: those of the state machine are no HTTP requests.
"""

import json
import math
import re
import runpy
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

LOCAL = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(LOCAL.parent))

import ministack.app  # noqa: E402 - the package `local` needs the path above
from ministack.core import lambda_runtime  # noqa: E402
from ministack.services import dynamodb  # noqa: E402

from local.bench.units import index_write_units, item_bytes, read_units, write_units  # noqa: E402

USAGE_PATH = "/bench-usage"
READS = {"GetItem": "_get_item", "BatchGetItem": "_batch_get_item", "Query": "_query"}
WRITES = {
    "PutItem": "_put_item",
    "UpdateItem": "_update_item",
    "DeleteItem": "_delete_item",
    "BatchWriteItem": "_batch_write_item",
    "TransactWriteItems": "_transact_write_items",
}
CONNECTION = re.compile(r"^/_aws/execute-api/[^/]+/[^/]+/@connections/")
SERVICE = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/")
PEAK = re.compile(r"VmHWM:\s+(\d+) kB")

calls: Counter[str] = Counter()
units: dict[str, float] = {"read units": 0, "write units": 0}
functions: dict[str, Counter[str]] = defaultdict(Counter)
lock = threading.Lock()
current = threading.local()
"""``writes`` and ``page``: the items that this thread's DynamoDB call has written, and a query has read."""

emulate = ministack.app.app


async def count_requests(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The emulator's application; counts the requests of functions and clients."""
    if scope["type"] == "http" and scope["path"] == USAGE_PATH:
        with lock:
            body = json.dumps({"calls": calls, "units": units, "functions": functions}).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})
        return
    if scope["type"] == "http" and (name := name_of(scope)):
        with lock:
            calls[name] += 1
    await emulate(scope, receive, send)


def name_of(scope: dict[str, Any]) -> str | None:
    """The operation; ``None`` for those that are counted elsewhere or are free."""
    headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
    if CONNECTION.match(scope["path"]):
        return "apigateway PostToConnection" if scope["method"] == "POST" else "apigateway DeleteConnection"
    if scope["path"].startswith("/_aws/execute-api/"):
        return "apigateway request"
    service = SERVICE.search(headers.get("authorization", ""))
    if service is None or service[1] == "dynamodb":
        return None
    operation = headers.get("x-amz-target", "").rpartition(".")[2] or scope["method"]
    return f"{service[1]} {operation}"


def count_dynamodb(operation: str, function: str) -> None:
    """Count the calls of an operation, and their units."""
    act = getattr(dynamodb, function)

    def counted(data: dict[str, Any]) -> Any:
        current.writes, current.page = [], []
        response = act(data)
        with lock:
            calls[f"dynamodb {operation}"] += 1
            if operation in READS:
                units["read units"] += sum(units_of_read(data))
            else:
                units["write units"] += sum(
                    partial(units_of_write, is_transactional=operation == "TransactWriteItems")(*write)
                    for write in current.writes
                )
        return response

    setattr(dynamodb, function, counted)


def units_of_read(data: dict[str, Any]) -> Iterator[float]:
    """Of a query, or of each key that is read."""
    if "KeyConditionExpression" in data:
        yield read_units(sum(map(item_bytes, current.page)), is_consistent=data.get("ConsistentRead", False))
        return
    tables = data.get("RequestItems") or {data["TableName"]: data | {"Keys": [data["Key"]]}}
    for name, read in tables.items():
        for key in read["Keys"]:
            item = dynamodb._get_item_by_key(dynamodb._tables[name], key)  # noqa: SLF001 - it has no other interface
            yield read_units(item_bytes(item or {}), is_consistent=read.get("ConsistentRead", False))


def units_of_write(name: str, old: Any, new: Any, *, is_transactional: bool) -> int:
    """Of a table and its indexes, which are not written in the transaction."""
    table = dynamodb._tables[name]  # noqa: SLF001 - as above
    total = write_units(old, new, is_transactional=is_transactional)
    for index in table.get("GlobalSecondaryIndexes") or ():
        keys = [key["AttributeName"] for key in index["KeySchema"]]
        total += index_write_units([*keys, table["pk_name"], table["sk_name"]], keys, old, new)
    return total


def record_writes() -> None:
    """The emulator calls this function after each write of an item, and the other for each page of a query."""
    emit, paginate = dynamodb._emit_stream_event, dynamodb._paginate_evaluated_items  # noqa: SLF001 - as above

    def emitted(name: str, event: str, old: Any, new: Any, **named: Any) -> Any:
        if hasattr(current, "writes"):
            current.writes.append((name, old, new))
        return emit(name, event, old, new, **named)

    def paginated(*arguments: Any) -> Any:
        page, has_more = paginate(*arguments)
        current.page = page
        return page, has_more

    dynamodb._emit_stream_event, dynamodb._paginate_evaluated_items = emitted, paginated  # noqa: SLF001 - as above


def count_invocations() -> None:
    """Count requests, milliseconds and the peak memory of each function."""
    invoke = lambda_runtime.Worker.invoke

    def invoked(worker: Any, *arguments: Any, **named: Any) -> Any:
        began = time.perf_counter()
        result = invoke(worker, *arguments, **named)
        milliseconds = math.ceil((time.perf_counter() - began) * 1000)
        with lock:
            function = functions[worker.func_name]
            function["requests"] += 1
            function["milliseconds"] += milliseconds
            function["megabytes"] = worker.config["MemorySize"]
            function["peak kilobytes"] = max(function["peak kilobytes"], peak(worker))
        return result

    lambda_runtime.Worker.invoke = invoked


def peak(worker: Any) -> int:
    """The peak memory of the worker's process, in KB; 0 where the system does not have it in a file."""
    status = Path(f"/proc/{worker._proc.pid}/status") if worker._proc else None  # noqa: SLF001 - as above
    found = PEAK.search(status.read_text()) if status and status.exists() else None
    return int(found[1]) if found else 0


if __name__ == "__main__":
    record_writes()
    for each in (READS | WRITES).items():
        count_dynamodb(*each)
    count_invocations()
    ministack.app.app = count_requests
    runpy.run_path(str(LOCAL / "emulator_process.py"), run_name="__main__")
