"""Resume, attempts and rerun over HTTP, with the state machine, on moto."""

from __future__ import annotations

from typing import Any

import pytest

from baton.domain.errors import LlmRefused
from tests.support.deployment import Deployment
from tests.support.functions import request
from tests.support.problems import assert_problem


def failed_at_the_second(baton: Deployment, *prompts: str, **variables: Any) -> int:
    """A run whose first payload has answered, and whose second one has failed."""
    baton.llm.script("one", LlmRefused("404: no such model."))
    run_id = baton.execute(baton.workflow(*prompts), **variables)
    assert baton.finish(run_id)["status"] == "failed"
    return run_id


def edit(path: str, **fields: Any) -> None:
    assert request("PUT", path, {**request("GET", path).body, **fields}).status == 200


def resume(run_id: int, body: dict[str, Any] | None = None) -> dict[str, Any]:
    answer = request("POST", f"/api/runs/{run_id}/resume", body, headers={"x-correlation-id": "second"})
    assert answer.status == 202, answer.body
    return dict(answer.body)


def attempts(run_id: int, **query: str) -> dict[str, Any]:
    answer = request("GET", f"/api/runs/{run_id}/attempts", query=query)
    assert answer.status == 200, answer.body
    return dict(answer.body)


def test_a_run_is_resumed_with_other_variables_and_the_repaired_definition(baton: Deployment) -> None:
    run_id = failed_at_the_second(baton, "a {{v}}", "b {{p0}} {{v}}", "c {{p1}}", v="x", w="y")
    edit("/api/blocks/2", content="repaired {{p0}} {{v}} {{w}}")
    baton.llm.script("two", "three")
    resumed = resume(run_id, {"variables": {"v": "z"}, "definition": "latest"})
    assert (resumed["metadata"]["attempt"], resumed["status"]) == (2, "running")
    run = baton.finish(run_id, attempt=2)
    assert (run["status"], run["metadata"]["variables"]) == ("completed", {"v": "z", "w": "y"})
    assert baton.llm.prompts == ["a x", "b one x", "repaired one z y", "c two"]
    definition = request("GET", f"/api/runs/{run_id}/definition").body
    assert [payload["template"] for payload in definition["payloads"]] == [
        "a {{v}}",
        "repaired {{p0}} {{v}} {{w}}",
        "c {{p1}}",
    ]
    assert run["metadata"]["usage"] == {"prompt_tokens": 9, "completion_tokens": 15}


def test_a_longer_workflow_is_executed_to_its_end(baton: Deployment) -> None:
    run_id = failed_at_the_second(baton, "a", "b")
    block = {"content": "c {{p1}}"}
    added = baton.create("/api/payloads", {"name": "p2", "blocks": [block], "llm_instance": 1})
    edit("/api/workflows/1", payloads=[1, 2, added])
    baton.llm.script("two", "three")
    resume(run_id, {"definition": "latest"})
    run = baton.finish(run_id, attempt=2)
    assert (run["status"], run["metadata"]["total_payloads"], run["metadata"]["completed_payloads"]) == (
        "completed",
        3,
        3,
    )
    assert [response["id"] for response in run["responses"]] == [1, 3, 4]
    assert baton.llm.prompts[-1] == "c two"


def test_the_attempts_of_a_run_are_listed_in_order(baton: Deployment) -> None:
    run_id = failed_at_the_second(baton, "a", "b")
    first = attempts(run_id)["items"]
    baton.llm.script("two")
    resume(run_id)
    run = baton.finish(run_id, attempt=2)
    listed = attempts(run_id)
    assert listed["cursor"] is None
    before, now = listed["items"]
    assert first == [before]
    assert (before["number"], before["status"], before["first_position"], before["total_payloads"]) == (
        1,
        "failed",
        0,
        2,
    )
    assert before["error"] == "Payload 'p1' (position 1): 404: no such model."
    assert (before["tries"], before["waited_seconds"]) == (1, 0)
    assert (now["number"], now["status"], now["first_position"]) == (2, "completed", 1)
    assert not {"error", "tries", "waited_seconds", "cancelled_by"} & now.keys()
    assert (before["started_by"], now["started_by"], now["correlation_id"]) == ("default", "default", "second")
    assert before["started_at"] < before["ended_at"] <= now["started_at"] < now["ended_at"]
    assert (run["started_at"], run["completed_at"]) == (before["started_at"], now["ended_at"])


def test_a_list_of_attempts_has_pages(baton: Deployment) -> None:
    baton.llm.script(*[LlmRefused("404: no such model.")] * 3)
    run_id = baton.execute(baton.workflow("a"))
    baton.finish(run_id)
    for attempt in (2, 3):
        resume(run_id)
        baton.finish(run_id, attempt)
    page = attempts(run_id, limit="2")
    assert [item["number"] for item in page["items"]] == [1, 2]
    following = attempts(run_id, limit="2", cursor=page["cursor"])
    assert ([item["number"] for item in following["items"]], following["cursor"]) == ([3], None)


@pytest.mark.usefixtures("baton")
def test_the_attempts_and_the_rerun_of_an_unknown_run_are_not_found() -> None:
    assert_problem(request("GET", "/api/runs/9/attempts"), 404, "not-found", "run 9")
    assert_problem(request("POST", "/api/runs/9/rerun"), 404, "not-found", "run 9")


def test_a_cancelled_attempt_has_its_caller(baton: Deployment) -> None:
    run_id = failed_at_the_second(baton, "a", "b")
    baton.payload_function = lambda _: cancelled(run_id)
    resume(run_id)
    assert baton.finish(run_id, attempt=2)["status"] == "cancelled"
    assert [item.get("cancelled_by") for item in attempts(run_id)["items"]] == [None, "default"]


def cancelled(run_id: int) -> dict[str, Any]:
    """The step of a payload during which the run is cancelled."""
    assert request("POST", f"/api/runs/{run_id}/cancel").status == 200
    return {"outcome": "failed", "error": "", "tenant": "default", "run_id": run_id, "attempt": 2}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"definition": "newest"}, "definition"),
        ({"variables": {"v": 1}, "limits": {}}, "limits"),
        ({"variables": ["v"]}, "variables"),
        ({"variables": {"v": "x" * 300_000}}, "variables"),
    ],
)
def test_a_wrong_body_of_a_resume_is_rejected_and_the_run_is_unchanged(
    baton: Deployment, body: dict[str, Any], field: str
) -> None:
    run_id = failed_at_the_second(baton, "a", "b")
    answer = request("POST", f"/api/runs/{run_id}/resume", body)
    assert_problem(answer, 422, "invalid-request", field)
    assert [item["status"] for item in attempts(run_id)["items"]] == ["failed"]


@pytest.mark.parametrize("body", [None, {}, {"variables": None, "definition": None}, {"definition": "snapshot"}])
def test_a_resume_without_a_choice_changes_nothing_but_the_attempt(
    baton: Deployment, body: dict[str, Any] | None
) -> None:
    run_id = failed_at_the_second(baton, "a", "b {{v}}", v="x")
    edit("/api/blocks/2", content="never")
    baton.llm.script("two")
    resume(run_id, body)
    assert baton.finish(run_id, attempt=2)["metadata"]["variables"] == {"v": "x"}
    assert baton.llm.prompts[-1] == "b x"


def test_a_workflow_in_another_order_is_a_422_that_names_the_payload(baton: Deployment) -> None:
    run_id = failed_at_the_second(baton, "a", "b")
    edit("/api/workflows/1", payloads=[2, 1])
    answer = request("POST", f"/api/runs/{run_id}/resume", {"definition": "latest"})
    assert_problem(answer, 422, "invalid-request", "payload 1 has answered at position 0")


def test_a_rerun_is_a_new_run_of_the_workflow_as_it_is_now(baton: Deployment) -> None:
    run_id = failed_at_the_second(baton, "a {{v}} {{w}}", "b", v="x", w="y")
    edit("/api/blocks/2", content="repaired")
    baton.llm.script("one", "two")
    answer = request("POST", f"/api/runs/{run_id}/rerun", {"variables": {"v": "z"}})
    assert (answer.status, answer.body) == (
        202,
        {"runId": 2, "message": "Workflow execution started", "status": "running"},
    )
    run = baton.finish(2)
    assert (run["status"], run["metadata"]["rerun_of"], run["metadata"]["attempt"]) == ("completed", run_id, 1)
    assert run["metadata"]["variables"] == {"v": "z", "w": "y"}
    assert baton.llm.prompts[2:] == ["a z y", "repaired"]
    before = baton.finish(run_id)
    assert (before["status"], "rerun_of" in before["metadata"]) == ("failed", False)
    assert [run["metadata"].get("rerun_of") for run in request("GET", "/api/runs").body["items"]] == [run_id, None]


def test_a_rerun_of_a_deleted_workflow_is_a_404_and_of_missing_references_a_422(baton: Deployment) -> None:
    run_id = failed_at_the_second(baton, "a {{v}}", "b")
    answer = request("POST", f"/api/runs/{run_id}/rerun", {"on_missing": "fail"})
    assert_problem(answer, 422, "invalid-request", "{{v}}")
    assert request("DELETE", "/api/workflows/1").status == 204
    assert_problem(request("POST", f"/api/runs/{run_id}/rerun"), 404, "not-found", "workflow 1")
    assert len(request("GET", "/api/runs").body["items"]) == 1
