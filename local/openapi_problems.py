"""The problems in the OpenAPI document. The examples are made by the code that makes the functions' problems."""

import json
import re
from collections.abc import Sequence
from typing import Any

from aws_lambda_powertools.event_handler import Response
from pydantic import TypeAdapter

from baton.api import problems
from baton.api.openapi.responses import problem_responses
from baton.domain import errors
from baton.domain.field_errors import FieldError
from baton.domain.files.workflow_files import BrokenFile
from baton.domain.kinds import Referrer

MEDIA_TYPE = problems.PROBLEM_JSON
METHODS_WITH_A_BODY = ("post", "put")

COMMON_PROBLEMS = (problems.METHOD_NOT_ALLOWED, problems.UNKNOWN_TYPE, problems.TOO_LARGE, problems.INTERNAL)

type Json = dict[str, Any]


def schema() -> Json:
    """The schema of the body that ``problems.problem`` returns."""
    text = {"type": "string"}
    error = {
        "type": "object",
        "properties": {
            "field": {**text, "description": "The invalid field, such as `blocks[0]`."},
            "line": {"type": ["integer", "null"], "description": "The line in a workflow file, if it is known."},
            "message": text,
        },
        "required": ["field", "message"],
    }
    return {
        "title": "Problem",
        "description": "An error, in the format of RFC 9457.",
        "type": "object",
        "properties": {
            "type": {
                "enum": sorted({kind.slug for kind in every_kind()}),
                "description": "Stable: distinguish problems by it.",
            },
            "title": {**text, "description": "The type as a text."},
            "status": {"type": "integer", "description": "The HTTP status."},
            "detail": {**text, "description": "A sentence for people that describes the error."},
            "errors": {"type": "array", "items": error, "description": "All invalid fields (`invalid-request`)."},
            "holder": {"type": "integer", "description": "The id of the definition that has the name (`name-taken`)."},
            "users": {
                "type": "array",
                "items": TypeAdapter(Referrer).json_schema(),
                "description": "The definitions that refer to it, at most 100 (`in-use`).",
            },
        },
        "required": ["type", "title", "status", "detail"],
    }


def every_kind() -> Sequence[problems.ProblemType]:
    return (*problems.PROBLEM_TYPES.values(), problems.NO_SUCH_CALL, *COMMON_PROBLEMS)


def shared_responses() -> Json:
    """The problems that are the same for every call, by their slugs."""
    return {kind.slug: with_examples(kind, path="", method="")[str(int(kind.status))] for kind in COMMON_PROBLEMS}


def with_common_problems(path: str, method: str, responses: Json, *, has_input: bool) -> Json:
    """A call's own responses, with the problems that any call may return."""
    own = {slug for response in responses.values() for slug in slugs(response)}
    if has_input:
        own.add(problems.PROBLEM_TYPES[errors.Invalid].slug)
    if "{" in path:
        own.add(problems.NO_SUCH_CALL.slug)  # an id may contain a character that no path allows
    shared = {problems.INTERNAL}
    if method in METHODS_WITH_A_BODY:
        shared |= {problems.TOO_LARGE, problems.UNKNOWN_TYPE}
    return {
        **responses,
        **with_examples(*(kind for kind in every_kind() if kind.slug in own), path=path, method=method),
        **{str(int(kind.status)): {"$ref": f"#/components/responses/{kind.slug}"} for kind in shared},
    }


def with_examples(*kinds: problems.ProblemType, path: str, method: str) -> Json:
    made = {str(status): json.loads(json.dumps(response)) for status, response in problem_responses(*kinds).items()}
    for response in made.values():
        shown = {slug: {"value": example(slug, path, method)} for slug in slugs(response)}
        response["content"][MEDIA_TYPE]["examples"] = shown
    return made


def slugs(response: Json) -> list[str]:
    """The types of the problems that a response may contain."""
    content = response.get("content", {}).get(MEDIA_TYPE)
    return [str(slug) for slug in content["schema"]["allOf"][1]["properties"]["type"]["enum"]] if content else []


def example(slug: str, path: str, method: str) -> Json:
    if slug == "invalid-request":
        return body(invalid(path, method))
    if slug == "not-found":
        return body(problems.problem_of(errors.NotFound(subject(path), 9)))
    if slug == "no-such-call":
        return body(problems.problem(problems.NO_SUCH_CALL, f"There is no {method.upper()} /api/nothing."))
    return body(EXAMPLES[slug])


def invalid(path: str, method: str) -> Response[str]:
    if path.endswith("/import"):
        error = FieldError(path=("payloads", 1, "temperature"), line=12, detail="should be a number")
        return problems.problem_of(BrokenFile([error]))
    if method in METHODS_WITH_A_BODY:
        return problems.invalid_request([{"type": "extra_forbidden", "loc": ("body", "titel")}], {"titel": ""})
    name = "".join(re.findall(r"{(\w+)}", path)) or "limit"
    return problems.invalid_request([{"type": "greater_than_equal", "loc": ("path", name), "ctx": {"ge": 1}}])


def subject(path: str) -> str:
    """The kind of object that the id in a path belongs to."""
    name = "".join(re.findall(r"{(\w+)_id}", path))
    return "LLM instance" if name == "instance" else name


def body(response: Response[str]) -> Json:
    return dict(json.loads(str(response.body)))


REFERRER = Referrer(kind="PAYLOAD", id=2, name="facts")
EXAMPLES = {
    "version-changed": problems.problem_of(errors.VersionChanged("block", 1)),
    "in-use": problems.problem_of(errors.InUse([REFERRER])),
    "name-taken": problems.problem_of(errors.NameTaken("block", "Greeting", 1)),
    "run-not-finished": problems.problem_of(errors.RunNotFinished(1, "running")),
    "run-finished": problems.problem_of(errors.RunFinished(1, "completed")),
    "run-changed": problems.problem_of(errors.AttemptSuperseded("Run 1 is no longer running; read it again.")),
    "conflict": problems.problem_of(errors.LedgerConflict()),
    "method-not-allowed": problems.problem(
        problems.METHOD_NOT_ALLOWED, "/api/blocks does not support PATCH; it supports GET, HEAD, POST, OPTIONS."
    ),
    "unknown-media-type": problems.problem(problems.UNKNOWN_TYPE, "body: is 'text/plain'; send it as JSON."),
    "too-large": problems.problem(problems.TOO_LARGE, "body: 1,000,001 bytes; at most 1,000,000 are allowed."),
    "internal-error": problems.problem(problems.INTERNAL, "An unexpected error occurred; see the function's log."),
}
