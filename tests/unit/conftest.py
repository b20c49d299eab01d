"""Unit tests connect to nothing outside their process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_socket import disable_socket, enable_socket


@pytest.fixture(autouse=True)
def _no_sockets(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests of the LLM adapters connect to their own endpoint on this machine."""
    if "adapters" in request.node.path.parts:
        yield
        return
    disable_socket()
    yield
    enable_socket()
