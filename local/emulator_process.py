"""The program of the emulator's process: MiniStack, served so that it saves its data and ends within seconds.

MiniStack's own main waits for open WebSockets, running functions and connections of clients, which may never end, and
saves its data only after that.

A burst of calls starts many workers, the processes of functions. MiniStack unpacks all layers for each of them, and
starts all at the same time. Here they share the unpacked layers, and only as many start at the same time as there are
processors: the first are ready soon, and serve most of the burst.
"""

import asyncio
import gc
import json
import os
import signal
import sys
import sysconfig
import threading
from collections import defaultdict
from pathlib import Path
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack.app import app
from ministack.core import lambda_runtime
from ministack.services import apigateway, dynamodb, lambda_svc

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from local.reserved_ids import ReservedIds
from local.saved_data import SAVE_PATH, SavedData
from local.saving import NotSavedError, Saver

SECONDS_TO_SETTLE = 0.7
SECONDS_KEPT_ALIVE = 75
OBJECTS_BETWEEN_COLLECTIONS = 50_000
"""MiniStack has many objects, and each of its calls makes some that only a collection removes. With Python's 2,000, a
tenth of its processor time goes to collections."""

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
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS, 50, 1000)
    config = Config()
    config.bind = [f"{os.environ['BIND_HOST']}:{os.environ['GATEWAY_PORT']}"]
    config.keep_alive_timeout = SECONDS_KEPT_ALIVE
    apigateway.handle_connections_api = handle_connections_api
    lambda_runtime.Worker = Worker
    lambda_runtime._PYTHON_WORKER_SCRIPT = (  # noqa: SLF001
        replace_installed_packages() + lambda_runtime._PYTHON_WORKER_SCRIPT  # noqa: SLF001
    )
    lambda_svc.acquire_worker, lambda_svc.release_worker = acquire_worker, release_worker
    ids = ReservedIds(Path(os.environ["IDS_FILE"]))
    reserve_ids(ids)
    forget_stream_positions()
    front = Front(Saver(SavedData(Path(os.environ["STATE_DIR"]).parent)), ids)
    saving = asyncio.create_task(front.saver.save_regularly())
    await serve(front, config, shutdown_trigger=front.end)
    saving.cancel()


class Front:
    """The emulator's application. While it ends, it accepts only the requests of functions."""

    def __init__(self, saver: Saver, ids: ReservedIds) -> None:
        self.saver = saver
        self._ids = ids
        self.is_ending = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
        elif scope["path"] == SAVE_PATH and scope.get("method") == "POST":
            await respond(scope, send, *await self._save())
        elif self.is_ending and not is_signed(scope):
            await respond(scope, send, 503, {"message": "The local stack is being stopped."})
        else:
            self.saver.changes += 1
            await app(scope, receive, send)

    async def _save(self) -> tuple[int, dict[str, str]]:
        try:
            return 200, {"at": (await self.saver.save()).at.isoformat()}
        except NotSavedError as error:
            return 507, {"message": str(error)}

    async def end(self) -> None:
        """Wait for SIGTERM, then close connections, then end functions: both still need the emulator while they end.

        Then save, and end the process. A regular end of the server would wait for its clients, and for threads that
        wait for a function.
        """
        requested = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, requested.set)
        await requested.wait()
        self.is_ending = True
        await close_websockets(SECONDS_TO_SETTLE)  # the $disconnect function runs
        os.killpg(0, signal.SIGTERM)  # the functions' processes; for this process, a second signal changes nothing
        await asyncio.sleep(SECONDS_TO_SETTLE)  # the state machine records that their runs have failed
        os._exit(await self._save_last())

    async def _save_last(self) -> int:
        try:
            await self.saver.save_last()
            self._ids.release()
        except (NotSavedError, OSError) as error:
            print(f"The data could not be saved: {error}", flush=True)  # noqa: T201 - to the emulator's log
            return 1
        return 0


def is_signed(scope: Any) -> bool:
    """Whether this is a request to AWS and not to the API: those of functions are signed."""
    return any(name.lower() == b"authorization" and value.startswith(b"AWS4-") for name, value in scope["headers"])


async def respond(scope: Any, send: Any, status: int, body: dict[str, str]) -> None:
    """Send JSON, to a WebSocket's handshake as well."""
    kind = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": f"{kind}.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.body", "body": json.dumps(body).encode()})


async def close_websockets(seconds: float) -> None:
    """Close those that are open, and those whose handshake ends in the meantime."""
    deadline = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < deadline:
        for connection in list(apigateway._ws_connections.values()):  # noqa: SLF001 - as its own DeleteConnection does
            connection["close_event"].set()
        await asyncio.sleep(0.05)


def forget_stream_positions() -> None:
    """Load no read positions: the emulator does not save the streams, which start again at position 0.

    With the old position, it would skip as many new records as it had read before.
    """
    load = lambda_svc.load_persisted_state
    lambda_svc.load_persisted_state = lambda data: load(data | {"dynamodb_stream_positions": {}})


def reserve_ids(ids: ReservedIds) -> None:
    """Observe each write of a counter, and after an end without a save, raise the counters when they are loaded."""
    emit, load = dynamodb._emit_stream_event, dynamodb.load_persisted_state  # noqa: SLF001 - called after each write

    def emitted(table: str, event: str, old: Any, new: Any, **named: Any) -> Any:
        ids.record(table, new)
        return emit(table, event, old, new, **named)

    def loaded(data: Any) -> None:
        load(data)
        for (_, _, name), table in dynamodb._tables.all_items():  # noqa: SLF001
            for partition, sort in ids.keys(name):
                key = {"pk": {"S": partition}, "sk": {"S": sort}}
                item = dynamodb._get_item_by_key(table, key) or key  # noqa: SLF001
                dynamodb._set_item(table, partition, sort, ids.raised(name, item))  # noqa: SLF001

    dynamodb._emit_stream_event, dynamodb.load_persisted_state = emitted, loaded  # noqa: SLF001


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


if __name__ == "__main__":
    asyncio.run(emulate())
