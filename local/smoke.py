"""A smoke test of a deployed stack: one run with the simulated LLM. What it creates is deleted at the end.

Usage: python -m local.smoke HTTP_URL
"""

import secrets
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Protocol

from rich.console import Console

from local import terminal
from local.example import Api
from local.problem import Problem

SECONDS_TO_COMPLETE = 120
POLL_SECONDS = 1.0
FINAL_STATUSES = ("completed", "failed", "cancelled")


class Calls(Protocol):
    """Baton's HTTP API."""

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any: ...


def smoke(console: Console) -> None:
    if len(sys.argv) != len(("local.smoke", "HTTP_URL")):
        raise Problem("Give the stack's HttpUrl: python -m local.smoke HTTP_URL")
    run = execute_once(Api(sys.argv[1].rstrip("/")))
    console.print(f"Run {run['id']} completed.")


def execute_once(
    api: Calls, *, sleep: Callable[[float], None] = time.sleep, monotonic: Callable[[], float] = time.monotonic
) -> dict[str, Any]:
    """The completed run; it and its definitions no longer exist.

    :raises Problem: if a call or the run fails.
    """
    name = f"smoke-{secrets.token_hex(4)}"
    with ExitStack() as created:

        def create(path: str, **body: Any) -> int:
            id_ = int(api.call("POST", path, body)["id"])
            created.callback(api.call, "DELETE", f"{path}/{id_}")
            return id_

        llm = create("/api/llm/instances", name=name, provider="simulated", model="parrot")
        block = create("/api/blocks", title=name, content="Is anyone there?")
        payload = create("/api/payloads", name=name, blocks=[block], llm_instance=llm)
        workflow = create("/api/workflows", name=name, payloads=[payload])
        path = f"/api/runs/{api.call('POST', f'/api/execute/workflow/{workflow}')['runId']}"
        run = finished(api, path, monotonic() + SECONDS_TO_COMPLETE, sleep, monotonic)
        api.call("DELETE", path)
    if run["status"] != "completed":
        raise Problem(f"The run {run['status']}: {run['metadata'].get('error', 'no reason was given')}")
    return run


def finished(
    api: Calls, path: str, deadline: float, sleep: Callable[[float], None], monotonic: Callable[[], float]
) -> dict[str, Any]:
    """The run after its end; at the deadline it is cancelled."""
    while True:
        run: dict[str, Any] = api.call("GET", path)
        if run["status"] in FINAL_STATUSES:
            return run
        if monotonic() > deadline:
            api.call("POST", f"{path}/cancel")
        sleep(POLL_SECONDS)


if __name__ == "__main__":
    terminal.run_command(smoke)
