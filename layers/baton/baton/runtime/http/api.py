"""The resolver that both HTTP functions share: validation by type, and every error a problem."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from baton.domain.errors import BatonError, Invalid
from baton.runtime.http.budget import is_too_large
from baton.runtime.http.catalog_models import Stored
from baton.runtime.http.fields import Answer
from baton.runtime.http.problems import (
    INTERNAL,
    NO_SUCH_CALL,
    PROBLEM_JSON,
    TOO_LARGE,
    UNKNOWN_TYPE,
    invalid_request,
    problem,
    problem_of,
)
from baton.runtime.logging import log_error, logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

JSON = "application/json"


def new_api() -> APIGatewayHttpResolver:
    """An API without routes."""
    api = APIGatewayHttpResolver(enable_validation=True, serializer=_to_json, json_body_deserializer=_from_json)

    api.not_found(lambda _: _no_such_call(api.current_event.http_method, api.current_event.path))
    api.exception_handler(RequestValidationError)(_invalid)
    api.exception_handler(BatonError)(problem_of)
    api.exception_handler([RecursionError, UnicodeDecodeError])(_unreadable)
    api.exception_handler(Exception)(_bug)
    return api


def _no_such_call(method: str, path: str) -> Response[str]:
    return problem(NO_SUCH_CALL, f"There is no {method} {path}.")


def _invalid(error: RequestValidationError) -> Response[str]:
    """Powertools raises the same error for an answer of ours that is not of its type: a bug, not the client's fault."""
    found = error.errors()
    return _bug(error) if any(entry["loc"][0] == "response" for entry in found) else invalid_request(found)


def _unreadable(_: Exception) -> Response[str]:
    return problem_of(Invalid("body", "is nested too deeply, or not UTF-8."))


def _bug(error: Exception) -> Response[str]:
    log_error("request failed", error)
    return problem(INTERNAL, "Something went wrong on our side; the function's log says what.")


def _to_json(body: Any) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def _from_json(body: str) -> Any:
    """Only what JSON and UTF-8 can carry: Python would also read ``NaN`` and half of a surrogate pair.

    No call takes a list, of which Powertools would pick the first entry.

    :raises Invalid: for these.
    """
    value = json.loads(body, parse_constant=_no_constant, parse_float=_finite, parse_int=_not_endless)
    if isinstance(value, list):
        raise Invalid("body", "is not a JSON object.")
    if "\\ud" in body.lower() and not _is_unicode(_to_json(value)):
        raise Invalid("body", "holds half of a surrogate pair, which is no character.")
    return value


def _no_constant(name: str) -> None:
    raise Invalid("body", f"holds {name}, which is not a number in JSON.")


def _finite(text: str) -> float:
    if math.isinf(number := float(text)):
        raise Invalid("body", f"holds {text[:50]}, which is too large for a number.")
    return number


def _not_endless(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise Invalid("body", f"holds a number of {len(text):,} digits; at most {MOST_DIGITS} are taken.")
    return int(text)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestBody:
    """What the body of a request may be."""

    media_types: frozenset[str]
    max_bytes: int


MOST_DIGITS = 1000
JSON_BODY = RequestBody(media_types=frozenset({JSON}), max_bytes=1_000_000)


def answer(
    api: APIGatewayHttpResolver,
    event: dict[str, Any],
    context: LambdaContext,
    bodies: Mapping[str, RequestBody] = MappingProxyType({}),
) -> dict[str, Any]:
    """Resolve one request of an HTTP API (payload format 2.0), and say how it went in the log.

    ``bodies`` has the paths that take something else than JSON of the usual size.
    """
    request = event["requestContext"]["http"]
    refused = _refusal(event, bodies.get(request["path"], JSON_BODY))
    if refused is not None:
        reply = _reply(refused)
    else:
        reply = api.resolve(_with_plain_media_type(event), context)
        reply["body"] = reply.get("body") or ""  # an answer without a body has an empty one
        if is_too_large(reply["body"]):
            reply = _reply(problem(INTERNAL, "The answer is more than the 6 MB that can be sent."))
    logger.info("request answered", method=request["method"], path=request["path"], status=reply["statusCode"])
    return reply


def _reply(refused: Response[str]) -> dict[str, Any]:
    return {"statusCode": refused.status_code, "body": refused.body, "headers": {"Content-Type": PROBLEM_JSON}}


def found[T: Stored](body: T) -> Response[T]:
    """200, and the version that an edit can be meant for."""
    return _with_status(HTTPStatus.OK, body, {"ETag": f'"{body.version}"'})


def created[T: Stored](body: T, path: str) -> Response[T]:
    """201, where the new definition is, and its version."""
    return _with_status(HTTPStatus.CREATED, body, {"Location": f"{path}/{body.id}", "ETag": f'"{body.version}"'})


def accepted[T: Answer](body: T) -> Response[T]:
    """202: it goes on in the background."""
    return _with_status(HTTPStatus.ACCEPTED, body, {})


def no_content() -> Response[None]:
    """204."""
    return Response(status_code=int(HTTPStatus.NO_CONTENT))


def _with_status[T: Answer](status: HTTPStatus, body: T, headers: dict[str, str | list[str]]) -> Response[T]:
    return Response(status_code=int(status), content_type="application/json", body=body, headers=headers)


def _refusal(event: dict[str, Any], expected: RequestBody) -> Response[str] | None:
    """What no call takes, whatever its route; ``None`` if the request is fine so far."""
    body = event.get("body") or ""
    size = len(body) * 3 // 4 if event.get("isBase64Encoded") else len(body.encode(errors="surrogatepass"))
    if size > expected.max_bytes:
        return problem(TOO_LARGE, f"body: {size:,} bytes; at most {expected.max_bytes:,} are taken.")
    media_type = _media_type(event)
    if body and media_type not in expected.media_types:
        known = " or ".join(f"'Content-Type: {known}'" for known in sorted(expected.media_types))
        return problem(UNKNOWN_TYPE, f"body: is {media_type[:100]!r}; send it with {known}.")
    return None


def _with_plain_media_type(event: dict[str, Any]) -> dict[str, Any]:
    """Powertools compares the type letter by letter, and wants to know it even where there is no body."""
    if event.get("body") and _media_type(event) != JSON:
        return event
    return {**event, "headers": {**event.get("headers", {}), "content-type": JSON}}


def _media_type(event: dict[str, Any]) -> str:
    said: str = event.get("headers", {}).get("content-type", JSON)
    return said.partition(";")[0].strip().lower()
