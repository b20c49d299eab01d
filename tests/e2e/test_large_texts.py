"""Texts larger than a table item, in the deployed system with its own policies: all are stored and deleted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.request import ProxyHandler, build_opener

import pytest
import yaml

from tests.e2e.baton import Baton, Prompt
from tests.e2e.cloud import Cloud
from tests.support.openai_server import ANSWER, Provider, serving

YAML = "application/yaml"
BLOCKS = [letter * 100_000 for letter in ("x", '"', "\\")]
SYSTEM = "Be brief. " * 23_000
PROMPT = "\n\n".join(BLOCKS)
LARGE_ANSWER = "A long answer: " + "🙂é" * 1_200_000
"""7.2 MB: more than Lambda can return."""

ITEM_BYTES = 400_000


@pytest.fixture
def provider() -> Iterator[Provider]:
    with serving() as served:
        yield served


@pytest.fixture
def texts(cloud: Cloud) -> Callable[[], list[str]]:
    """The keys of all texts that are stored in the bucket."""
    bucket = cloud.physical_id("TextsBucket")

    def keys() -> list[str]:
        pages = cloud.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    return keys


def large_payload(name: str, llm_instance: int) -> dict[str, Any]:
    body = {
        "name": name,
        "blocks": [{"content": block} for block in BLOCKS],
        "llm_instance": llm_instance,
        "system": SYSTEM,
    }
    assert len(json.dumps(body)) > ITEM_BYTES
    return body


def served(baton: Baton, name: str, provider: Provider) -> int:
    return baton.instance(name, provider="openai", base_url=provider.base_url, model="asked-model")


def send_file(baton: Baton, file: str) -> Any:
    answer = baton.send("POST", "/api/workflows/import", data=file.encode(), headers={"Content-Type": YAML})
    assert answer.ok, answer.text
    return answer.json()


def fetch(url: str) -> bytes:
    """Without credentials."""
    body: bytes = build_opener(ProxyHandler({})).open(url, timeout=30).read()
    return body


def test_a_payload_larger_than_an_item_is_stored_edited_executed_and_deleted(
    baton: Baton, provider: Provider, texts: Callable[[], list[str]]
) -> None:
    before = set(texts())
    instance = served(baton, "of large prompts", provider)
    body = large_payload("a large prompt", instance)
    created = baton.call("POST", "/api/payloads", body)
    payload = f"/api/payloads/{created['id']}"
    assert len(set(texts()) - before) == 1

    read = baton.call("GET", payload)
    assert read == created
    assert [block["content"] for block in read["blocks"]] == BLOCKS
    assert read["system"] == SYSTEM

    replaced = baton.call("PUT", payload, read | {"temperature": 0.5})
    assert replaced == read | {name: replaced[name] for name in ("version", "updated_at", "temperature")}
    assert len(set(texts()) - before) == 1
    assert baton.call("GET", "/api/payloads?q=large%20prompt")["items"] == [replaced]

    workflow_id = baton.call("POST", "/api/workflows", {"name": "large", "payloads": [created["id"]]})["id"]
    file = baton.send("GET", f"/api/workflows/{workflow_id}/export", headers={"Accept": YAML})
    assert file.ok, file.text
    assert send_file(baton, file.text)["changed"] is False
    for path in (f"/api/workflows/{workflow_id}", payload):
        baton.call("DELETE", path)
    assert set(texts()) == before

    imported_id = send_file(baton, file.text)["workflow_id"]
    again = baton.send("GET", f"/api/workflows/{imported_id}/export", headers={"Accept": YAML})
    assert again.content == file.content

    run_id = baton.start(imported_id)
    run = baton.ended(run_id)
    assert (run["status"], [response["content"] for response in run["responses"]]) == ("completed", [ANSWER])
    [call] = provider.calls
    assert (call.system, call.prompt) == (SYSTEM, PROMPT)
    [payload_id] = [item["id"] for item in baton.call("GET", f"/api/workflows/{imported_id}")["payloads"]]

    definition = baton.call("GET", f"/api/runs/{run_id}/definition")["payloads"][0]
    assert (definition["template"], definition["settings"]["system"]) == (PROMPT, SYSTEM)
    prompted = baton.call("GET", f"/api/runs/{run_id}/responses/0")
    assert (prompted["prompt"], prompted["prompt_truncated"], prompted["prompt_url"]) == (PROMPT, False, None)

    for path in (f"/api/runs/{run_id}", f"/api/workflows/{imported_id}", f"/api/payloads/{payload_id}"):
        baton.call("DELETE", path)
    assert set(texts()) == before


def test_a_file_that_is_too_large_as_a_json_string_is_exported_as_it_was_imported(
    baton: Baton, provider: Provider
) -> None:
    """As a JSON string, its 4 MB of quotes would have 8 MB."""
    llm_instance = "of large files"
    served(baton, llm_instance, provider)
    titles = [f"quotes {number}" for number in range(13)]
    file = {
        "workflow": {"name": "many quotes", "payloads": titles},
        "payloads": [{"name": title, "blocks": [title], "llm_instance": llm_instance} for title in titles],
        "blocks": [{"title": title, "content": title + '"' * 290_000} for title in titles],
    }
    imported = send_file(baton, yaml.safe_dump(file, width=10**6))
    exported = baton.send("GET", f"/api/workflows/{imported['workflow_id']}/export")
    assert exported.ok, exported.text[:300]
    assert exported.headers["Content-Type"].startswith(YAML)
    assert len(exported.content) > 3_700_000
    assert yaml.safe_load(exported.text)["blocks"] == file["blocks"]
    assert send_file(baton, exported.text)["changed"] is False


def test_an_answer_too_large_to_be_returned_is_stored_completely_and_read_at_its_url(
    baton: Baton, provider: Provider, texts: Callable[[], list[str]]
) -> None:
    before = set(texts())
    provider.text_for = lambda prompt: LARGE_ANSWER if prompt == "Be long." else ANSWER
    instance = served(baton, "of large answers", provider)
    workflow_id = baton.workflow("answers at length", [Prompt("long", "Be long."), Prompt("short")], instance)
    run_id = baton.start(workflow_id)
    run = baton.ended(run_id)
    assert run["status"] == "completed", run["metadata"]

    cut, whole = run["responses"]
    assert (cut["content_truncated"], whole["content_truncated"], whole["content"]) == (True, False, ANSWER)
    assert len(cut["content"]) > 100_000
    assert LARGE_ANSWER.startswith(cut["content"])
    alone = baton.call("GET", f"/api/runs/{run_id}/responses/0")
    assert alone["content_truncated"]
    assert fetch(alone["content_url"]) == LARGE_ANSWER.encode()

    baton.call("DELETE", f"/api/runs/{run_id}")
    assert set(texts()) == before


def test_without_the_statements_for_large_texts_calls_and_runs_fail(
    baton: Baton, cloud: Cloud, provider: Provider, texts: Callable[[], list[str]]
) -> None:
    before = set(texts())
    instance = served(baton, "of refused texts", provider)
    body = large_payload("a refused prompt", instance)
    with cloud.without("CatalogApiFunction", "StoreTextsOfCatalog"):
        assert baton.send("POST", "/api/payloads", json=body).status_code == 500
    payload_id = baton.call("POST", "/api/payloads", body)["id"]
    workflow_id = baton.call("POST", "/api/workflows", {"name": "refused texts", "payloads": [payload_id]})["id"]

    for sid in ("StoreTextsOfRuns", "ReadTextsOfCatalog"):
        with cloud.without("RunsApiFunction", sid):
            assert baton.send("POST", f"/api/execute/workflow/{workflow_id}").status_code == 500, sid
    with cloud.without("ExecutePayloadFunction", "ReadAndWriteTexts"):
        refused = baton.ended(baton.start(workflow_id))
    assert (refused["status"], refused["responses"]) == ("failed", [])
    assert baton.ended(baton.start(workflow_id))["status"] == "completed"

    for run in baton.call("GET", f"/api/runs?workflow_id={workflow_id}")["items"]:
        baton.call("DELETE", f"/api/runs/{run['id']}")
    for path in (f"/api/workflows/{workflow_id}", f"/api/payloads/{payload_id}"):
        baton.call("DELETE", path)
    assert set(texts()) == before
