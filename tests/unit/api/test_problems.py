"""Problems: every error that an HTTP client can receive has its status and slug."""

from __future__ import annotations

import json
from typing import Any

import pytest

from baton.api.problems import PROBLEM_JSON, PROBLEM_TYPES, invalid_request, problem_of
from baton.domain.errors import (
    AttemptSuperseded,
    BatonError,
    Conflict,
    ConnectionFailing,
    ConnectionGone,
    Invalid,
    LimitsConflict,
    LlmError,
    LlmRefused,
    NameTaken,
    NotFound,
    PromptTooLong,
    ReferenceMissing,
    ResponseAlreadyStored,
    RunFinished,
    RunNotFinished,
    VersionChanged,
)

NOT_FOR_HTTP = (
    LlmError,
    LimitsConflict,
    PromptTooLong,
    ReferenceMissing,
    ResponseAlreadyStored,
    ConnectionGone,
    ConnectionFailing,
)
"""Met only where a payload is executed or a WebSocket is written to."""


def below(kind: type[BatonError]) -> set[type[BatonError]]:
    direct = set(kind.__subclasses__())
    return direct | {deeper for child in direct for deeper in below(child)}


def test_every_named_error_has_a_problem_or_cannot_reach_an_http_caller() -> None:
    """A new error has to be in PROBLEM_TYPES, be a subclass of one in it, or be named above."""
    ours = {kind for kind in below(BatonError) if kind.__module__ == "baton.domain.errors"}
    undecided = {
        kind for kind in ours if not issubclass(kind, NOT_FOR_HTTP) and not set(kind.__mro__) & set(PROBLEM_TYPES)
    }
    assert undecided == set()
    assert not [kind for kind in PROBLEM_TYPES if issubclass(kind, NOT_FOR_HTTP)]


def test_slugs_are_unique() -> None:
    slugs = [kind.slug for kind in PROBLEM_TYPES.values()]
    assert len(slugs) == len(set(slugs))


@pytest.mark.parametrize(
    ("error", "status", "slug"),
    [
        (NotFound("run", 99), 404, "not-found"),
        (Invalid("payloads", "workflow 7 has none."), 422, "invalid-request"),
        (NameTaken("block", "Greeting", 3), 409, "name-taken"),
        (RunNotFinished(1, "running"), 409, "run-not-finished"),
        (RunFinished(1, "completed"), 409, "run-finished"),
        (AttemptSuperseded("Run 1 is no longer running; read it again."), 409, "run-changed"),
        (VersionChanged("block", 3), 412, "version-changed"),
        (Conflict("It clashes."), 409, "conflict"),
    ],
)
def test_an_error_becomes_a_problem_with_its_own_detail(error: BatonError, status: int, slug: str) -> None:
    answer = problem_of(error)
    body = json.loads(answer.body or "")
    assert (answer.status_code, answer.content_type) == (status, PROBLEM_JSON)
    assert (body["status"], body["type"], body["detail"]) == (status, slug, str(error))
    assert body["title"]


def test_an_error_below_a_listed_one_has_its_problem() -> None:
    class Clash(Conflict):
        pass

    assert json.loads(problem_of(Clash("It clashes.")).body or "")["type"] == "conflict"


@pytest.mark.parametrize("error", [LlmRefused("No."), ResponseAlreadyStored(1), ConnectionGone("ann")])
def test_an_error_without_a_problem_is_raised(error: BatonError) -> None:
    with pytest.raises(type(error)):
        problem_of(error)


def test_every_invalid_field_is_named_by_its_path_without_its_value() -> None:
    found: list[dict[str, Any]] = [
        {"loc": ("body", "blocks", 0), "msg": "Input should be a valid integer", "type": "int_type", "input": "secret"},
        {"loc": ("body", "price", "prompt"), "msg": "Field required", "type": "missing", "input": "secret"},
        {"loc": ("body",), "msg": "Field required", "type": "missing", "input": "secret"},
        {"loc": ("query", "limit"), "msg": "", "type": "greater_than", "input": "secret", "ctx": {"gt": 0}},
    ]
    answer = invalid_request(found, {"blocks": ["secret"], "price": {}})
    body = json.loads(answer.body or "")
    assert [error["field"] for error in body["errors"]] == ["blocks[0]", "price.prompt", "body", "limit"]
    named = [error["message"] for error in body["errors"]]
    assert named[2] == "is missing"
    assert body["detail"] == f"blocks[0]: {named[0]}; price.prompt: {named[1]}; body: is missing (and 1 more)."
    assert answer.status_code == 422
    assert "secret" not in (answer.body or "")
