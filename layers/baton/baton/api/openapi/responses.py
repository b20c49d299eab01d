"""The responses of a route in the OpenAPI document, as far as Python's types don't describe them."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from baton.api.problems import PROBLEM_JSON, PROBLEM_TYPES, ProblemType

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler.openapi.types import OpenAPIResponse

    from baton.domain.errors import BatonError

SCHEMAS = "#/components/schemas/"


def responses_of(
    status: HTTPStatus, *problems: type[BatonError], content: dict[str, Any] | None = None
) -> dict[int, OpenAPIResponse]:
    """The status of success, and the errors that the call may return.

    The body has the type that the handler returns, unless ``content`` describes another one. Errors that any call may
    return are added for all routes: an invalid or too large request, an unknown media type, an internal error.
    """
    success: OpenAPIResponse = {"description": status.phrase}
    if status is HTTPStatus.NO_CONTENT or content:
        success["content"] = content or {}
    return {int(status): success, **problem_responses(*(PROBLEM_TYPES[error] for error in problems))}


def content_of(model: str, *media_types: str) -> dict[str, Any]:
    """A body that Powertools does not validate, by the name of its type in the document."""
    return {media_type: {"schema": {"$ref": f"{SCHEMAS}{model}"}} for media_type in media_types}


def problem_responses(*kinds: ProblemType) -> dict[int, OpenAPIResponse]:
    """One entry per status. Several problems may have the same status; their slugs distinguish them."""
    slugs: dict[HTTPStatus, list[str]] = {}
    for kind in kinds:
        slugs.setdefault(kind.status, []).append(kind.slug)
    return {int(status): _problem_response(status, sorted(found)) for status, found in slugs.items()}


def _problem_response(status: HTTPStatus, slugs: list[str]) -> OpenAPIResponse:
    kinds = {"properties": {"type": {"enum": slugs}}}
    return {
        "description": f"{status.phrase}: {', '.join(f'`{slug}`' for slug in slugs)}.",
        "content": {PROBLEM_JSON: {"schema": {"allOf": [{"$ref": f"{SCHEMAS}Problem"}, kinds]}}},
    }
