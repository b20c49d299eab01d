"""The methods that a path accepts. HEAD is accepted wherever GET is, others return 405; extra slashes are ignored."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from functools import cache
from http import HTTPStatus
from importlib import resources
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response

from baton.api.problems import METHOD_NOT_ALLOWED, NO_SUCH_CALL, problem

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler.api_gateway import Route

METHOD_ORDER = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")
MAX_SHOWN_CHARACTERS = 200


class Api(APIGatewayHttpResolver):
    """Powertools' resolver with access to its routes."""

    def all_routes(self) -> list[Route]:
        """Every route, for the OpenAPI document."""
        return [*self._static_routes, *self._dynamic_routes]

    def routes_at(self, path: str) -> dict[str, Route]:
        """By method. A route with a literal path takes precedence over one with a ``<name>``."""
        for routes in (self._static_routes, self._dynamic_routes):
            found = {str(route.method): route for route in routes if route.rule.match(path)}
            if found:
                return found
        return {}


def plain_path(path: str) -> str:
    """The path without repeated and trailing slashes."""
    return "/" + "/".join(part for part in path.split("/") if part)


def as_get(method: str) -> str:
    """HEAD is handled as GET, without the body.

    Source: https://www.rfc-editor.org/rfc/rfc9110#name-head
    """
    return "GET" if method == "HEAD" else method


def rejection(method: str, path: str, own: Collection[str], query: str = "") -> Response[Any] | None:
    """The response to a method that the path does not accept; ``None`` if it is accepted.

    ``own`` are the methods of this function's routes for the path.
    """
    shown, plain = path[:MAX_SHOWN_CHARACTERS], plain_path(path)
    methods = own or documented_methods(plain)
    if not methods:
        return problem(NO_SUCH_CALL, f"There is no {as_get(method)} {shown}.")
    allowed = allowed_by(methods)
    if method == "OPTIONS":
        return Response(status_code=int(HTTPStatus.NO_CONTENT), headers={"Allow": ", ".join(allowed)})
    if method not in allowed:
        detail = f"{shown} does not support {method[:MAX_SHOWN_CHARACTERS]}; it supports {', '.join(allowed)}."
        return problem(METHOD_NOT_ALLOWED, detail, headers={"Allow": ", ".join(allowed)})
    if own:
        return None
    return _moved(path, plain, query) if path != plain else problem(NO_SUCH_CALL, f"There is no {method} {shown}.")


def allowed_by(methods: Collection[str]) -> tuple[str, ...]:
    """The methods that a path with these routes accepts."""
    accepted = {*methods, "OPTIONS", *(["HEAD"] if "GET" in methods else [])}
    return tuple(method for method in METHOD_ORDER if method in accepted)


def documented_methods(path: str) -> frozenset[str]:
    """The methods of a path in any function, from the OpenAPI document."""
    found = [
        (template, methods) for template, methods in _documented().items() if re.fullmatch(_pattern(template), path)
    ]
    literal_first = sorted(found, key=lambda entry: "{" in entry[0])
    return literal_first[0][1] if literal_first else frozenset()


def _pattern(template: str) -> str:
    return "".join("[^/]+" if part.startswith("{") else re.escape(part) for part in re.split(r"({\w+})", template))


@cache
def _documented() -> dict[str, frozenset[str]]:
    text = resources.files("baton.api.openapi").joinpath("openapi.json").read_text(encoding="utf-8")
    return {path: frozenset(map(str.upper, calls)) for path, calls in json.loads(text)["paths"].items()}


def _moved(path: str, plain: str, query: str) -> Response[Any]:
    """Redirect to the path that API Gateway routes to the right function.

    API Gateway distinguishes ``/api/blocks/`` from ``/api/blocks``, and no route can end in a slash; requests without a
    route are sent to one function. The location is relative, because the API may have a base path.
    """
    location = "../" * (path.count("/") - 1) + plain[1:] + (f"?{query}" if query else "")
    return Response(status_code=int(HTTPStatus.PERMANENT_REDIRECT), headers={"Location": location})
