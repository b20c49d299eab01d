"""Many clients: how long one message takes to reach all of them, and how much a client that never reads delays the
others."""

import asyncio
import json
import statistics
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, nullcontext
from datetime import datetime
from typing import Any

from rich.table import Table
from websockets.asyncio.client import ClientConnection, connect

from local.bench.session import Session
from local.example import Api
from local.silent_client import silent_client
from local.stack import Addresses

FANS = (200, 1_000)
ROUNDS = 3
READERS = 10
RUNS = 50
CONNECTING_AT_ONCE = 8
LONG_ANSWER = "A baton is passed. " * 4_500
SECONDS = 600

type Arrivals = dict[str, list[float]]
"""When the clients received each message, by its id."""


def tables(session: Session) -> Iterator[Table]:
    seconds = {}
    for clients in FANS:
        session.report(f"Fan-out: messages of {ROUNDS} runs to {clients} clients")
        seconds[clients] = asyncio.run(fan_out(session.target.addresses, clients))
    yield fan_out_table(seconds)


def silent_client_tables(session: Session) -> Iterator[Table]:
    session.report(f"Silent client: {RUNS} runs of long answers to {READERS} clients, without and with it")
    yield delay_table(
        {silent: asyncio.run(p95_delay(session.target.addresses, silent=silent)) for silent in (False, True)}
    )


def fan_out_table(seconds: dict[int, list[float]]) -> Table:
    result = Table("clients", "median, s", "longest, s", title="A message to all clients, from the first to the last")
    for clients, each in seconds.items():
        result.add_row(str(clients), f"{statistics.median(each):.2f}", f"{max(each):.2f}")
    return result


def delay_table(delays: dict[bool, float]) -> Table:
    title = f"Delay of messages to {READERS} clients during {RUNS} runs"
    result = Table("beside them", "95 % within, s", title=title)
    result.add_row("no other client", f"{delays[False]:.2f}")
    result.add_row("a client that never reads", f"{delays[True]:.2f}")
    return result


async def fan_out(addresses: Addresses, clients: int) -> list[float]:
    """The seconds between the first and the last arrival of each message of some short runs."""
    workflow_id = simulated_workflow(Api(addresses.http_url), "Yes.")
    seconds = []
    async with connections(addresses.websocket_url, clients) as opened:
        for _ in range(ROUNDS):
            arrivals: Arrivals = defaultdict(list)
            reading = [asyncio.create_task(read(connection, arrivals, runs=1)) for connection in opened]
            await asyncio.to_thread(start, addresses, workflow_id)
            await asyncio.wait_for(asyncio.gather(*reading), SECONDS)
            seconds += [max(times) - min(times) for times in arrivals.values()]
    return seconds


async def p95_delay(addresses: Addresses, *, silent: bool) -> float:
    """The seconds between a message's timestamp and its arrival, for 95 % of all messages."""
    workflow_id = simulated_workflow(Api(addresses.http_url), LONG_ANSWER)
    delays: list[float] = []
    url = addresses.websocket_url
    with silent_client(url) if silent else nullcontext():
        async with connections(url, READERS) as opened:
            reading = [asyncio.create_task(read(connection, delays=delays, runs=RUNS)) for connection in opened]
            for _ in range(RUNS):
                await asyncio.to_thread(start, addresses, workflow_id)
            await asyncio.wait_for(asyncio.gather(*reading), SECONDS)
    return statistics.quantiles(delays, n=20)[-1]


def simulated_workflow(api: Api, answer: str) -> int:
    """A workflow of one payload whose answer is given."""
    name = f"bench {time.time_ns()}"
    llm = api.call("POST", "/api/llm/instances", {"name": name, "provider": "simulated", "model": "parrot"})
    block = api.call("POST", "/api/blocks", {"title": name, "content": "Say something."})
    payload = {"name": name, "blocks": [block["id"]], "llm_instance": llm["id"], "options": {"answer": answer}}
    created = api.call("POST", "/api/payloads", payload)
    return int(api.call("POST", "/api/workflows", {"name": name, "payloads": [created["id"]]})["id"])


def start(addresses: Addresses, workflow_id: int) -> None:
    Api(addresses.http_url).call("POST", f"/api/execute/workflow/{workflow_id}")


@asynccontextmanager
async def connections(url: str, number: int) -> AsyncIterator[list[ClientConnection]]:
    few = asyncio.Semaphore(CONNECTING_AT_ONCE)

    async def opened() -> ClientConnection:
        async with few:
            return await connect(url, proxy=None, compression=None, ping_interval=None, open_timeout=SECONDS)

    made = await asyncio.gather(*(opened() for _ in range(number)))
    try:
        yield made
    finally:
        await asyncio.gather(*(connection.close() for connection in made))


async def read(
    connection: ClientConnection, arrivals: Arrivals | None = None, delays: list[float] | None = None, *, runs: int
) -> None:
    """Read until so many runs have ended."""
    while runs:
        message: dict[str, Any] = json.loads(await connection.recv())
        if arrivals is not None:
            arrivals[message["id"]].append(time.perf_counter())
        if delays is not None:
            delays.append(time.time() - datetime.fromisoformat(message["timestamp"]).timestamp())
        runs -= message["type"] == "workflow_completed"
