"""Errors as RFC 9457 problem details (https://www.rfc-editor.org/rfc/rfc9457).

``type`` is a stable slug: clients distinguish problems by it, never by ``detail``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from aws_lambda_powertools.event_handler import Response

from baton.api.validation import detail_of, field_errors
from baton.domain.errors import (
    AttemptSuperseded,
    BatonError,
    Conflict,
    InUse,
    Invalid,
    NameTaken,
    NotFound,
    RunFinished,
    RunNotFinished,
    VersionChanged,
)
from baton.domain.field_errors import FieldError
from baton.domain.files.workflow_files import BrokenFile

MAX_LISTED = 100
MAX_CHARACTERS = 1000
"""Maximum length of one text in a problem."""

PROBLEM_JSON = "application/problem+json"
MAX_IN_DETAIL = 3
"""Maximum number of invalid fields in ``detail``; ``errors`` lists more."""


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One kind of problem."""

    status: HTTPStatus
    slug: str
    title: str


PROBLEM_TYPES: dict[type[BatonError], ProblemType] = {
    NotFound: ProblemType(HTTPStatus.NOT_FOUND, "not-found", "Not found"),
    Invalid: ProblemType(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", "Invalid request"),
    VersionChanged: ProblemType(HTTPStatus.PRECONDITION_FAILED, "version-changed", "Version changed"),
    InUse: ProblemType(HTTPStatus.CONFLICT, "in-use", "In use"),
    NameTaken: ProblemType(HTTPStatus.CONFLICT, "name-taken", "Name taken"),
    RunNotFinished: ProblemType(HTTPStatus.CONFLICT, "run-not-finished", "Run not finished"),
    RunFinished: ProblemType(HTTPStatus.CONFLICT, "run-finished", "Run finished"),
    AttemptSuperseded: ProblemType(HTTPStatus.CONFLICT, "run-changed", "Run changed"),
    Conflict: ProblemType(HTTPStatus.CONFLICT, "conflict", "Conflict"),
}
"""The problem type of each error that a use case may raise; any other error is a bug and returns 500."""

METHOD_NOT_ALLOWED = ProblemType(HTTPStatus.METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed")
NO_SUCH_CALL = ProblemType(HTTPStatus.NOT_FOUND, "no-such-call", "No such call")
UNKNOWN_TYPE = ProblemType(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unknown-media-type", "Unknown media type")
TOO_LARGE = ProblemType(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", "Request too large")
INTERNAL = ProblemType(HTTPStatus.INTERNAL_SERVER_ERROR, "internal-error", "Internal error")


def problem(
    kind: ProblemType, detail: str, *, headers: Mapping[str, str] = MappingProxyType({}), **more: Any
) -> Response[str]:
    """The response for a problem; ``more`` are the extension members of RFC 9457."""
    body = {"type": kind.slug, "title": kind.title, "status": int(kind.status), "detail": detail, **more}
    text = json.dumps({name: _shortened(value) for name, value in body.items()}, ensure_ascii=False)
    return Response(status_code=int(kind.status), content_type=PROBLEM_JSON, body=text, headers={**headers})


def _shortened(value: Any) -> Any:
    """A problem repeats names from the request, which may be as long as the request."""
    match value:
        case str() if len(value) > MAX_CHARACTERS:
            return f"{value[:MAX_CHARACTERS]}…"
        case list():
            return [_shortened(entry) for entry in value[:MAX_LISTED]]
        case dict():
            return {name: _shortened(entry) for name, entry in value.items()}
        case _:
            return value


def problem_of(error: BatonError) -> Response[str]:
    """The response for an error, by its nearest class in ``PROBLEM_TYPES``."""
    kind = next((PROBLEM_TYPES[cls] for cls in type(error).__mro__ if cls in PROBLEM_TYPES), None)
    if kind is None:
        raise error
    return problem(kind, str(error), **_extension(error))


def _extension(error: BatonError) -> dict[str, Any]:
    """Details in a form that programs can use."""
    match error:
        case NameTaken():
            return {"holder": error.holder}
        case BrokenFile():
            found = error.errors[:MAX_LISTED]
            return {"errors": [{"field": f.field, "line": f.line, "message": f.detail} for f in found]}
        case InUse():
            return {"users": [asdict(user) for user in error.referrers[:MAX_LISTED]]}
        case _:
            return {}


def invalid_request(errors: Sequence[Mapping[str, Any]], sent: Any = None) -> Response[str]:
    """The response for pydantic's errors: every invalid field and its error, never its value.

    ``sent`` is the body; it decides which parts of pydantic's locations name a field.
    """
    in_body = [{**entry, "loc": entry["loc"][1:]} for entry in errors if entry["loc"][0] == "body"]
    others = [
        FieldError(path=entry["loc"][1:], detail=detail_of(entry)) for entry in errors if entry["loc"][0] != "body"
    ]
    return invalid_fields([*field_errors(in_body, sent), *others])


def invalid_fields(found: Sequence[FieldError]) -> Response[str]:
    """The response for invalid fields, parameters or headers."""
    errors = [{"field": error.field if error.path else "body", "message": error.detail} for error in found]
    detail = "; ".join(f"{error['field']}: {error['message']}" for error in errors[:MAX_IN_DETAIL])
    more = f" (and {len(errors) - MAX_IN_DETAIL} more)" if len(errors) > MAX_IN_DETAIL else ""
    return problem(PROBLEM_TYPES[Invalid], f"{detail}{more}.", errors=errors[:MAX_LISTED])
