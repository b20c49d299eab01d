"""Serves the OpenAPI document, and the page that shows it.

Swagger UI comes with Powertools, so the page needs nothing from the internet. Every address in it is relative: the API
is at ``/`` on AWS and below a path on the emulator.
"""

from __future__ import annotations

from importlib import resources

from aws_lambda_powertools.event_handler import Response

from baton.domain.errors import NotFound

DOCUMENT = "openapi.json"
HEADERS: dict[str, str | list[str]] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
"""The page runs its own scripts and calls its own API, and nothing else. Swagger UI sets styles in its elements."""

ASSETS = {
    "start.js": (__package__, "docs.js", "text/javascript"),
    "swagger-ui.js": (
        "aws_lambda_powertools.event_handler.openapi.swagger_ui",
        "swagger-ui-bundle.min.js",
        "text/javascript",
    ),
    "swagger-ui.css": (
        "aws_lambda_powertools.event_handler.openapi.swagger_ui",
        "swagger-ui.min.css",
        "text/css",
    ),
}


def document() -> Response[str]:
    """The OpenAPI 3.1 document."""
    return _text(str(__package__), DOCUMENT, "application/json")


def page() -> Response[str]:
    """The HTML page that shows the document."""
    return _text(str(__package__), "docs.html", "text/html; charset=utf-8")


def asset(name: str) -> Response[str]:
    """A script or style sheet of the page.

    :raises NotFound: if the page has no such part.
    """
    if name not in ASSETS:
        raise NotFound("part of the page", name)
    package, file, content_type = ASSETS[name]
    return _text(str(package), file, f"{content_type}; charset=utf-8")


def _text(package: str, file: str, content_type: str) -> Response[str]:
    text = resources.files(package).joinpath(file).read_text(encoding="utf-8")
    return Response(status_code=200, content_type=content_type, body=text, headers=dict(HEADERS))
