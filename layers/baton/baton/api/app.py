"""The resolver that both HTTP functions share: validation by type, and every error a problem."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from baton.api import methods, queries, request_bodies
from baton.api.bodies.definitions import Stored
from baton.api.bodies.fields import View
from baton.api.budget import sendable
from baton.api.methods import Api, as_get, plain_path
from baton.api.problems import INTERNAL, invalid_request, problem, problem_of, wrong_fields
from baton.api.request_bodies import JSON, JSON_BODY, RequestBody, from_json
from baton.domain.errors import BatonError, Invalid
from baton.runtime.logging import log_error, logger

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler.api_gateway import Route, Router
    from aws_lambda_powertools.utilities.typing import LambdaContext


def new_api(*routers: Router) -> Api:
    """An API with the routes of these routers."""
    api = Api(enable_validation=True, serializer=_to_json, json_body_deserializer=from_json)

    def invalid(error: RequestValidationError) -> Response[str]:
        """Powertools raises the same error for an answer of ours that is not of its type: our bug."""
        errors = error.errors()
        if any(entry["loc"][0] == "response" for entry in errors):
            return _bug(error)
        in_body = any(entry["loc"][0] == "body" for entry in errors)
        return invalid_request(errors, api.current_event.json_body if in_body else None)

    api.exception_handler(RequestValidationError)(invalid)
    api.exception_handler(BatonError)(problem_of)
    api.exception_handler(RecursionError)(_too_deep)
    api.exception_handler(Exception)(_bug)
    for router in routers:
        api.include_router(router)
    return api


def new_router() -> Router:
    """Routes that :func:`new_api` takes."""
    return APIGatewayHttpRouter()  # type: ignore[no-untyped-call]  # Powertools gives it no types


def _too_deep(_: Exception) -> Response[str]:
    return problem_of(Invalid("body", "is nested too deeply."))


def _bug(error: Exception) -> Response[str]:
    log_error("request failed", error)
    return problem(INTERNAL, "Something went wrong on our side; the function's log says what.")


def _to_json(body: Any) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def respond(
    api: Api,
    event: dict[str, Any],
    context: LambdaContext,
    bodies: Mapping[str, RequestBody] = MappingProxyType({}),
) -> dict[str, Any]:
    """Resolve one request of an HTTP API (payload format 2.0), and say how it went in the log.

    ``bodies`` has the paths that take something else than JSON of the usual size.
    """
    method, path = _asked(event)
    reply = _finished(_reply(api, event, context, bodies), method)
    logger.info("request answered", method=method, path=path, status=reply["statusCode"])
    return reply


def _asked(event: Mapping[str, Any]) -> tuple[str, str]:
    return event["requestContext"]["http"]["method"].upper(), event["rawPath"]


def _reply(
    api: Api, event: dict[str, Any], context: LambdaContext, bodies: Mapping[str, RequestBody]
) -> dict[str, Any]:
    """What API Gateway is answered, as if a HEAD were a GET."""
    method, path = _asked(event)
    routes = api.routes_at(plain_path(path))
    expected = bodies.get(plain_path(path), JSON_BODY)
    refused = methods.refusal(method, path, routes, event.get("rawQueryString", ""))
    refused = refused or request_bodies.refusal(event, expected)
    if refused is None and (faults := queries.faults(queries.given(event), _known(routes[as_get(method)]))):
        refused = wrong_fields(faults)
    try:
        return _as_reply(refused) if refused else api.resolve(_plain(request_bodies.readable(event)), context)
    except Invalid as error:  # of a body that can't be read
        return _as_reply(problem_of(error))


def _known(route: Route) -> list[str]:
    return [parameter.alias for parameter in route.dependant.query_params]


def _as_reply(response: Response[Any]) -> dict[str, Any]:
    content_type = {"Content-Type": response.content_type} if response.content_type else {}
    return {
        "statusCode": response.status_code,
        "headers": {**response.headers, **content_type},
        "body": response.body,
        "isBase64Encoded": False,
    }


def _plain(event: dict[str, Any]) -> dict[str, Any]:
    """What Powertools compares letter by letter, in the letters that it knows.

    It also wants a media type where there is no body.
    """
    http = event["requestContext"]["http"]
    plain = plain_path(event["rawPath"])
    asked = {**http, "method": as_get(http["method"].upper()), "path": plain}
    is_json = not event.get("body") or request_bodies.media_type(event) == JSON
    return {
        **event,
        "rawPath": plain,
        "requestContext": {**event["requestContext"], "http": asked},
        "headers": {**event.get("headers", {}), **({"content-type": JSON} if is_json else {})},
    }


def _finished(reply: dict[str, Any], method: str) -> dict[str, Any]:
    """An answer without a body has an empty one; HEAD says only how long it would be."""
    whole = {**reply, "body": reply.get("body") or "", "isBase64Encoded": bool(reply.get("isBase64Encoded"))}
    sent = sendable(whole)
    if sent is None:
        sent = _as_reply(problem(INTERNAL, "The answer is more than the 6 MB that can be sent."))
    if method not in ("GET", "HEAD"):
        return sent
    length = len(base64.b64decode(sent["body"])) if sent["isBase64Encoded"] else len(sent["body"].encode())
    headers = {**sent["headers"], "Content-Length": str(length)}
    if method == "GET":
        return {**sent, "headers": headers}
    return {**sent, "headers": headers, "body": "", "isBase64Encoded": False}


def found[T: Stored](body: T) -> Response[T]:
    """200, and the version that an edit can be meant for."""
    return _with_status(HTTPStatus.OK, body, {"ETag": f'"{body.version}"'})


def created[T: Stored](body: T, path: str) -> Response[T]:
    """201, where the new definition is, and its version."""
    return _with_status(HTTPStatus.CREATED, body, {"Location": f"{path}/{body.id}", "ETag": f'"{body.version}"'})


def accepted[T: View](body: T) -> Response[T]:
    """202: it goes on in the background."""
    return _with_status(HTTPStatus.ACCEPTED, body, {})


def no_content() -> Response[None]:
    """204."""
    return Response(status_code=int(HTTPStatus.NO_CONTENT))


def _with_status[T: View](status: HTTPStatus, body: T, headers: dict[str, str | list[str]]) -> Response[T]:
    return Response(status_code=int(status), content_type="application/json", body=body, headers=headers)
