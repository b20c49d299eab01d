"""HTTP through API Gateway: methods, slashes and the page of health, whichever function has the path."""

from __future__ import annotations

import pytest

from tests.e2e.baton import Baton

PAGES = ("/health", "/docs", "/openapi.json", "/schemas/workflow.json", "/api/blocks", "/api/runs")


@pytest.mark.parametrize("path", PAGES)
def test_head_is_answered_wherever_get_is(baton: Baton, path: str) -> None:
    head, got = baton.ask("HEAD", path), baton.ask("GET", path)
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
def test_a_wrong_method_is_a_405_in_our_own_form(baton: Baton, method: str, path: str, allow: str) -> None:
    answer = baton.ask(method, path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, allow)
    assert answer.json()["type"] == "method-not-allowed"


@pytest.mark.parametrize("path", ["/api/blocks", "/api/runs", "/api/llm/instances", "/schemas/workflow.json", "/docs"])
def test_a_slash_at_the_end_is_no_other_path(baton: Baton, path: str) -> None:
    """The emulator does not know the function of some of these, and then the answer leads to the path without it."""
    with_slash, without = baton.ask("GET", f"{path}/"), baton.ask("GET", path)
    assert (with_slash.status_code, with_slash.text) == (200, without.text)


def test_a_block_can_be_created_with_a_slash_and_put_back_as_it_was_read(baton: Baton) -> None:
    created = baton.ask("POST", "/api/blocks/", json={"title": "With a slash", "content": "c"})
    assert created.status_code == 201
    assert baton.call("PUT", f"/api/blocks/{created.json()['id']}/", created.json())["version"] == 2
