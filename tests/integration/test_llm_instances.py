"""LLM instances over HTTP: limits, fallbacks and headers are saved, validated and used by runs."""

from __future__ import annotations

from typing import Any

import pytest

from baton.domain.errors import LlmRefused, LlmThrottled
from tests.support.deployment import Deployment
from tests.support.functions import request
from tests.support.llm_instances import INSTANCES, instance, workflow
from tests.support.problems import assert_problem


def test_limits_fallback_and_header_are_returned_as_saved_and_removed_by_a_put_without_them(baton: Deployment) -> None:
    last = baton.create(INSTANCES, instance("last"))
    fields = {
        "limits": {"max_concurrency": 3, "tokens_per_minute": 9_000},
        "fallback": last,
        "api_key_header": "api-key",
    }
    made = baton.create(INSTANCES, instance("first", **fields))
    body = request("GET", f"{INSTANCES}/{made}").body
    assert body["limits"] == {"max_concurrency": 3, "requests_per_minute": None, "tokens_per_minute": 9_000}
    assert (body["fallback"], body["api_key_header"]) == (last, "api-key")
    body = request("PUT", f"{INSTANCES}/{made}", instance("first", limits={})).body
    assert (body["limits"], body["fallback"], body["api_key_header"]) == (None, None, None)


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"limits": {"requests_per_minute": 0}}, "limits.requests_per_minute"),
        ({"limits": {"max_concurrency": 1.5}}, "limits.max_concurrency"),
        ({"limits": {"tokens_per_minute": "many"}}, "limits.tokens_per_minute"),
        ({"limits": {"requests_per_second": 5}}, "limits.requests_per_second"),
        ({"fallback": 99}, "fallback: there is no LLM instance 99."),
        ({"fallback": "last"}, "fallback"),
        ({"api_key_header": "no header"}, "api_key_header: is not a valid header name"),
        ({"api_key_header": "Content-Type"}, "api_key_header: is a header that HTTP itself uses"),
        (
            {"provider": "simulated", "api_key_header": "api-key"},
            "provider 'simulated' does not support api_key_header",
        ),
        ({"provider": "bedrock", "base_url": "https://a.example"}, "provider 'bedrock' does not support base_url"),
        ({"provider": "bedrock", "api_key": "sk-test-1"}, "provider 'bedrock' does not support api_key"),
        ({"provider": "bedrock", "defaults": {"seed": 1}}, "defaults.seed: is not supported by bedrock"),
    ],
)
@pytest.mark.usefixtures("baton")
def test_an_invalid_instance_is_rejected_with_the_field(fields: dict[str, Any], detail: str) -> None:
    assert_problem(request("POST", INSTANCES, instance(**fields)), 422, "invalid-request", detail)


def test_a_fallback_cannot_form_a_cycle_or_be_deleted_while_in_use(baton: Deployment) -> None:
    last = baton.create(INSTANCES, instance("last"))
    first = baton.create(INSTANCES, instance("first", fallback=last))
    back = request("PUT", f"{INSTANCES}/{last}", instance("last", fallback=first))
    assert_problem(back, 422, "invalid-request", "fallback: forms a cycle")
    rejected = request("DELETE", f"{INSTANCES}/{last}")
    assert_problem(rejected, 409, "in-use", "LLM instance 2 (first)")
    assert [(user["id"], user["name"]) for user in rejected.body["users"]] == [(first, "first")]


def test_a_payload_with_a_setting_that_the_fallback_does_not_support_is_rejected(baton: Deployment) -> None:
    last = baton.create(INSTANCES, instance("last", provider="anthropic"))
    first = baton.create(INSTANCES, instance("first", fallback=last))
    payload = {"name": "p", "blocks": [{"content": "Say."}], "llm_instance": first, "seed": 1}
    detail = "seed: of the fallback 'last': is not supported by anthropic."
    assert_problem(request("POST", "/api/payloads", payload), 422, "invalid-request", detail)
    file = {
        "workflow": {"name": "w", "payloads": ["p"]},
        "payloads": [{**payload, "llm_instance": "first"}],
    }
    rejected = request("POST", "/api/workflows/import", file)
    assert_problem(rejected, 422, "invalid-request", f"payloads[0].{detail.rstrip('.')}")


def test_a_response_records_the_fallback_and_the_failure_before_it(baton: Deployment) -> None:
    last = baton.create(INSTANCES, instance("last", model="m2"))
    first = baton.create(INSTANCES, instance("first", fallback=last))
    baton.llm.script(*[LlmThrottled("Too many requests.", 2.0)] * 5, "An answer.", LlmRefused("Wrong key."), "Another.")
    run_id = baton.execute(workflow(baton, first, payloads=2))
    run = baton.finish(run_id)
    assert run["status"] == "completed"
    metadata = [response["metadata"] for response in run["responses"]]
    assert [(one["llm_instance"], one["fallback_from"]) for one in metadata] == [("last", ["first"])] * 2
    assert [(one["tries"], one["waited_seconds"]) for one in metadata] == [(5, 8), (1, 0)]
    assert [one["last_failure"] for one in metadata] == ["Too many requests. Given up after 5 calls.", "Wrong key."]
    assert [call.model for call in baton.llm.calls] == ["m"] * 5 + ["m2", "m", "m2"]
    assert baton.waits == [2] * 4
    definition = request("GET", f"/api/runs/{run_id}/definition").body
    (fallback,) = definition["payloads"][0]["fallbacks"]
    assert (fallback["llm_instance"]["name"], fallback["llm_instance"]["model"]) == ("last", "m2")


def test_a_failed_run_contains_its_tries_and_waits(baton: Deployment) -> None:
    baton.llm.script(*[LlmThrottled("Too many requests.", 3.0)] * 5)
    made = workflow(baton, baton.create(INSTANCES, instance()))
    metadata = baton.finish(baton.execute(made))["metadata"]
    assert metadata["error"] == "Payload 'p0' (position 0): Too many requests. Given up after 5 calls."
    assert (metadata["tries"], metadata["waited_seconds"]) == (5, 12)
    baton.llm.script("An answer.")
    assert request("POST", "/api/runs/1/resume").status == 202
    resumed = baton.finish(1, attempt=2)
    assert resumed["status"] == "completed"
    assert not {"tries", "waited_seconds", "error"} & resumed["metadata"].keys()


def test_payloads_over_the_limit_wait_in_the_state_machine(baton: Deployment) -> None:
    """Waits need no time here, so each has the full remaining length."""
    limited = baton.create(INSTANCES, instance(limits={"requests_per_minute": 40}))
    baton.llm.script("1", "2", "3", "4")
    run = baton.finish(baton.execute(workflow(baton, limited, payloads=4)))
    assert run["status"] == "completed"
    waited = [response["metadata"]["waited_seconds"] for response in run["responses"]]
    assert waited[:2] == [0, 0]
    assert 1 <= waited[2] < waited[3] <= 5
    assert baton.waits == waited[2:]
    assert [response["metadata"]["tries"] for response in run["responses"]] == [0] * 4
