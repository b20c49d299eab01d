"""What runs in the emulator's process: MiniStack, served so that it always ends, with its state saved.

Its own main would wait for open WebSockets and for functions at work, neither of which has to end, and be killed at
last without having saved anything.
"""

import asyncio
import os
import signal

from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack.app import app
from ministack.services import apigateway

SECONDS_TO_SETTLE = 0.7
SECONDS_KEPT_ALIVE = 75


async def emulate() -> None:
    config = Config()
    config.bind = [f"{os.environ['BIND_HOST']}:{os.environ['GATEWAY_PORT']}"]
    config.keep_alive_timeout = SECONDS_KEPT_ALIVE
    await serve(app, config, shutdown_trigger=asked_to_stop)
    os._exit(0)  # the state is saved; threads that wait for a function would hold up a regular exit


async def asked_to_stop() -> None:
    """Returns when what would not end by itself has ended, in an order in which each can still reach the emulator."""
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
    await asked.wait()
    for connection in list(apigateway._ws_connections.values()):  # noqa: SLF001 - as its own DeleteConnection does
        connection["close_event"].set()
    await asyncio.sleep(SECONDS_TO_SETTLE)  # the $disconnect function runs
    os.killpg(0, signal.SIGTERM)  # the functions' processes; this one is asked a second time, which changes nothing
    await asyncio.sleep(SECONDS_TO_SETTLE)  # the state machine records that the runs of those at work have failed


if __name__ == "__main__":
    asyncio.run(emulate())
