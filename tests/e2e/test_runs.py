"""A run over HTTP: started, read, failed, cancelled, resumed, deleted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from tests.e2e.baton import Baton, Prompt
from tests.e2e.cloud import Cloud
from tests.e2e.live import is_a, is_the_end_of, outline, without_parts
from tests.e2e.waiting import eventually

RUN_FIELDS = {"id", "workflow_id", "status", "started_at", "completed_at", "metadata", "responses"}
RESPONSE_FIELDS = {
    *("id", "run_id", "payload_id", "payload_name", "position", "content", "content_truncated", "metadata"),
    "created_at",
}


def test_the_start_returns_before_the_llm_answers_and_the_run_can_be_read_in_every_status(
    baton: Baton, cloud: Cloud
) -> None:
    workflow_id = baton.workflow("answered at once", [Prompt("takes five seconds", options={"delay_seconds": 5})])
    answer = baton.send("POST", f"/api/execute/workflow/{workflow_id}", json={"variables": {"unused": 1}})
    run_id = answer.json()["runId"]
    at_once = baton.run(run_id)
    seen: list[dict[str, Any]] = [at_once]
    eventually(lambda: seen.append(baton.run(run_id)), lambda _: seen[-1]["status"] == "completed")

    assert answer.status_code == 202
    assert answer.json() == {"runId": run_id, "message": "Workflow execution started", "status": "running"}
    assert at_once["status"] in ("created", "running")
    assert at_once["responses"] == []
    assert at_once["completed_at"] is None
    reads = [status for status, _ in groupby(run["status"] for run in seen)]
    assert reads in (["created", "running", "completed"], ["running", "completed"])
    assert cloud.statuses(run_id) == ["created", "running", "completed"]

    assert all(run.keys() == RUN_FIELDS for run in seen)
    run = seen[-1]
    assert (run["id"], run["workflow_id"]) == (run_id, workflow_id)
    assert run["metadata"] == {
        "workflow_name": "answered at once",
        "total_payloads": 1,
        "completed_payloads": 1,
        "attempt": 1,
        "created_at": at_once["metadata"]["created_at"],
        "correlation_id": answer.headers["X-Correlation-Id"],
        "usage": {name: run["responses"][0]["metadata"][name] for name in ("prompt_tokens", "completion_tokens")},
        "variables": {"unused": 1},
    }
    [response] = run["responses"]
    assert response.keys() == RESPONSE_FIELDS
    assert response["metadata"]["duration_ms"] >= 5000
    timestamps = [
        run["metadata"]["created_at"],
        run["started_at"],
        response["created_at"],
        run["completed_at"],
    ]
    assert all(timestamp.endswith("Z") for timestamp in timestamps)
    assert timestamps == sorted(timestamps)
    assert datetime.now(UTC) - datetime.fromisoformat(timestamps[0]) < timedelta(minutes=2)


def test_answers_are_inserted_into_later_prompts_and_a_missing_variable_is_left_verbatim(baton: Baton) -> None:
    workflow_id = baton.workflow(
        "handed on",
        [
            Prompt("greeting", "Greet {{ who }} {{nobody knows}} times.", {"answer": "Hello, {{who}}!"}),
            Prompt("echo", "Repeat: {{greeting}} {{ nobody knows }}{{settings}}"),
        ],
    )
    run_id = baton.start(workflow_id, {"who": "Ada", "settings": {"loud": True}})
    run = baton.ended(run_id)
    prompts = [response["prompt"] for response in baton.call("GET", f"/api/runs/{run_id}/responses")["items"]]

    assert run["status"] == "completed"
    assert prompts == [
        "Greet Ada {{nobody knows}} times.",
        'Repeat: Hello, {{who}}! {{ nobody knows }}{"loud": true}',
    ]
    assert [response["metadata"]["references"] for response in run["responses"]] == [
        [
            {"name": "who", "where": "prompt", "source": "variable"},
            {"name": "nobody knows", "where": "prompt", "source": "missing"},
        ],
        [
            {"name": "greeting", "where": "prompt", "source": "response", "position": 0},
            {"name": "nobody knows", "where": "prompt", "source": "missing"},
            {"name": "settings", "where": "prompt", "source": "variable"},
        ],
    ]


def test_an_error_of_the_llm_fails_the_run_with_its_message_and_earlier_responses_remain(
    baton: Baton, cloud: Cloud
) -> None:
    workflow_id = baton.workflow(
        "refused",
        [
            Prompt("accepted", options={"answer": "Here you are."}),
            Prompt("refused", options={"fail_status": 401, "fail_message": "This key was revoked on Tuesday."}),
            Prompt("never asked"),
        ],
    )
    with baton.listen() as listener:
        run_id = baton.start(workflow_id)
        failed = listener.receive_until(is_the_end_of(run_id))
        messages = listener.of_run(run_id)
    run = baton.ended(run_id)

    assert run["status"] == "failed"
    assert run["metadata"]["error"] == (
        "Payload 'refused' (position 1): LLM instance 'instance of refused' answered with status 401:"
        " This key was revoked on Tuesday."
    )
    assert run["metadata"]["completed_payloads"] == 1
    assert run["completed_at"] >= run["started_at"]
    assert [response["content"] for response in run["responses"]] == ["Here you are."]
    assert failed["data"] == {
        "runId": run_id,
        "workflowId": workflow_id,
        "status": "failed",
        "metadata": {"attempt": 1},
        "error": run["metadata"]["error"],
    }
    assert outline(messages) == [
        ("execution_progress", None),
        ("execution_progress", 0),
        ("payload_completed", 0),
        ("execution_progress", 1),
        ("workflow_failed", None),
    ]
    assert cloud.statuses(run_id) == ["created", "running", "failed"]


def test_a_cancelled_run_can_be_resumed_and_deleted(baton: Baton, cloud: Cloud) -> None:
    workflow_id = baton.workflow(
        "cancelled",
        [Prompt("before the end", options={"answer": "Kept."}), Prompt("cut short", options={"delay_seconds": 4})],
    )
    with baton.listen() as listener:
        run_id = baton.start(workflow_id)
        listener.receive_until(lambda message: is_a("execution_progress", run_id=run_id)(message) and at(message, 1))
        assert problem_of(baton, "DELETE", f"/api/runs/{run_id}") == (409, "run-not-finished")
        assert problem_of(baton, "POST", f"/api/runs/{run_id}/resume") == (409, "run-not-finished")

        cancelled = baton.call("POST", f"/api/runs/{run_id}/cancel")
        assert cancelled["status"] == "cancelled"
        message = listener.receive_until(is_the_end_of(run_id))
        assert message["type"] == "workflow_cancelled"
        end = {"runId": run_id, "workflowId": workflow_id, "status": "cancelled", "metadata": {"attempt": 1}}
        assert message["data"] == end
        assert [response["content"] for response in baton.run(run_id)["responses"]] == ["Kept."]
        assert problem_of(baton, "POST", f"/api/runs/{run_id}/cancel") == (409, "run-finished")

        resumed = baton.send("POST", f"/api/runs/{run_id}/resume")
        assert resumed.status_code == 202
        listener.receive_until(is_a("workflow_completed", run_id=run_id))
        messages = listener.of_run(run_id)

    run = baton.ended(run_id)
    assert run["status"] == "completed"
    assert run["metadata"]["attempt"] == 2
    attempts = baton.call("GET", f"/api/runs/{run_id}/attempts")["items"]
    assert [(attempt["number"], attempt["status"]) for attempt in attempts] == [(1, "cancelled"), (2, "completed")]
    assert [response["position"] for response in run["responses"]] == [0, 1]
    assert outline(messages) == [
        ("execution_progress", None),
        ("execution_progress", 0),
        ("payload_completed", 0),
        ("execution_progress", 1),
        ("workflow_cancelled", None),
        ("execution_progress", None),
        ("execution_progress", 1),
        ("payload_completed", 1),
        ("workflow_completed", None),
    ]
    progress = [message for message in without_parts(messages) if message["type"] == "execution_progress"]
    assert [message["data"]["metadata"]["attempt"] for message in progress] == [1, 1, 1, 2, 2]
    assert cloud.statuses(run_id) == ["created", "running", "cancelled", "running", "completed"]
    assert problem_of(baton, "POST", f"/api/runs/{run_id}/resume") == (409, "run-finished")

    assert baton.send("DELETE", f"/api/runs/{run_id}").status_code == 204
    assert problem_of(baton, "GET", f"/api/execute/run/{run_id}") == (404, "not-found")
    assert problem_of(baton, "GET", f"/api/runs/{run_id}/responses") == (404, "not-found")
    assert problem_of(baton, "DELETE", f"/api/runs/{run_id}") == (404, "not-found")
    assert [item for item in cloud.items("RunsTable") if item["pk"]["S"] == f"default#RUN#{run_id}"] == []


def test_runs_are_listed_newest_first_by_workflow_and_status(baton: Baton) -> None:
    workflow_id = baton.workflow("listed", [Prompt("listed payload")])
    runs = [baton.start(workflow_id) for _ in range(3)]
    for run_id in runs:
        baton.ended(run_id)
    listed = baton.call("GET", f"/api/runs?workflow_id={workflow_id}&status=completed&limit=2")
    rest = baton.call("GET", f"/api/runs?workflow_id={workflow_id}&status=completed&cursor={listed['cursor']}")

    assert [run["id"] for run in (*listed["items"], *rest["items"])] == runs[::-1]
    assert rest["cursor"] is None
    assert baton.call("GET", f"/api/runs?workflow_id={workflow_id}&status=failed")["items"] == []


def at(message: dict[str, Any], position: int) -> bool:
    return bool(message["data"]["position"] == position)


def problem_of(baton: Baton, method: str, path: str) -> tuple[int, str]:
    """Status and type of the problem that a call returns."""
    answer = baton.send(method, path)
    assert answer.headers["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["type"]
