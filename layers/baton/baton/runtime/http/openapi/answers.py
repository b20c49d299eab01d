"""What a route says of its answers: the part of the OpenAPI document that Python's types have no words for."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from baton.runtime.http.problems import PROBLEM_JSON, PROBLEM_TYPES, ProblemType

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler.openapi.types import OpenAPIResponse

    from baton.domain.errors import BatonError


def answers(status: HTTPStatus, *problems: type[BatonError]) -> dict[int, OpenAPIResponse]:
    """The status of success, whose body is the handler's own type, and the errors that the call may end in.

    Those that any call may end in go without saying: a request that is invalid, too large or not JSON, and a bug.
    """
    success: OpenAPIResponse = {"description": status.phrase}
    if status is HTTPStatus.NO_CONTENT:
        success["content"] = {}
    return {int(status): success, **problem_answers(*(PROBLEM_TYPES[error] for error in problems))}


def problem_answers(*kinds: ProblemType) -> dict[int, OpenAPIResponse]:
    """One entry a status; several problems may share it, and their slugs tell them apart."""
    slugs: dict[HTTPStatus, list[str]] = {}
    for kind in kinds:
        slugs.setdefault(kind.status, []).append(kind.slug)
    return {int(status): _problem_answer(status, sorted(found)) for status, found in slugs.items()}


def _problem_answer(status: HTTPStatus, slugs: list[str]) -> OpenAPIResponse:
    kinds = {"properties": {"type": {"enum": slugs}}}
    return {
        "description": f"{status.phrase}: {', '.join(f'`{slug}`' for slug in slugs)}.",
        "content": {PROBLEM_JSON: {"schema": {"allOf": [{"$ref": "#/components/schemas/Problem"}, kinds]}}},
    }
