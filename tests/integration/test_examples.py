"""The workflow files of ``examples/``: each is imported and run as its comment shows, and exported without a change."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.deployment import Deployment
from tests.support.functions import request
from tests.support.template import ROOT

FILES = sorted((ROOT / "examples").glob("*.yaml"))
BODY = re.compile(r"/api/execute/workflow/WORKFLOW_ID \\\n#\s+-H 'Content-Type: application/json' -d '(.+)'")


def comment_and_content(path: Path) -> tuple[str, str]:
    """The comment at the top of a file, and the file without it."""
    comment, _, content = path.read_text().partition("\n\n")
    return comment, content


def documented_body(path: Path) -> dict[str, Any]:
    """The body with which the comment of a file starts a run."""
    comment, _ = comment_and_content(path)
    (body,) = BODY.findall(comment)
    decoded: dict[str, Any] = json.loads(body)
    return decoded


def import_with_instances(baton: Deployment, text: str) -> int:
    """Import a file after creating the LLM instances that it names; the workflow's id."""
    for name in sorted({payload["llm_instance"] for payload in yaml.safe_load(text)["payloads"]}):
        baton.create("/api/llm/instances", {"name": name, "provider": "simulated", "model": "parrot"})
    imported = request("POST", "/api/workflows/import", text=text, headers={"content-type": "application/yaml"})
    assert imported.status == 200, imported.body
    return int(imported.body["workflow_id"])


def test_there_are_at_least_five_examples() -> None:
    assert len(FILES) >= 5


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_example_completes_without_a_missing_reference(baton: Deployment, path: Path) -> None:
    text = path.read_text()
    workflow_id = import_with_instances(baton, text)
    started = request("POST", f"/api/execute/workflow/{workflow_id}", documented_body(path))
    assert started.status == 202, started.body
    run = baton.finish(started.body["runId"])

    assert run["status"] == "completed", run["metadata"]
    assert [response["payload_name"] for response in run["responses"]] == yaml.safe_load(text)["workflow"]["payloads"]
    assert all(response["content"] for response in run["responses"])
    references = [reference for response in run["responses"] for reference in response["metadata"]["references"]]
    assert references
    assert [reference for reference in references if reference["source"] == "missing"] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_export_of_an_example_is_its_content(baton: Deployment, path: Path) -> None:
    workflow_id = import_with_instances(baton, path.read_text())
    _, content = comment_and_content(path)
    assert request("GET", f"/api/workflows/{workflow_id}/export").text == content


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_comment_of_an_example_names_its_file(path: Path) -> None:
    comment, _ = comment_and_content(path)
    assert f"--data-binary @examples/{path.name}" in comment


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_example_uses_every_variable_of_its_comment(baton: Deployment, path: Path) -> None:
    """Without its variables, exactly these are missing."""
    workflow_id = import_with_instances(baton, path.read_text())
    preflight = request("POST", f"/api/workflows/{workflow_id}/preflight", {"variables": {}})
    assert preflight.status == 200, preflight.body
    text = json.dumps(preflight.body)
    assert all(f"{{{{{name}" in text for name in documented_body(path)["variables"])
