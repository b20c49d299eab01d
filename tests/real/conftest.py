"""The stack of the e2e tier, and a real model beside it. `make test-real` builds the model server first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from local.example import LlmChoice
from local.real.server import ModelServer
from tests.e2e.conftest import baton, stack

__all__ = ["baton", "endpoint", "model", "stack"]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlmChoice]:
    """Served while the tests last."""
    with ModelServer(tmp_path_factory.mktemp("model") / "server.log") as server:
        yield server.llm


@pytest.fixture
def endpoint(model: LlmChoice) -> dict[str, Any]:
    """What an LLM instance of it says, beside its name."""
    return {"provider": "openai", "base_url": model.base_url, "model": model.model}
