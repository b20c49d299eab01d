"""The API's description as it is served."""

from __future__ import annotations

from tests.e2e.baton import Baton


def test_the_openapi_document_lists_the_calls(baton: Baton) -> None:
    document = baton.call("GET", "/openapi.json")
    assert document["openapi"].startswith("3.1")
    assert "/api/execute/workflow/{workflow_id}" in document["paths"]


def test_the_documentation_page_is_served_with_its_files(baton: Baton) -> None:
    page = baton.send("GET", "/docs")
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "swagger-ui.js" in page.text
    script = baton.send("GET", "/docs/swagger-ui.js")
    assert script.status_code == 200
    assert "SwaggerUIBundle" in script.text


def test_the_schema_of_workflow_files_is_published(baton: Baton) -> None:
    assert "workflow" in baton.call("GET", "/schemas/workflow.json")["properties"]
