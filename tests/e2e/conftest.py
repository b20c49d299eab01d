"""One local stack for all tests of this tier: the real template on its own emulator, removed afterwards."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local import choice, model, terminal
from local.example import LlmChoice
from local.model import ModelServer
from local.network import free_port
from local.stack import Stack
from tests.e2e.baton import Baton
from tests.e2e.cloud import Cloud
from tests.support.guard import guarded


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running stack on a free port; it is stopped even if the tests are terminated."""
    before = signal.signal(signal.SIGTERM, terminal.interrupt)
    port, home = free_port(), tmp_path_factory.mktemp("stack")
    try:
        with guarded(port, home), Stack(port, home) as up:
            yield up
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.fixture
def baton(stack: Stack) -> Iterator[Baton]:
    """A client of the system."""
    client = Baton(stack.addresses)
    yield client
    client.close()


@pytest.fixture
def cloud(stack: Stack) -> Cloud:
    """The account in which it is deployed."""
    return Cloud(stack.emulator.url)


def pytest_keyboard_interrupt() -> None:
    """Ignore further signals while fixtures stop their processes; xdist sends one after five seconds."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Without an installed model, its tests are not collected; the report's header shows why."""
    return True if model.why_unavailable() and collection_path.name.startswith("test_model_") else None


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlmChoice]:
    """The real model, for the tests that use it."""
    port, home = free_port(), tmp_path_factory.mktemp("model")
    server = ModelServer(home, port)
    with guarded(port, home):
        try:
            server.start()
            yield choice.llm_of_server(server)
        finally:
            server.stop()


@pytest.fixture
def endpoint(served: LlmChoice) -> dict[str, Any]:
    """The fields of an LLM instance that uses it, except the name."""
    return {"provider": "openai", "base_url": served.base_url, "model": served.model}
