"""The API itself: health, and its documentation."""

from __future__ import annotations

from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response

from baton.api.app import new_router
from baton.api.bodies.health import HealthView
from baton.api.openapi import page as docs
from baton.api.openapi.responses import responses_of

router = new_router()


@router.get("/health", responses=responses_of(HTTPStatus.OK))
def read_health() -> HealthView:
    """Whether the API is available, and its version. No other service is called."""
    return HealthView()


@router.get("/openapi.json", include_in_schema=False, compress=True, cache_control="max-age=300")
def read_openapi() -> Response[str]:
    """The OpenAPI document of the whole API, including the routes of the catalog function."""
    return docs.document()


@router.get("/docs", include_in_schema=False, cache_control="max-age=300")
def read_docs() -> Response[str]:
    """The page that shows the OpenAPI document."""
    return docs.page()


@router.get("/docs/<name>", include_in_schema=False, compress=True, cache_control="max-age=86400")
def read_docs_asset(name: str) -> Response[str]:
    """A script or style sheet of that page."""
    return docs.asset(name)
