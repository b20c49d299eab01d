"""The common form of all problem documents."""

from __future__ import annotations

from tests.support.functions import Answer


def assert_problem(answer: Answer, status: int, slug: str, *words: str) -> None:
    """Assert the status, the type and parts of the detail."""
    assert (answer.status, answer.body["status"], answer.body["type"]) == (status, status, slug)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body["title"]
    for word in words:
        assert word in answer.body["detail"]
