"""How calls end when they don't succeed, for the OpenAPI document; the examples are what the functions would answer."""

import json
import re
from collections.abc import Sequence
from typing import Any

from aws_lambda_powertools.event_handler import Response
from pydantic import TypeAdapter

from baton.api import problems
from baton.api.openapi.answers import problem_answers
from baton.domain import errors
from baton.domain.files.workflow_files import BrokenFile, FieldError
from baton.domain.kinds import Referrer

MEDIA_TYPE = problems.PROBLEM_JSON
METHODS_WITH_A_BODY = ("post", "put")

OF_ANY_CALL = (problems.METHOD_NOT_ALLOWED, problems.UNKNOWN_TYPE, problems.TOO_LARGE, problems.INTERNAL)

type Json = dict[str, Any]


def schema() -> Json:
    """A body of ``problems.problem``."""
    text = {"type": "string"}
    error = {
        "type": "object",
        "properties": {
            "field": {**text, "description": "Where, such as `blocks[0]`."},
            "line": {"type": ["integer", "null"], "description": "Of a workflow file, where it is known."},
            "message": text,
        },
        "required": ["field", "message"],
    }
    return {
        "title": "Problem",
        "description": "What went wrong, as RFC 9457 has it.",
        "type": "object",
        "properties": {
            "type": {"enum": sorted({kind.slug for kind in every_kind()}), "description": "Stable; go by it."},
            "title": {**text, "description": "The type in words."},
            "status": {"type": "integer", "description": "The HTTP status."},
            "detail": {**text, "description": "A sentence for a person, which names what is wrong."},
            "errors": {"type": "array", "items": error, "description": "Every wrong field (`invalid-request`)."},
            "holder": {"type": "integer", "description": "The id of what has the name (`name-taken`)."},
            "users": {
                "type": "array",
                "items": TypeAdapter(Referrer).json_schema(),
                "description": "What refers to it, the first ones if there are many (`in-use`).",
            },
        },
        "required": ["type", "title", "status", "detail"],
    }


def every_kind() -> Sequence[problems.ProblemType]:
    return (*problems.PROBLEM_TYPES.values(), problems.NO_SUCH_CALL, *OF_ANY_CALL)


def shared_responses() -> Json:
    """The problems that are the same for every call, by their slugs."""
    return {kind.slug: with_examples(kind, path="", method="")[str(int(kind.status))] for kind in OF_ANY_CALL}


def with_common_problems(path: str, method: str, responses: Json, *, has_input: bool) -> Json:
    """A call's own answers, and the problems that it may have whatever it does."""
    own = {slug for answer in responses.values() for slug in slugs(answer)}
    if has_input:
        own.add(problems.PROBLEM_TYPES[errors.Invalid].slug)
    if "{" in path:
        own.add(problems.NO_SUCH_CALL.slug)  # an id with a character that no path of ours can have
    shared = {problems.INTERNAL}
    if method in METHODS_WITH_A_BODY:
        shared |= {problems.TOO_LARGE, problems.UNKNOWN_TYPE}
    return {
        **responses,
        **with_examples(*(kind for kind in every_kind() if kind.slug in own), path=path, method=method),
        **{str(int(kind.status)): {"$ref": f"#/components/responses/{kind.slug}"} for kind in shared},
    }


def with_examples(*kinds: problems.ProblemType, path: str, method: str) -> Json:
    made = {str(status): json.loads(json.dumps(answer)) for status, answer in problem_answers(*kinds).items()}
    for answer in made.values():
        shown = {slug: {"value": example(slug, path, method)} for slug in slugs(answer)}
        answer["content"][MEDIA_TYPE]["examples"] = shown
    return made


def slugs(answer: Json) -> list[str]:
    """The problems that an answer may be."""
    said = answer.get("content", {}).get(MEDIA_TYPE)
    return [str(slug) for slug in said["schema"]["allOf"][1]["properties"]["type"]["enum"]] if said else []


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
        fault = FieldError(path=("payloads", 1, "temperature"), line=12, detail="should be a number")
        return problems.problem_of(BrokenFile([fault]))
    if method in METHODS_WITH_A_BODY:
        return problems.invalid_request([{"type": "extra_forbidden", "loc": ("body", "titel")}], {"titel": ""})
    name = "".join(re.findall(r"{(\w+)}", path)) or "limit"
    return problems.invalid_request([{"type": "greater_than_equal", "loc": ("path", name), "ctx": {"ge": 1}}])


def subject(path: str) -> str:
    """What the id in a path is the id of."""
    name = "".join(re.findall(r"{(\w+)_id}", path))
    return "LLM instance" if name == "instance" else name


def body(answer: Response[str]) -> Json:
    return dict(json.loads(str(answer.body)))


USER = Referrer(kind="PAYLOAD", id=2, name="facts")
EXAMPLES = {
    "version-changed": problems.problem_of(errors.VersionChanged("block", 1)),
    "in-use": problems.problem_of(errors.InUse([USER])),
    "name-taken": problems.problem_of(errors.NameTaken("block", "Greeting", 1)),
    "run-not-finished": problems.problem_of(errors.RunNotFinished(1, "running")),
    "run-finished": problems.problem_of(errors.RunFinished(1, "completed")),
    "run-changed": problems.problem_of(errors.AttemptSuperseded("Run 1 is no longer running; look at it again.")),
    "conflict": problems.problem_of(errors.LedgerConflict()),
    "method-not-allowed": problems.problem(
        problems.METHOD_NOT_ALLOWED, "/api/blocks does not take PATCH; it takes GET, HEAD, POST, OPTIONS."
    ),
    "unknown-media-type": problems.problem(problems.UNKNOWN_TYPE, "body: is 'text/plain'; send it as JSON."),
    "too-large": problems.problem(problems.TOO_LARGE, "body: 1,000,001 bytes; at most 1,000,000 are taken."),
    "internal-error": problems.problem(problems.INTERNAL, "Something went wrong on our side."),
}
