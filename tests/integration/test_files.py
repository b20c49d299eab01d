"""Workflows as files: exported, imported, and rejected with the place of each error."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support import template
from tests.support.deployment import Deployment
from tests.support.functions import Answer, request
from tests.support.problems import assert_problem

pytestmark = pytest.mark.usefixtures("baton")

EXAMPLE = (template.ROOT / "local" / "example.yaml").read_text()
FILE = """\
workflow:
  name: w
  payloads: [one, two, one]
payloads:
  - name: one
    blocks: [Ask, {content: inline}]
    llm_instance: llm
    temperature: 0
  - name: two
    blocks: [Ask]
    llm_instance: llm
blocks:
  - title: Ask
    tags: [a]
    content: |
      Say {{what}}.
"""


def import_file(text: str, media_type: str = "application/yaml", query: dict[str, str] | None = None) -> Answer:
    return request("POST", "/api/workflows/import", text=text, headers={"content-type": media_type}, query=query)


def export(workflow: int, media_type: str) -> str:
    answer = request("GET", f"/api/workflows/{workflow}/export", headers={"accept": media_type})
    assert (answer.status, answer.headers["Content-Type"]) == (200, media_type)
    return answer.text


def instance(baton: Deployment, name: str = "llm") -> int:
    return baton.create("/api/llm/instances", {"name": name, "provider": "simulated", "model": "m"})


def catalog(baton: Deployment) -> list[dict[str, Any]]:
    """All definitions with their names, as they are stored, without counters and the ledger."""
    items = baton.aws.items(baton.aws.catalog_table)
    return sorted((i for i in items if "COUNTER" not in i["pk"]["S"] and "LEDGER" not in i["pk"]["S"]), key=str)


def test_a_file_is_imported_as_definitions(baton: Deployment) -> None:
    instance(baton)
    imported = import_file(FILE)
    assert imported.status == 200
    actions = [(change["kind"], change["name"], change["action"]) for change in imported.body["changes"]]
    assert actions == [
        ("BLOCK", "Ask", "create"),
        ("PAYLOAD", "one", "create"),
        ("PAYLOAD", "two", "create"),
        ("WORKFLOW", "w", "create"),
    ]
    workflow = request("GET", f"/api/workflows/{imported.body['workflow_id']}").body
    assert [entry["name"] for entry in workflow["payloads"]] == ["one", "two", "one"]
    payload = request("GET", f"/api/payloads/{workflow['payloads'][0]['id']}").body
    assert (payload["temperature"], payload["blocks"][1]["content"]) == (0, "inline")


def test_importing_a_file_twice_changes_nothing_and_reports_it(baton: Deployment) -> None:
    instance(baton)
    import_file(FILE)
    before = catalog(baton)
    again = import_file(FILE).body
    assert again["changed"] is False
    assert {change["action"] for change in again["changes"]} == {"keep"}
    assert catalog(baton) == before


def test_a_dry_run_reports_the_differences_and_saves_nothing(baton: Deployment) -> None:
    instance(baton)
    import_file(FILE)
    before = catalog(baton)
    edited = FILE.replace("Say {{what}}.", "Cry {{what}}!").replace("temperature: 0", "temperature: 1")
    report = import_file(edited, query={"dry_run": "true"}).body
    assert (report["dry_run"], report["changed"]) == (True, True)
    changes = {change["name"]: (change["action"], change["differences"]) for change in report["changes"]}
    assert changes["Ask"] == ("replace", {"content": {"old": "Say {{what}}.\n", "new": "Cry {{what}}!\n"}})
    assert changes["one"] == ("replace", {"temperature": {"old": 0.0, "new": 1.0}})
    assert changes["w"] == ("keep", {})
    assert catalog(baton) == before
    assert import_file(edited).body["changes"] == report["changes"]


@pytest.mark.parametrize("media_type", ["application/yaml", "application/json"])
def test_a_workflow_that_is_exported_deleted_and_imported_is_the_same(baton: Deployment, media_type: str) -> None:
    instance(baton)
    workflow = import_file(FILE).body["workflow_id"]
    preflight = request("POST", f"/api/workflows/{workflow}/preflight").body
    text = export(workflow, media_type)
    for path in (f"/api/workflows/{workflow}", "/api/payloads/1", "/api/payloads/2", "/api/blocks/1"):
        assert request("DELETE", path).status == 204
    imported = import_file(text, media_type).body["workflow_id"]
    assert export(imported, media_type) == text
    again = request("POST", f"/api/workflows/{imported}/preflight").body
    ids = {"workflow_id", "payload_id"}
    assert without(again, ids) == without(preflight, ids)


def without(value: Any, names: set[str]) -> Any:
    if isinstance(value, dict):
        return {name: without(entry, names) for name, entry in value.items() if name not in names}
    return [without(entry, names) for entry in value] if isinstance(value, list) else value


def test_an_export_has_no_secret(baton: Deployment) -> None:
    baton.create("/api/llm/instances", {"name": "llm", "provider": "simulated", "model": "m", "api_key": "sk-test-1"})
    assert "sk-test-1" not in export(import_file(FILE).body["workflow_id"], "application/json")


def test_the_example_of_make_run_is_a_workflow_file(baton: Deployment) -> None:
    instance(baton, "example")
    assert import_file(EXAMPLE).status == 200


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("temperature: 0", "temperatur: 0", "line 8: payloads[0].temperatur"),
        ("temperature: 0", "temperature: warm", "line 8: payloads[0].temperature"),
        ("blocks: [Ask]", "blocks: [Nobody]", "line 10: payloads[1].blocks[0]"),
        ("payloads: [one, two, one]", "payloads: [three]", "line 3: workflow.payloads[0]"),
        ("llm_instance: llm\n    temp", "llm_instance: other\n    temp", "payloads[0].llm_instance"),
        ("name: w", "name: &a w\n  other: *a", "line 2"),
        ("name: w", "name: [", "line"),
        ("    tags: [a]", "    title: twice\n    tags: [a]", "line"),
    ],
)
def test_a_broken_file_is_rejected_with_the_place_and_nothing_is_stored(
    baton: Deployment, old: str, new: str, place: str
) -> None:
    instance(baton)
    before = catalog(baton)
    assert old in FILE
    assert_problem(import_file(FILE.replace(old, new, 1)), 422, "invalid-request", place)
    assert catalog(baton) == before


def test_a_yaml_bomb_is_rejected(baton: Deployment) -> None:
    levels = "".join(f"l{n + 1}: &l{n + 1} [{', '.join([f'*l{n}'] * 10)}]\n" for n in range(9))
    assert_problem(import_file(f"l0: &l0 [x]\n{levels}{FILE}"), 422, "invalid-request", "line 1")
    assert catalog(baton) == []


def test_a_file_of_6_mb_is_rejected() -> None:
    assert_problem(import_file(FILE + "#" * 6_000_000), 413, "too-large", "4,000,000")


def test_a_file_in_another_format_is_rejected_with_the_accepted_formats() -> None:
    assert_problem(import_file(FILE, "text/csv"), 415, "unknown-media-type", "text/csv", "application/yaml")


def test_a_file_of_many_definitions_is_imported_completely(baton: Deployment) -> None:
    """More definitions than fit into one transaction."""
    instance(baton)
    numbers = range(40)
    big = {
        "workflow": {"name": "big", "payloads": [f"p{n}" for n in numbers]},
        "payloads": [{"name": f"p{n}", "blocks": [f"b{n}"], "llm_instance": "llm"} for n in numbers],
        "blocks": [{"title": f"b{n}", "content": "c"} for n in numbers],
    }
    workflow = import_file(json.dumps(big), "application/json").body["workflow_id"]
    assert len(request("GET", f"/api/workflows/{workflow}").body["payloads"]) == len(numbers)
    assert import_file(json.dumps(big), "application/json").body["changed"] is False


def test_the_schema_of_files_is_published() -> None:
    schema = request("GET", "/schemas/workflow.json").body
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert {"workflow", "payloads", "blocks"} <= set(schema["properties"])
