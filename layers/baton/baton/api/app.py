"""The resolver and the handler of the HTTP functions: they validate by type and return every error as a problem."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from http import HTTPStatus
from time import monotonic
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from baton.api import methods, request_bodies
from baton.api.bodies.fields import Stored, View
from baton.api.budget import encode_for_lambda
from baton.api.caller import caller_of
from baton.api.correlation import HEADER, correlation_id_of
from baton.api.methods import Api, as_get, plain_path
from baton.api.parameters import query_errors, query_parameters
from baton.api.problems import INTERNAL, invalid_fields, invalid_request, problem, problem_of
from baton.api.request_bodies import JSON, JSON_BODY, RequestBody, from_json
from baton.domain.errors import BatonError, Invalid
from baton.domain.ids import PLAIN_ID
from baton.runtime.invocations import observed
from baton.runtime.logging import append_keys, log_error, logger

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler.api_gateway import Route, Router
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from baton.runtime.logging import Handler


def new_api(*routers: Router) -> Api:
    """An API with the routes of these routers."""
    api = Api(enable_validation=True, serializer=_to_json, json_body_deserializer=from_json)

    def invalid(error: RequestValidationError) -> Response[str]:
        """Powertools raises the same error for a response of the wrong type, which is a bug."""
        errors = error.errors()
        if any(entry["loc"][0] == "response" for entry in errors):
            return _internal_error(error)
        in_body = any(entry["loc"][0] == "body" for entry in errors)
        return invalid_request(errors, api.current_event.json_body if in_body else None)

    api.exception_handler(RequestValidationError)(invalid)
    api.exception_handler(BatonError)(problem_of)
    api.exception_handler(RecursionError)(_too_deep)
    api.exception_handler(Exception)(_internal_error)
    for router in routers:
        api.include_router(router)
    return api


def new_router() -> Router:
    """A router to declare routes on, for :func:`new_api`."""
    return APIGatewayHttpRouter()  # type: ignore[no-untyped-call]  # untyped in Powertools


def _too_deep(_: Exception) -> Response[str]:
    return problem_of(Invalid("body", "is nested too deeply."))


def _internal_error(error: Exception) -> Response[str]:
    log_error("request failed", error)
    return problem(INTERNAL, "An unexpected error occurred; see the function's log.")


def _to_json(body: Any) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def handler_for(api: Api, bodies: Mapping[str, RequestBody] = MappingProxyType({})) -> Handler:
    """The handler of a function: it resolves one request of an HTTP API (payload format 2.0) and logs its outcome.

    ``bodies`` contains the paths that accept other bodies than JSON of the usual size.
    """

    @observed
    def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        started = monotonic()
        method, path = _method_and_path(event)
        correlation_id = correlation_id_of(event)
        route, run_id = _route_and_run_id(api.routes_at(plain_path(path)), plain_path(path))
        append_keys(tenant=caller_of(event).tenant, correlation_id=correlation_id, run_id=run_id)
        response = _complete(_resolve(api, event, context, bodies), method)
        logger.info(
            "request answered",
            method=method,
            route=route,
            status=response["statusCode"],
            duration_ms=round((monotonic() - started) * 1000),
            api_request_id=event["requestContext"]["requestId"],
        )
        return {**response, "headers": {**response["headers"], HEADER: correlation_id}}

    return handler


def _route_and_run_id(routes: Mapping[str, Route], path: str) -> tuple[str | None, int | None]:
    """The template of the path and the run in it. The path itself is not logged: it may contain anything."""
    for route in routes.values():
        found = route.rule.match(path)
        run_id = found.groupdict().get("run_id", "") if found else ""
        return route.openapi_path, int(run_id) if PLAIN_ID.fullmatch(run_id) else None
    return None, None


def _method_and_path(event: Mapping[str, Any]) -> tuple[str, str]:
    return event["requestContext"]["http"]["method"].upper(), event["rawPath"]


def _resolve(
    api: Api, event: dict[str, Any], context: LambdaContext, bodies: Mapping[str, RequestBody]
) -> dict[str, Any]:
    """The response to return to API Gateway. HEAD is handled as GET."""
    method, path = _method_and_path(event)
    routes = api.routes_at(plain_path(path))
    expected = bodies.get(plain_path(path), JSON_BODY)
    rejected = methods.rejection(method, path, routes, event.get("rawQueryString", ""))
    rejected = rejected or request_bodies.rejection(event, expected)
    if rejected is None:
        rejected = _rejected_query(event, routes[as_get(method)])
    try:
        return (
            _to_lambda_response(rejected)
            if rejected
            else api.resolve(_normalize(request_bodies.with_decoded_body(event)), context)
        )
    except Invalid as error:  # the body can't be decoded
        return _to_lambda_response(problem_of(error))


def _rejected_query(event: Mapping[str, Any], route: Route) -> Response[str] | None:
    known = [parameter.alias for parameter in route.dependant.query_params]
    errors = query_errors(query_parameters(event), known)
    return invalid_fields(errors) if errors else None


def _to_lambda_response(response: Response[Any]) -> dict[str, Any]:
    content_type = {"Content-Type": response.content_type} if response.content_type else {}
    return {
        "statusCode": response.status_code,
        "headers": {**response.headers, **content_type},
        "body": response.body,
        "isBase64Encoded": False,
    }


def _normalize(event: dict[str, Any]) -> dict[str, Any]:
    """The event with method, path and media type in the form that Powertools compares with.

    Powertools also requires a media type if there is no body.
    """
    http = event["requestContext"]["http"]
    path = plain_path(event["rawPath"])
    request = {**http, "method": as_get(http["method"].upper()), "path": path}
    is_json = not event.get("body") or request_bodies.media_type(event) == JSON
    return {
        **event,
        "rawPath": path,
        "requestContext": {**event["requestContext"], "http": request},
        "headers": {**event.get("headers", {}), **({"content-type": JSON} if is_json else {})},
    }


def _complete(response: dict[str, Any], method: str) -> dict[str, Any]:
    """Add an empty body if there is none; encode or replace a body that is too large; remove the body for HEAD."""
    body, is_encoded = response.get("body") or "", bool(response.get("isBase64Encoded"))
    sent = encode_for_lambda({**response, "body": body, "isBase64Encoded": is_encoded})
    if sent is None:
        sent = _to_lambda_response(problem(INTERNAL, "The response is larger than 6 MB, the most that can be sent."))
    if method not in ("GET", "HEAD"):
        return sent
    length = len(base64.b64decode(sent["body"])) if sent["isBase64Encoded"] else len(sent["body"].encode())
    headers = {**sent["headers"], "Content-Length": str(length)}
    if method == "GET":
        return {**sent, "headers": headers}
    return {**sent, "headers": headers, "body": "", "isBase64Encoded": False}


def found[T: Stored](body: T) -> Response[T]:
    """200, with the version as ETag."""
    return _with_status(HTTPStatus.OK, body, {"ETag": f'"{body.version}"'})


def created[T: Stored](body: T, path: str) -> Response[T]:
    """201, with the URL of the new definition and its version as ETag."""
    return _with_status(HTTPStatus.CREATED, body, {"Location": f"{path}/{body.id}", "ETag": f'"{body.version}"'})


def accepted[T: View](body: T) -> Response[T]:
    """202: processing continues in the background."""
    return _with_status(HTTPStatus.ACCEPTED, body, {})


def no_content() -> Response[None]:
    """204."""
    return Response(status_code=int(HTTPStatus.NO_CONTENT))


def _with_status[T: View](status: HTTPStatus, body: T, headers: dict[str, str | list[str]]) -> Response[T]:
    return Response(status_code=int(status), content_type="application/json", body=body, headers=headers)
