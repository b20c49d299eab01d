"""What is served while the emulator ends, and what a save that fails leaves."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local import emulator_process, saving
from local.emulator_process import Front
from local.reserved_ids import ReservedIds
from local.saved_data import SavedData
from local.saving import NotSavedError, Saver

FORKS = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # xdist's threads
SIGNED = [(b"authorization", b"AWS4-HMAC-SHA256 Credential=test/20260101/local/dynamodb/aws4_request")]


def sent(front: Front, kind: str, headers: list[tuple[bytes, bytes]]) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    async def receive() -> None: ...

    asyncio.run(front({"type": kind, "path": "/", "method": "POST", "headers": headers}, receive, send))
    return messages


@pytest.fixture
def front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Front:
    """Before an application that sends the type of the request."""

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": f"served {scope['type']}"})

    monkeypatch.setattr(emulator_process, "app", app)
    return Front(Saver(SavedData(tmp_path)), ReservedIds(tmp_path / "ids.json"))


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_requests_of_clients_are_refused_while_the_emulator_ends(front: Front, kind: str) -> None:
    assert sent(front, kind, []) == [{"type": f"served {kind}"}]
    front.is_ending = True
    start, body = sent(front, kind, [])
    assert start["type"].endswith("http.response.start")
    assert start["status"] == 503
    assert (b"connection", b"close") in start["headers"]
    assert "being stopped" in json.loads(body["body"])["message"]


def test_functions_are_served_while_the_emulator_ends(front: Front) -> None:
    """The function of $disconnect deletes the connection's item."""
    front.is_ending = True
    assert sent(front, "http", SIGNED) == [{"type": "served http"}]


@FORKS
@pytest.mark.parametrize("save", [Saver.save, Saver.save_last])
def test_a_save_that_fails_has_a_reason_and_leaves_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save: Callable[[Saver], Any]
) -> None:
    def write(data: SavedData) -> None:
        (data.next / "lambda.json").write_text("half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    data = SavedData(tmp_path)
    asyncio.run(save(saver_of(data, monkeypatch, lambda it: (it.next / "lambda.json").write_text("whole"))))
    saved = data.last()
    with pytest.raises(NotSavedError, match="No space left on device"):
        asyncio.run(save(saver_of(data, monkeypatch, write)))
    assert data.last() == saved
    assert (data.folder / "lambda.json").read_text() == "whole"
    assert not data.next.exists(), "its space is free again"


@FORKS
def test_a_save_that_does_not_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saving, "SECONDS_TO_WRITE", 0.1)
    saver = saver_of(SavedData(tmp_path), monkeypatch, lambda _: time.sleep(60))
    with pytest.raises(NotSavedError, match="longer than"):
        asyncio.run(saver.save())


@FORKS
def test_a_save_that_is_killed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saver = saver_of(SavedData(tmp_path), monkeypatch, lambda _: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(NotSavedError, match="ended with status -9"):
        asyncio.run(saver.save())


@FORKS
def test_requests_during_a_save_are_saved_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saver = saver_of(SavedData(tmp_path), monkeypatch, lambda data: (data.next / "lambda.json").touch())
    saver.changes = 3

    async def save() -> None:
        saving_now = asyncio.create_task(saver.save())
        await asyncio.sleep(0)  # it has begun
        saver.changes += 2
        await saving_now

    asyncio.run(save())
    assert saver.changes == 2


def saver_of(data: SavedData, monkeypatch: pytest.MonkeyPatch, write: Callable[[SavedData], Any]) -> Saver:
    monkeypatch.setattr(saving, "write", write)
    return Saver(data)
