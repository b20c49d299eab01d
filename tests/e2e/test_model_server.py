"""The model server: it starts, answers, uses the same port again, and leaves no process or record."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.model import ModelServer
from local.network import LOOPBACK, free_port, is_in_use, status_of
from local.problem import Problem
from tests.e2e.waiting import eventually


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ModelServer]:
    """Not started; stopped after the test."""
    made = ModelServer(tmp_path, free_port())
    yield made
    made.stop()


def test_a_second_start_does_nothing_and_the_server_answers_until_it_is_stopped(server: ModelServer) -> None:
    assert server.start() is True
    assert status_of(f"{server.base_url}/models") == 200
    assert server.start() is False
    server.stop()
    assert not server.is_running()
    assert status_of(f"{server.base_url}/models") is None
    server.stop()


def test_a_killed_server_starts_again_at_the_same_port(server: ModelServer, tmp_path: Path) -> None:
    server.start()
    before = server.base_url
    os.kill(json.loads((tmp_path / "model-server.json").read_text())["pid"], signal.SIGKILL)
    eventually(server.is_running, lambda running: not running)
    again = ModelServer(tmp_path, free_port())
    assert again.start() is True
    assert again.base_url == before
    again.stop()
    assert status_of(f"{before}/models") is None


def test_a_stale_record_is_not_a_running_server(server: ModelServer, tmp_path: Path) -> None:
    """Another program may have its process id; here it is the test's own."""
    (tmp_path / "model-server.json").write_text(json.dumps({"pid": os.getpid(), "port": 1}))
    assert not server.is_running()
    server.stop()
    assert server.start() is True


def test_a_port_in_use_by_another_program_is_an_error(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind((LOOPBACK, 0))
        other.listen()
        taken = other.getsockname()[1]
        server = ModelServer(tmp_path, taken)
        (tmp_path / "model-port").write_text(str(taken))
        with pytest.raises(Problem, match=rf"Port {taken}, .* is in use by another program: .*model-port"):
            server.start()
        assert not server.is_running()
        assert is_in_use(taken)


def test_a_server_that_cannot_start_leaves_no_record_and_the_error_names_its_log(
    server: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"no model")
    monkeypatch.setattr("local.model.weights", lambda: broken)
    with pytest.raises(Problem, match=r"The model server did not start; see its log: .*model-server\.log"):
        server.start()
    assert not server.is_running()
    assert not (tmp_path / "model-server.json").exists()
