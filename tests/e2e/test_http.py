"""HTTP through API Gateway: methods, trailing slashes and health, for paths of every function."""

from __future__ import annotations

import pytest

from tests.e2e.baton import Baton

PAGES = ("/health", "/docs", "/openapi.json", "/schemas/workflow.json", "/api/blocks", "/api/runs")


@pytest.mark.parametrize("path", PAGES)
def test_head_is_supported_on_every_path_with_get(baton: Baton, path: str) -> None:
    head, got = baton.send("HEAD", path), baton.send("GET", path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"] == got.headers["Content-Type"]


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PATCH", "/api/blocks", "GET, HEAD, POST, OPTIONS"),
        ("PUT", "/api/blocks", "GET, HEAD, POST, OPTIONS"),
        ("POST", "/api/blocks/1", "GET, HEAD, PUT, DELETE, OPTIONS"),
        ("DELETE", "/api/runs", "GET, HEAD, OPTIONS"),
        ("GET", "/api/execute/workflow/1", "POST, OPTIONS"),
        ("POST", "/health", "GET, HEAD, OPTIONS"),
    ],
)
def test_an_unsupported_method_is_a_405_problem(baton: Baton, method: str, path: str, allow: str) -> None:
    answer = baton.send(method, path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, allow)
    assert answer.json()["type"] == "method-not-allowed"


@pytest.mark.parametrize("path", ["/api/blocks", "/api/runs", "/api/llm/instances", "/schemas/workflow.json", "/docs"])
def test_a_trailing_slash_is_ignored(baton: Baton, path: str) -> None:
    """For some of these the emulator does not know the function; the answer then redirects to the path without it."""
    with_slash, without = baton.send("GET", f"{path}/"), baton.send("GET", path)
    assert (with_slash.status_code, with_slash.text) == (200, without.text)


def test_a_block_can_be_created_and_replaced_with_a_trailing_slash(baton: Baton) -> None:
    created = baton.send("POST", "/api/blocks/", json={"title": "With a slash", "content": "c"})
    assert created.status_code == 201
    assert baton.call("PUT", f"/api/blocks/{created.json()['id']}/", created.json())["version"] == 2
