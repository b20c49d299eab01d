"""Invalid input: HTTP returns a problem that names the field, and a WebSocket stays open."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.e2e.baton import Baton, Prompt

NOWHERE = 999_999_999
JSON = {"Content-Type": "application/json"}

UNKNOWN = [
    ("POST", f"/api/execute/workflow/{NOWHERE}"),
    ("GET", f"/api/execute/run/{NOWHERE}"),
    ("GET", f"/api/runs/{NOWHERE}"),
    ("GET", f"/api/runs/{NOWHERE}/responses"),
    ("DELETE", f"/api/runs/{NOWHERE}"),
    ("POST", f"/api/runs/{NOWHERE}/cancel"),
    ("POST", f"/api/runs/{NOWHERE}/resume"),
    ("GET", f"/api/blocks/{NOWHERE}"),
    ("GET", f"/api/payloads/{NOWHERE}"),
    ("GET", f"/api/workflows/{NOWHERE}"),
    ("GET", f"/api/llm/instances/{NOWHERE}"),
    ("GET", "/api/nothing"),
    ("PATCH", "/api/nothing"),
    ("GET", "/api/nothing/"),
]

# Method, path, body, and the field that the detail names
INVALID = [
    ("POST", "/api/execute/workflow/abc", None, "workflow_id"),
    ("GET", "/api/execute/run/1.5", None, "run_id"),
    ("GET", "/api/runs/0", None, "run_id"),
    ("GET", "/api/runs?limit=many", None, "limit"),
    ("GET", "/api/runs?status=asleep", None, "status"),
    ("GET", "/api/runs?cursor=made-up", None, "cursor"),
    ("GET", "/api/blocks?limt=5", None, "limt"),
    ("GET", "/api/runs?limit=1&limit=2", None, "limit"),
    ("POST", "/api/blocks", b'{"title": "\xff", "content": "c"}', "UTF-8"),
    ("POST", "/api/blocks", gzip.compress(b'{"title": "t", "content": "c"}', mtime=0), "gzip"),
    ("POST", "/api/blocks", '{"title": "t"}'.encode("utf-16"), "UTF-16"),
    ("POST", "/api/blocks", b'{\n"title": }', "line 2"),
    ("POST", "/api/execute/workflow/1", b"{not json", "body"),
    ("POST", "/api/execute/workflow/1", b"[1, 2]", "body"),
    ("POST", "/api/execute/workflow/1", b'{"variables": [1]}', "variables"),
    ("POST", "/api/execute/workflow/1", b'{"variables": {"n": NaN}}', "body"),
    ("POST", "/api/execute/workflow/1", b'{"vars": {}}', "vars"),
    ("POST", "/api/blocks", b'{"title": 5, "content": "x"}', "title"),
    ("POST", "/api/blocks", b'{"title": "no content"}', "content"),
    ("POST", "/api/payloads", b'{"name": "a", "blocks": ["1"], "llm_instance": 1}', "blocks[0]"),
    ("POST", "/api/payloads", b'{"name": "a", "blocks": [999999999], "llm_instance": 1}', "blocks"),
    ("POST", "/api/workflows", b'{"name": "a {brace}", "payloads": []}', "name"),
    ("POST", "/api/llm/instances", b'{"name": "a", "provider": "openai", "model": "m"}', "base_url"),
    ("POST", "/api/llm/instances", b'{"name": "a", "provider": "nobody", "model": "m"}', "provider"),
]

# A frame, and a word of the error message that names what is wrong
FRAMES: list[tuple[str | bytes | dict[str, Any], str]] = [
    ("garbage", "JSON"),
    ("[1, 2, 3]", "action"),
    ("null", "action"),
    ({"action": "dance"}, "action"),
    ({"no": "action"}, "action"),
    ({"action": "subscribe"}, "runId"),
    ({"action": "subscribe", "runId": "1"}, "runId"),
    ({"action": "subscribe", "runId": True}, "runId"),
    ({"action": "unsubscribe", "runId": -1}, "runId"),
    ({"action": "subscribe", "runId": NOWHERE}, str(NOWHERE)),
]


@pytest.mark.parametrize(("method", "path"), UNKNOWN)
def test_an_unknown_resource_or_path_is_a_404(baton: Baton, method: str, path: str) -> None:
    assert problem(baton, method, path)["status"] == 404


@pytest.mark.parametrize(("method", "path", "body", "field"), INVALID)
def test_the_detail_of_a_problem_names_the_invalid_field(
    baton: Baton, method: str, path: str, body: bytes | None, field: str
) -> None:
    found = problem(baton, method, path, data=body, headers=JSON if body else None)
    assert found["status"] == 422
    assert field in found["detail"]


def test_a_workflow_without_payloads_cannot_be_executed(baton: Baton) -> None:
    workflow_id = baton.workflow("empty", [])
    found = problem(baton, "POST", f"/api/execute/workflow/{workflow_id}")
    assert (found["status"], "payloads" in found["detail"]) == (422, True)
    assert baton.call("GET", f"/api/runs?workflow_id={workflow_id}")["items"] == []


def test_a_name_in_use_is_a_conflict_with_the_id_of_its_holder(baton: Baton) -> None:
    holder = baton.workflow("taken", [])
    found = problem(baton, "POST", "/api/workflows", json={"name": "taken", "payloads": []})
    assert (found["status"], found["holder"]) == (409, holder)


def test_a_body_that_is_too_large_is_rejected(baton: Baton) -> None:
    body = json.dumps({"variables": {"text": "x" * 1_000_001}}).encode()
    found = problem(baton, "POST", "/api/execute/workflow/1", data=body, headers=JSON)
    assert (found["status"], found["type"]) == (413, "too-large")


def test_variables_that_are_too_long_are_rejected(baton: Baton) -> None:
    workflow_id = baton.workflow("given too much", [Prompt("given too much")])
    found = problem(baton, "POST", f"/api/execute/workflow/{workflow_id}", json={"variables": {"text": "x" * 300_001}})
    assert (found["status"], "variables" in found["detail"]) == (422, True)


def test_a_body_of_another_media_type_is_rejected(baton: Baton) -> None:
    for media_type in ("text/plain", "application/x-www-form-urlencoded"):
        found = problem(baton, "POST", "/api/blocks", data=b"a=b", headers={"Content-Type": media_type})
        assert (found["status"], media_type in found["detail"]) == (415, True)


def test_an_invalid_frame_is_answered_with_an_error_and_the_socket_stays_open(baton: Baton) -> None:
    with baton.listen() as listener:
        for frame, named in FRAMES:
            listener.send(frame)
            answer = listener.receive()
            assert answer["type"] == "error", frame
            assert answer.keys() == {"type", "id", "timestamp", "data"}
            assert named in answer["data"]["message"], frame
            assert listener.ping() == [], frame


@pytest.mark.parametrize("run_id", ["abc", "-1", "0", "1.5", ""])
def test_a_connection_with_an_invalid_run_id_is_rejected(baton: Baton, run_id: str) -> None:
    with pytest.raises(InvalidStatus) as rejected, baton.listen(f"?runId={run_id}"):
        pass
    assert 400 <= rejected.value.response.status_code < 500


def problem(baton: Baton, method: str, path: str, **request: Any) -> dict[str, Any]:
    """The problem that a call returns; all problems have the same form."""
    answer = baton.send(method, path, **request)
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    found: dict[str, Any] = answer.json()
    assert found["status"] == answer.status_code
    assert all(isinstance(found[member], str) and found[member] for member in ("type", "title", "detail"))
    return found
