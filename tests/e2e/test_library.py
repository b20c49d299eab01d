"""A library of the maximum size: imported, listed, executed as a workflow of maximum length, and exported."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.baton import Baton
from tests.e2e.waiting import eventually

BLOCKS, PAYLOADS = 1000, 200
SECONDS_TO_COMPLETE = 120


def library(instance: str) -> str:
    """Five blocks a payload, about 2 KB each."""
    names = [f"library {n}" for n in range(PAYLOADS)]
    per_payload = BLOCKS // PAYLOADS
    payloads = [
        {
            "name": name,
            "llm_instance": instance,
            "blocks": [f"library {per_payload * n + m}" for m in range(per_payload)],
        }
        for n, name in enumerate(names)
    ]
    blocks = [{"title": f"library {n}", "content": f"{n} " * 500} for n in range(BLOCKS)]
    return json.dumps({"workflow": {"name": "library", "payloads": names}, "payloads": payloads, "blocks": blocks})


def test_a_library_of_1000_blocks_and_200_payloads_is_imported_listed_executed_and_exported(baton: Baton) -> None:
    baton.instance("instance of the library")
    text = library("instance of the library")
    assert import_file(baton, text)["changed"] is True
    again = import_file(baton, text)
    assert again["changed"] is False
    assert len(listed(baton, "/api/blocks?q=library")) == BLOCKS
    assert len(listed(baton, "/api/payloads?q=library")) == PAYLOADS
    workflow = again["workflow_id"]
    run_id = baton.start(workflow)
    run = eventually(lambda: baton.run(run_id), lambda run: run["status"] == "completed", SECONDS_TO_COMPLETE)
    assert [response["position"] for response in run["responses"]] == list(range(PAYLOADS))
    exported = baton.send("GET", f"/api/workflows/{workflow}/export", headers={"Accept": "application/json"})
    assert import_file(baton, exported.text)["changed"] is False


def test_a_workflow_of_201_payloads_is_rejected_with_the_maximum(baton: Baton) -> None:
    answer = baton.send("POST", "/api/workflows", json={"name": "too long", "payloads": [1] * 201})
    assert (answer.status_code, answer.json()["type"]) == (422, "invalid-request")
    assert "at most 200 items" in answer.json()["detail"]


def import_file(baton: Baton, text: str) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    answer = baton.send("POST", "/api/workflows/import", data=text.encode(), headers=headers)
    assert answer.ok, answer.text
    return dict(answer.json())


def listed(baton: Baton, path: str) -> list[int]:
    """The ids in all pages of a list, each page under 1 MB."""
    ids: list[int] = []
    cursor = ""
    while True:
        answer = baton.send("GET", f"{path}&limit=100{cursor}")
        assert len(answer.content) < 1_000_000
        page = answer.json()
        ids += [entry["id"] for entry in page["items"]]
        if page["cursor"] is None:
            return ids
        cursor = f"&cursor={page['cursor']}"
