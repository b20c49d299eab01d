"""The program of the emulator's process: MiniStack, served so that it ends within seconds and saves its state.

MiniStack's own main waits for open WebSockets and running functions, which may never end; it would be killed before it
had saved anything.

A burst of calls starts many workers, the processes of functions. MiniStack unpacks all layers for each of them, and
starts all at the same time. Here they share the unpacked layers, and only as many start at the same time as there are
processors: the first are ready soon, and serve most of the burst.
"""

import asyncio
import json
import os
import signal
import sys
import sysconfig
import threading
from collections import defaultdict
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack.app import app
from ministack.core import lambda_runtime
from ministack.services import apigateway, lambda_svc

SECONDS_TO_SETTLE = 0.7
SECONDS_KEPT_ALIVE = 75
SECONDS_OF_A_THREAD = 0.0005
"""Calls, state machines and the stream are threads of this process; with Python's 5 ms, each delays the others."""

MAX_WAITING_FRAMES = 64
MAX_STARTING_WORKERS = os.process_cpu_count() or 1
SECONDS_FOR_A_FREE_WORKER = 0.5
"""About as long as a worker takes to start. A call waits so long for one that becomes free before it starts another."""

SECONDS_FOR_A_TURN = 20
"""A call that has waited for so long, since other workers were starting, starts one in any case."""


async def emulate() -> None:
    sys.setswitchinterval(SECONDS_OF_A_THREAD)
    config = Config()
    config.bind = [f"{os.environ['BIND_HOST']}:{os.environ['GATEWAY_PORT']}"]
    config.keep_alive_timeout = SECONDS_KEPT_ALIVE
    apigateway.handle_connections_api = handle_connections_api
    lambda_runtime.Worker = Worker
    lambda_runtime._PYTHON_WORKER_SCRIPT = (  # noqa: SLF001
        replace_installed_packages() + lambda_runtime._PYTHON_WORKER_SCRIPT  # noqa: SLF001
    )
    lambda_svc.acquire_worker, lambda_svc.release_worker = acquire_worker, release_worker
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


class Worker(lambda_runtime.Worker):  # type: ignore[misc] # MiniStack has no types
    """A process of a function. It reads its layers from folders that all workers share, as those in /opt on AWS."""

    config: dict[str, Any]

    def _spawn(self) -> None:
        config = self.config  # a worker whose function has raised an error starts again
        try:
            self.config = with_shared_layers(config)
            super()._spawn()
        finally:
            self.config = config
            with workers_changed:
                starting_workers.discard(self)
                workers_changed.notify_all()


def with_shared_layers(config: dict[str, Any]) -> dict[str, Any]:
    """The function's configuration with its layers as unpacked folders: one per content, so versions are never mixed.

    MiniStack removes the folders with its other temporary files. Its workers put the layers of this variable on their
    path in the same way as those that they have unpacked themselves.
    """
    zips = [lambda_svc._resolve_layer_zip(layer) for layer in config.get("Layers", [])]  # noqa: SLF001
    folders = [lambda_svc._docker_extracted_dir(each, "layer") for each in zips if each]  # noqa: SLF001
    variables = config.get("Environment", {}).get("Variables", {})
    layers = {"_LAMBDA_LAYERS_DIRS": os.pathsep.join(folders)}
    return config | {"Layers": [], "Environment": {"Variables": variables | layers}}


def replace_installed_packages() -> str:
    """The first statement of a worker: instead of the packages of .venv, it finds those of the Lambda runtime.

    So a package that is missing in a layer is missing here, too. And boto3 loads awscrt, cryptography and pyOpenSSL if
    it finds them, which takes as long as loading the function.
    """
    installed, runtime = sysconfig.get_path("purelib"), os.environ["RUNTIME_PACKAGES"]
    return f"import sys; sys.path[:] = [*(x for x in sys.path if x != {installed!r}), {runtime!r}]\n"


workers_changed = threading.Condition()
starting_workers: set[Worker] = set()
waiting_calls: defaultdict[str, list[object]] = defaultdict(list)
ministack_acquire_worker = lambda_runtime.acquire_worker
ministack_release_worker = lambda_runtime.release_worker


def acquire_worker(
    function: str, config: dict[str, Any], code: bytes, qualifier: str = "$LATEST", max_concurrency: int | None = None
) -> Any:
    """A free worker, or a new one; one that becomes free in the meantime is used by the call that waits longest."""
    key, call = lambda_runtime._worker_key(function, config, qualifier), object()  # noqa: SLF001
    calls = waiting_calls[key]

    def workers() -> list[Worker]:
        return lambda_runtime._workers.get(key, [])  # type: ignore[no-any-return]  # noqa: SLF001

    def is_free() -> bool:
        return sum(not worker.in_use for worker in workers()) > calls.index(call)

    def may_start() -> bool:
        return is_free() or len(starting_workers) < MAX_STARTING_WORKERS

    with workers_changed:
        calls.append(call)
        if not workers_changed.wait_for(is_free, SECONDS_FOR_A_FREE_WORKER if workers() else 0):
            workers_changed.wait_for(may_start, SECONDS_FOR_A_TURN)
        calls.remove(call)
        workers_changed.notify_all()
        worker, origin = ministack_acquire_worker(function, config, code, qualifier, max_concurrency)
        if origin == "spawn":
            starting_workers.add(worker)
        return worker, origin


def release_worker(worker: Any) -> None:
    ministack_release_worker(worker)
    with workers_changed:
        workers_changed.notify_all()


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
