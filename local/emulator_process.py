"""The program of the emulator's process: MiniStack, served so that it ends within seconds and saves its state.

MiniStack's own main waits for open WebSockets and running functions, which may never end; it would be killed before it
had saved anything.
"""

import asyncio
import json
import os
import signal
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack.app import app
from ministack.services import apigateway

SECONDS_TO_SETTLE = 0.7
SECONDS_KEPT_ALIVE = 75
MAX_WAITING_FRAMES = 64


async def emulate() -> None:
    config = Config()
    config.bind = [f"{os.environ['BIND_HOST']}:{os.environ['GATEWAY_PORT']}"]
    config.keep_alive_timeout = SECONDS_KEPT_ALIVE
    apigateway.handle_connections_api = handle_connections_api
    await serve(app, config, shutdown_trigger=stop_requested)
    os._exit(0)  # the state is saved; threads that wait for a function would delay a regular exit


ministack_connections_api = apigateway.handle_connections_api


async def handle_connections_api(method: str, api_id: str, stage: str, connection_id: str, *request: Any) -> Any:
    """Accept no more frames for a client that does not read, as API Gateway does. MiniStack stores them all."""
    connection = apigateway._ws_connections.get(connection_id)  # noqa: SLF001 - as above
    if method == "POST" and connection and connection["outbox"].qsize() >= MAX_WAITING_FRAMES:
        error = "LimitExceededException"
        return (
            429,
            {"Content-Type": "application/json", "x-amzn-ErrorType": error},
            json.dumps({"message": error}).encode(),
        )
    return await ministack_connections_api(method, api_id, stage, connection_id, *request)


async def stop_requested() -> None:
    """Wait for SIGTERM, then close connections, then end functions: both still need the emulator while they end."""
    requested = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, requested.set)
    await requested.wait()
    for connection in list(apigateway._ws_connections.values()):  # noqa: SLF001 - as its own DeleteConnection does
        connection["close_event"].set()
    await asyncio.sleep(SECONDS_TO_SETTLE)  # the $disconnect function runs
    os.killpg(0, signal.SIGTERM)  # the functions' processes; for this process, a second signal changes nothing
    await asyncio.sleep(SECONDS_TO_SETTLE)  # the state machine records that their runs have failed


if __name__ == "__main__":
    asyncio.run(emulate())
