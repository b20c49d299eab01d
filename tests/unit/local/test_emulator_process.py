"""Which worker of the emulator serves a call, and how many start at the same time."""

from __future__ import annotations

import gc
import io
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from local import emulator_process

# MiniStack leaves it to the garbage collector to close the pipes of workers.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")

CONFIG = {"FunctionArn": "arn:aws:lambda:local:000000000000:function:f"}


@dataclass(eq=False)
class Worker:
    """A worker without a process."""

    function: str
    config: dict[str, Any]
    code: bytes
    in_use: bool = False
    last_used: float = 0

    def started(self) -> None:
        with emulator_process.workers_changed:
            emulator_process.starting_workers.discard(self)
            emulator_process.workers_changed.notify_all()


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadPoolExecutor]:
    """Threads for calls. Two workers may start at the same time; a call does not wait for a free one before that."""
    monkeypatch.setattr(lambda_runtime, "_workers", {})
    monkeypatch.setattr(lambda_runtime, "_worker_class_for", lambda _config: Worker)
    monkeypatch.setattr(emulator_process, "MAX_STARTING_WORKERS", 2)
    monkeypatch.setattr(emulator_process, "SECONDS_FOR_A_FREE_WORKER", 0)
    monkeypatch.setattr(emulator_process, "SECONDS_FOR_A_TURN", 10)
    with ThreadPoolExecutor() as threads:
        yield threads
    emulator_process.starting_workers.clear()


def acquire() -> tuple[Any, str]:
    worker, origin = emulator_process.acquire_worker("f", CONFIG, b"")
    return worker, origin


def waiting(pool: ThreadPoolExecutor, calls: int) -> Future[tuple[Any, str]]:
    """A further call, after it has begun to wait as one of so many."""
    call = pool.submit(acquire)
    with emulator_process.workers_changed:
        while number_waiting() != calls:
            emulator_process.workers_changed.wait(0.01)
    return call


def number_waiting() -> int:
    return sum(map(len, emulator_process.waiting_calls.values()))


def test_only_so_many_workers_start_at_the_same_time(pool: ThreadPoolExecutor) -> None:
    (first, origin), (second, _) = acquire(), acquire()
    third = waiting(pool, 1)
    assert (origin, emulator_process.starting_workers) == ("spawn", {first, second})
    first.started()
    assert third.result()[1] == "spawn"


def test_a_call_uses_a_worker_that_becomes_free_while_it_waits(pool: ThreadPoolExecutor) -> None:
    (first, _), _ = acquire(), acquire()
    third = waiting(pool, 1)
    emulator_process.release_worker(first)
    assert third.result() == (first, "reused")


def test_a_busy_worker_is_waited_for_before_another_starts(
    pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = acquire()
    first.started()
    monkeypatch.setattr(emulator_process, "SECONDS_FOR_A_FREE_WORKER", 60)
    second = waiting(pool, 1)
    emulator_process.release_worker(first)
    assert second.result() == (first, "reused")


def test_the_call_that_waits_longest_is_served_first(pool: ThreadPoolExecutor) -> None:
    """A call that arrives when a worker becomes free does not get it before a call that has waited for it."""
    (first, _), (second, _) = acquire(), acquire()
    waits = waiting(pool, 1)
    with emulator_process.workers_changed:
        emulator_process.release_worker(first)
        waits.add_done_callback(lambda _: emulator_process.release_worker(second))
        arrives = acquire()
    assert arrives == (second, "reused")
    assert waits.result() == (first, "reused")


CODE = """
import layered, sys
def handler(event, context):
    if event == "fail":
        raise ValueError
    return {"layer": layered.VERSION, "file": layered.__file__, "path": sys.path[:4]}
"""

type Start = Callable[..., emulator_process.Worker]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Start]:
    """Make a worker of a function with layers, of which each has one version."""

    def layer_zip(layer: str) -> bytes:
        return zipped("python/layered.py", f"VERSION = {layer!r}")

    monkeypatch.setattr(lambda_svc, "_resolve_layer_zip", layer_zip)
    monkeypatch.setattr(lambda_svc, "_DOCKER_EXTRACT_CACHE", str(tmp_path))
    monkeypatch.setattr(lambda_svc, "_docker_extract_dirs", {})
    made: list[emulator_process.Worker] = []

    def worker(*layers: str) -> emulator_process.Worker:
        config = CONFIG | {"Runtime": "python3.13", "Handler": "app.handler", "Timeout": 30, "Layers": list(layers)}
        made.append(emulator_process.Worker("f", config, zipped("app.py", CODE)))
        return made[-1]

    yield worker
    lambda_runtime.kill_workers(made)
    for each in made:
        each._stderr_thread.join()  # noqa: SLF001 - it holds the last reference to a pipe
    made.clear()
    gc.collect()


def zipped(name: str, content: str) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(zipfile.ZipInfo(name), content)  # with the same time in each archive
    return archive.getvalue()


def test_workers_share_the_folder_of_a_layer_and_each_version_has_its_own(start: Start) -> None:
    old, same, new = (start(version).invoke("call", "1")["result"] for version in ("one", "one", "two"))
    assert (old["layer"], same["layer"], new["layer"]) == ("one", "one", "two")
    assert old["file"] == same["file"] != new["file"]


def test_the_last_layer_is_first_on_the_path_and_all_are_before_the_function(start: Start) -> None:
    found = start("one", "two").invoke("call", "1")["result"]
    assert found["layer"] == "two"
    assert [entry.endswith("/python") for entry in found["path"]] == [False, True, False, True]


def test_a_worker_that_starts_again_after_an_error_has_its_layers(start: Start) -> None:
    worker = start("one")
    assert worker.invoke("fail", "1")["status"] == "error"
    assert worker.invoke("call", "2")["result"]["layer"] == "one"
