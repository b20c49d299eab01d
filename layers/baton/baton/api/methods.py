"""Which methods a path takes. HEAD wherever GET is; the rest is a 405; slashes that say nothing are no other path."""

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

IN_ORDER = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")
MAX_SHOWN_CHARACTERS = 200


class Api(APIGatewayHttpResolver):
    """Powertools' resolver, which also says what it has at a path."""

    def all_routes(self) -> list[Route]:
        """Every route, for the OpenAPI document."""
        return [*self._static_routes, *self._dynamic_routes]

    def routes_at(self, path: str) -> dict[str, Route]:
        """By method. A path that is written out in a route is no value of another route's ``<name>``."""
        for routes in (self._static_routes, self._dynamic_routes):
            found = {str(route.method): route for route in routes if route.rule.match(path)}
            if found:
                return found
        return {}


def plain_path(path: str) -> str:
    """Without the slashes that stand at the end or beside another one."""
    return "/" + "/".join(part for part in path.split("/") if part)


def as_get(method: str) -> str:
    """HEAD is answered as GET is, without the body.

    Source: https://www.rfc-editor.org/rfc/rfc9110#name-head
    """
    return "GET" if method == "HEAD" else method


def refusal(method: str, path: str, own: Collection[str], query: str = "") -> Response[Any] | None:
    """``None`` if the path takes the method here, where its routes have the methods ``own``; ``query`` is as sent."""
    shown, plain = path[:MAX_SHOWN_CHARACTERS], plain_path(path)
    methods = own or elsewhere(plain)
    if not methods:
        return problem(NO_SUCH_CALL, f"There is no {as_get(method)} {shown}.")
    allowed = allowed_by(methods)
    if method == "OPTIONS":
        return Response(status_code=int(HTTPStatus.NO_CONTENT), headers={"Allow": ", ".join(allowed)})
    if method not in allowed:
        detail = f"{shown} does not take {method[:MAX_SHOWN_CHARACTERS]}; it takes {', '.join(allowed)}."
        return problem(METHOD_NOT_ALLOWED, detail, headers={"Allow": ", ".join(allowed)})
    if own:
        return None
    return _moved(path, plain, query) if path != plain else problem(NO_SUCH_CALL, f"There is no {method} {shown}.")


def allowed_by(methods: Collection[str]) -> tuple[str, ...]:
    """All that a path takes whose routes have these methods."""
    taken = {*methods, "OPTIONS", *(["HEAD"] if "GET" in methods else [])}
    return tuple(method for method in IN_ORDER if method in taken)


def elsewhere(path: str) -> frozenset[str]:
    """The methods of a path whose routes another function has, as the OpenAPI document says."""
    found = [(written, methods) for written, methods in _documented().items() if re.fullmatch(_pattern(written), path)]
    literal_first = sorted(found, key=lambda entry: "{" in entry[0])
    return literal_first[0][1] if literal_first else frozenset()


def _pattern(written: str) -> str:
    return "".join("[^/]+" if part.startswith("{") else re.escape(part) for part in re.split(r"({\w+})", written))


@cache
def _documented() -> dict[str, frozenset[str]]:
    text = resources.files("baton.api.openapi").joinpath("openapi.json").read_text(encoding="utf-8")
    return {path: frozenset(map(str.upper, calls)) for path, calls in json.loads(text)["paths"].items()}


def _moved(path: str, plain: str, query: str) -> Response[Any]:
    """To the path that API Gateway knows the function of.

    Its routes tell ``/api/blocks/`` from ``/api/blocks``, and none of them can end in a slash; what no route takes
    comes to one function. The address is relative, since the API may stand below a path.
    """
    location = "../" * (path.count("/") - 1) + plain[1:] + (f"?{query}" if query else "")
    return Response(status_code=int(HTTPStatus.PERMANENT_REDIRECT), headers={"Location": location})
