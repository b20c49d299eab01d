"""One local stack for all tests of this tier: the real template on an emulator of its own, gone afterwards."""

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


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Up, on a free port; its end is sure even if the tests are terminated."""
    before = signal.signal(signal.SIGTERM, terminal.interrupt)
    try:
        with Stack(free_port(), tmp_path_factory.mktemp("stack")) as up:
            yield up
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.fixture
def baton(stack: Stack) -> Iterator[Baton]:
    """The system as its clients see it."""
    client = Baton(stack.addresses)
    yield client
    client.close()


@pytest.fixture
def cloud(stack: Stack) -> Cloud:
    """The account in which it is deployed."""
    return Cloud(stack.emulator.url)


def pytest_keyboard_interrupt() -> None:
    """Another signal does not stop the fixtures from ending their processes; xdist sends one after five seconds."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Where the model can't be installed, there is nothing to test of it; the report's header says so."""
    return True if model.why_unavailable() and collection_path.name.startswith("test_model_") else None


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlmChoice]:
    """The real model, while the tests of it last."""
    server = ModelServer(tmp_path_factory.mktemp("model"), free_port())
    try:
        server.start()
        yield choice.of_model(server)
    finally:
        server.stop()


@pytest.fixture
def endpoint(served: LlmChoice) -> dict[str, Any]:
    """What an LLM instance of it says, beside its name."""
    return {"provider": "openai", "base_url": served.base_url, "model": served.model}
