"""One local stack for all tests of this tier: the real template on an emulator of its own, gone afterwards."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from local import terminal
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
