"""The state machine itself, executed by moto: one test per path."""

from __future__ import annotations

from collections import Counter
from typing import Any

from botocore.model import OperationModel

from baton.domain.errors import LlmRefused, LlmServerError, LlmThrottled
from baton.runtime import wiring
from tests.support.deployment import Deployment, ServiceFailure
from tests.support.environments import in_function
from tests.support.functions import invoke, request


def test_each_prompt_contains_the_answers_that_it_refers_to(baton: Deployment) -> None:
    baton.llm.script("red", "big", "ok")
    workflow = baton.workflow("A colour for {{what}}.", "A size for a {{ p0 }} {{what}}.", "{{p0}} {{p1}} {{nobody}}")
    run = baton.finish(baton.execute(workflow, what="kite"))
    assert run["status"] == "completed"
    assert baton.llm.prompts == ["A colour for kite.", "A size for a red kite.", "red big {{nobody}}"]
    assert [response["content"] for response in run["responses"]] == ["red", "big", "ok"]


def test_a_completed_run_has_the_documented_fields(baton: Deployment) -> None:
    baton.llm.script("red")
    run = baton.finish(baton.execute(baton.workflow("{{what}} {{nobody}}"), what=["a", 1]))
    assert set(run) == {"id", "workflow_id", "status", "started_at", "completed_at", "metadata", "responses"}
    assert run["started_at"] <= run["responses"][0]["created_at"] <= run["completed_at"]
    assert run["metadata"]["variables"] == {"what": ["a", 1]}
    assert (run["metadata"]["total_payloads"], run["metadata"]["completed_payloads"]) == (1, 1)
    assert "error" not in run["metadata"]
    (response,) = run["responses"]
    assert response["metadata"]["references"] == [
        {"name": "what", "where": "prompt", "source": "variable"},
        {"name": "nobody", "where": "prompt", "source": "missing"},
    ]
    assert response["metadata"]["total_tokens"] == 8
    assert baton.llm.prompts == ['["a", 1] {{nobody}}']


def test_a_payload_costs_two_transitions_on_the_normal_path(baton: Deployment) -> None:
    baton.llm.script("a", "b", "c")
    states = baton.states(baton.execute(baton.workflow("1", "2", "3")))
    assert states == ["MarkRunning", *["ExecutePayload", "NextStep?"] * 3, "MarkCompleted", "RunCompleted"]


def test_a_throttled_payload_waits_for_retry_after_and_then_completes(baton: Deployment) -> None:
    baton.llm.script(LlmThrottled("Slow down.", retry_after=2), "answer")
    run_id = baton.execute(baton.workflow("p"))
    run = baton.finish(run_id)
    assert run["status"] == "completed"
    assert baton.waits == [2]
    assert "WaitForLlm" in baton.states(run_id)
    assert run["responses"][0]["metadata"]["tries"] == 1


def test_five_throttled_calls_fail_the_run_with_the_payload_and_the_reason(baton: Deployment) -> None:
    baton.llm.script("first", *[LlmThrottled("LLM instance 'llm' answered 429: slow down.", retry_after=2)] * 5)
    run = baton.finish(baton.execute(baton.workflow("a", "b")))
    assert run["status"] == "failed"
    assert len(baton.llm.calls) == 6
    assert baton.waits == [2, 2, 2, 2]
    error = run["metadata"]["error"]
    assert "'p1'" in error
    assert "429: slow down" in error
    assert "after 5 calls" in error
    assert [response["content"] for response in run["responses"]] == ["first"]


def test_a_server_error_has_at_most_three_calls(baton: Deployment) -> None:
    baton.llm.script(*[LlmServerError("500: oops.")] * 3)
    assert baton.finish(baton.execute(baton.workflow("a")))["status"] == "failed"
    assert len(baton.llm.calls) == 3


def test_a_permanent_error_fails_the_run_without_a_retry(baton: Deployment) -> None:
    baton.llm.script(LlmRefused("LLM instance 'llm' answered 401: wrong key."))
    run_id = baton.execute(baton.workflow("a", "b"))
    run = baton.finish(run_id)
    assert run["status"] == "failed"
    assert "401: wrong key" in run["metadata"]["error"]
    assert baton.states(run_id)[-2:] == ["MarkFailed", "RunFailed"]
    assert baton.waits == []


def test_a_crash_fails_the_run_with_the_error_type_but_not_its_message(baton: Deployment) -> None:
    baton.llm.script(ZeroDivisionError("the prompt was: secret"))
    run = baton.finish(baton.execute(baton.workflow("a")))
    assert run["status"] == "failed"
    assert "ZeroDivisionError" in run["metadata"]["error"]
    assert "secret" not in run["metadata"]["error"]


def test_a_failed_invocation_of_lambda_is_retried(baton: Deployment) -> None:
    failures = iter([ServiceFailure(), ServiceFailure()])

    def failing_at_first(event: dict[str, Any]) -> dict[str, Any]:
        for failure in failures:
            raise failure
        return invoke("execute_payload", event)

    baton.payload_function = failing_at_first
    baton.llm.script("answer")
    assert baton.finish(baton.execute(baton.workflow("a")))["status"] == "completed"


def test_a_function_that_stops_after_storing_its_response_is_not_executed_twice(baton: Deployment) -> None:
    """The first result of each invocation is lost; Step Functions delivers the payload again."""
    deliveries: Counter[int] = Counter()

    def killed_once(event: dict[str, Any]) -> dict[str, Any]:
        deliveries[event["position"]] += 1
        after = invoke("execute_payload", event)
        if deliveries[event["position"]] == 1:
            raise ServiceFailure
        return after

    baton.payload_function = killed_once
    baton.llm.script("one", "two")
    run = baton.finish(baton.execute(baton.workflow("a", "b {{p0}}")))
    assert deliveries == {0: 2, 1: 2}
    assert len(baton.llm.calls) == 2
    assert [response["content"] for response in run["responses"]] == ["one", "two"]


def test_a_function_that_stops_before_storing_its_response_stores_one_response_after_two_calls(
    baton: Deployment,
) -> None:
    baton.llm.script(ServiceFailure(), "two")
    run = baton.finish(baton.execute(baton.workflow("a")))
    assert len(baton.llm.calls) == 2
    assert [response["content"] for response in run["responses"]] == ["two"]


def test_a_run_that_is_cancelled_between_payloads_calls_no_further_llm(baton: Deployment) -> None:
    def cancelled_before_second(event: dict[str, Any]) -> dict[str, Any]:
        if event["position"] == 1:
            assert request("POST", "/api/runs/1/cancel").status == 200
        return invoke("execute_payload", event)

    baton.payload_function = cancelled_before_second
    baton.llm.script("one")
    run = baton.finish(baton.execute(baton.workflow("a", "b")))
    assert run["status"] == "cancelled"
    assert len(baton.llm.calls) == 1


def test_a_resumed_run_continues_after_its_last_response(baton: Deployment) -> None:
    baton.llm.script("one", LlmRefused("401: wrong key."))
    run_id = baton.execute(baton.workflow("a", "b {{p0}}"))
    assert baton.finish(run_id)["status"] == "failed"
    baton.llm.script("two")
    assert request("POST", f"/api/runs/{run_id}/resume").status == 202
    run = baton.finish(run_id, attempt=2)
    assert run["status"] == "completed"
    assert run["metadata"]["attempt"] == 2
    assert "error" not in run["metadata"]
    assert baton.llm.prompts == ["a", "b one", "b one"]


def test_every_payload_needs_one_read_one_transaction_and_one_read_of_what_it_refers_to(baton: Deployment) -> None:
    """All but the last refer to the answer before them and to a variable. The answers are short, and streamed."""
    baton.llm.streams = True
    calls: list[list[str]] = []
    client = in_function("execute_payload", wiring._dynamodb)  # noqa: SLF001 - the client whose calls are counted

    def count(model: OperationModel, **_: Any) -> None:
        calls[-1].append(model.name)

    def counted(event: dict[str, Any]) -> dict[str, Any]:
        calls.append([])
        client.meta.events.register("before-call.dynamodb", count)
        try:
            return invoke("execute_payload", event)
        finally:
            client.meta.events.unregister("before-call.dynamodb", count)

    baton.payload_function = counted
    baton.llm.script(*["x"] * 52)
    prompts = ["{{v}}", *(f"{{{{p{before}}}}} {{{{v}}}}" for before in range(50)), "no reference"]
    workflow = baton.workflow(*prompts)
    assert baton.finish(baton.execute(workflow, v="w"))["status"] == "completed"
    assert calls[:-1] == [["BatchGetItem", "BatchGetItem", "TransactWriteItems"]] * 51
    assert calls[-1] == ["BatchGetItem", "TransactWriteItems"]
