"""An LLM instance of a real server, checked before it is used."""

from __future__ import annotations

from typing import Any

from tests.e2e.baton import Baton


def test_a_check_lists_the_served_model(baton: Baton, endpoint: dict[str, Any]) -> None:
    llm = baton.instance("real and checked", **endpoint)
    found = baton.call("POST", f"/api/llm/instances/{llm}/test")

    assert found["connected"] is True
    assert found["models"] == [endpoint["model"]]
    assert found["model_listed"] is True
    assert found["error"] is None


def test_a_check_says_that_the_model_is_not_served(baton: Baton, endpoint: dict[str, Any]) -> None:
    llm = baton.instance("real but misnamed", **endpoint | {"model": "no-such-model"})
    found = baton.call("POST", f"/api/llm/instances/{llm}/test")

    assert (found["connected"], found["model_listed"]) == (True, False)
