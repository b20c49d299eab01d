"""The routes of the template match those of the functions, and preflights have a route of their own."""

from __future__ import annotations

import re
from typing import Any

import pytest

from baton.api.methods import allowed_by
from local import openapi
from tests.support import template
from tests.support.routes import DEFAULT, function_of, route_of, routes

BY_ALL = {DEFAULT, "OPTIONS /{proxy+}"}


def served() -> list[tuple[str, str, str]]:
    """Function, method and path of each handler, HEAD included."""
    found = []
    for function, module in openapi.http_functions().items():
        for route in (*module.api._static_routes, *module.api._dynamic_routes):  # noqa: SLF001 - Powertools has no other list of them
            path = re.sub(r"<\w+>", "1", str(route.path))
            methods = set(allowed_by([str(route.method)])) - {"OPTIONS"}
            found += [(function, method, path) for method in sorted(methods)]
    return found


@pytest.mark.parametrize(("function", "method", "path"), served())
def test_every_handler_has_a_route_with_its_method(function: str, method: str, path: str) -> None:
    for requested in (path, f"{path}/") if path.count("/") > 1 else (path,):
        assert function_of(method, requested) == function
        assert route_of(method, path).startswith(f"{method} ")


def test_every_route_of_the_template_has_a_handler() -> None:
    """POST to a collection with a trailing slash uses the route of its items."""
    used = {route_of(method, requested) for _, method, path in served() for requested in (path, f"{path}/")}
    assert set(routes()) - BY_ALL - used == set()


def test_no_route_accepts_any_method() -> None:
    assert [key for key in routes() if key.startswith("ANY ")] == []


def test_no_route_ends_in_a_slash_because_aws_rejects_it() -> None:
    assert [key for key in routes() if key.endswith("/")] == []


@pytest.mark.parametrize("path", ["/api/blocks", "/api/blocks/1", "/api/runs", "/api/execute/workflow/1", "/health"])
def test_a_preflight_uses_the_options_route(path: str) -> None:
    assert route_of("OPTIONS", path) == "OPTIONS /{proxy+}"


def test_cors_allows_the_headers_and_methods_that_the_api_uses() -> None:
    cors: dict[str, Any] = template.resources("AWS::ApiGatewayV2::Api")["HttpApi"]["CorsConfiguration"]["Fn::If"][1]
    assert {"if-match", "idempotency-key", "content-type", "authorization"} <= set(cors["AllowHeaders"])
    assert {"etag", "location", "allow", "retry-after", "x-correlation-id"} <= set(cors["ExposeHeaders"])
    assert {"HEAD", *(key.partition(" ")[0] for key in routes() if key != DEFAULT)} <= set(cors["AllowMethods"])
