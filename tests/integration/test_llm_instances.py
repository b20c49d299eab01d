"""LLM instances over HTTP: limits, fallbacks and headers, as they are saved, refused and used by runs."""

from __future__ import annotations

from typing import Any

import pytest

from baton.domain.errors import LlmRefused, LlmThrottled
from tests.support.deployment import Deployment
from tests.support.functions import request
from tests.support.llm_instances import INSTANCES, instance, workflow
from tests.support.problems import assert_problem


def test_limits_fallback_and_header_read_back_as_they_were_saved_and_go_with_a_put(baton: Deployment) -> None:
    last = baton.create(INSTANCES, instance("last"))
    given = {
        "limits": {"max_concurrency": 3, "tokens_per_minute": 9_000},
        "fallback": last,
        "api_key_header": "api-key",
    }
    made = baton.create(INSTANCES, instance("first", **given))
    body = request("GET", f"{INSTANCES}/{made}").body
    assert body["limits"] == {"max_concurrency": 3, "requests_per_minute": None, "tokens_per_minute": 9_000}
    assert (body["fallback"], body["api_key_header"]) == (last, "api-key")
    body = request("PUT", f"{INSTANCES}/{made}", instance("first", limits={})).body
    assert (body["limits"], body["fallback"], body["api_key_header"]) == (None, None, None)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"limits": {"requests_per_minute": 0}}, "limits.requests_per_minute"),
        ({"limits": {"max_concurrency": 1.5}}, "limits.max_concurrency"),
        ({"limits": {"tokens_per_minute": "many"}}, "limits.tokens_per_minute"),
        ({"limits": {"requests_per_second": 5}}, "limits.requests_per_second"),
        ({"fallback": 99}, "fallback: there is no LLM instance 99."),
        ({"fallback": "last"}, "fallback"),
        ({"api_key_header": "no header"}, "api_key_header: is not a valid header name"),
        ({"api_key_header": "Content-Type"}, "api_key_header: is a header that HTTP itself uses"),
        ({"provider": "simulated", "api_key_header": "api-key"}, "provider 'simulated' has no api_key_header"),
        ({"provider": "bedrock", "base_url": "https://a.example"}, "provider 'bedrock' has no base_url"),
        ({"provider": "bedrock", "api_key": "sk-test-1"}, "provider 'bedrock' has no api_key"),
        ({"provider": "bedrock", "defaults": {"seed": 1}}, "defaults.seed: bedrock has no such setting"),
    ],
)
@pytest.mark.usefixtures("baton")
def test_what_can_not_be_is_refused_by_field(said: dict[str, Any], sentence: str) -> None:
    assert_problem(request("POST", INSTANCES, instance(**said)), 422, "invalid-request", sentence)


def test_a_fallback_neither_leads_back_nor_is_deleted_while_it_is_one(baton: Deployment) -> None:
    last = baton.create(INSTANCES, instance("last"))
    first = baton.create(INSTANCES, instance("first", fallback=last))
    back = request("PUT", f"{INSTANCES}/{last}", instance("last", fallback=first))
    assert_problem(back, 422, "invalid-request", "fallback: forms a cycle")
    refused = request("DELETE", f"{INSTANCES}/{last}")
    assert_problem(refused, 409, "in-use", "LLM instance 2 (first)")
    assert [(user["id"], user["name"]) for user in refused.body["users"]] == [(first, "first")]


def test_a_payload_is_refused_for_what_its_instances_fallback_lacks(baton: Deployment) -> None:
    last = baton.create(INSTANCES, instance("last", provider="anthropic"))
    first = baton.create(INSTANCES, instance("first", fallback=last))
    payload = {"name": "p", "blocks": [{"content": "Say."}], "llm_instance": first, "seed": 1}
    sentence = "seed: of the fallback 'last': anthropic has no such setting."
    assert_problem(request("POST", "/api/payloads", payload), 422, "invalid-request", sentence)
    file = {
        "workflow": {"name": "w", "payloads": ["p"]},
        "payloads": [{**payload, "llm_instance": "first"}],
    }
    refused = request("POST", "/api/workflows/import", file)
    assert_problem(refused, 422, "invalid-request", f"payloads[0].{sentence.rstrip('.')}")


def test_a_run_falls_back_and_its_response_says_from_whom_to_whom_and_why(baton: Deployment) -> None:
    last = baton.create(INSTANCES, instance("last", model="m2"))
    first = baton.create(INSTANCES, instance("first", fallback=last))
    baton.llm.script(*[LlmThrottled("Too many requests.", 2.0)] * 5, "An answer.", LlmRefused("Wrong key."), "Another.")
    run_id = baton.execute(workflow(baton, first, payloads=2))
    run = baton.finish(run_id)
    assert run["status"] == "completed"
    told = [response["metadata"] for response in run["responses"]]
    assert [(one["llm_instance"], one["fallback_from"]) for one in told] == [("last", ["first"])] * 2
    assert [(one["tries"], one["waited_seconds"]) for one in told] == [(5, 8), (1, 0)]
    assert [one["last_failure"] for one in told] == ["Too many requests. Given up after 5 calls.", "Wrong key."]
    assert [call.model for call in baton.llm.calls] == ["m"] * 5 + ["m2", "m", "m2"]
    assert baton.waits == [2] * 4
    definition = request("GET", f"/api/runs/{run_id}/definition").body
    (fallback,) = definition["payloads"][0]["fallbacks"]
    assert (fallback["llm_instance"]["name"], fallback["llm_instance"]["model"]) == ("last", "m2")


def test_a_run_that_fails_tells_what_was_tried_and_waited(baton: Deployment) -> None:
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
    """Waits take no time here, so their length is what was still to wait each time."""
    limited = baton.create(INSTANCES, instance(limits={"requests_per_minute": 40}))
    baton.llm.script("1", "2", "3", "4")
    run = baton.finish(baton.execute(workflow(baton, limited, payloads=4)))
    assert run["status"] == "completed"
    waited = [response["metadata"]["waited_seconds"] for response in run["responses"]]
    assert waited[:2] == [0, 0]
    assert 1 <= waited[2] < waited[3] <= 5
    assert baton.waits == waited[2:]
    assert [response["metadata"]["tries"] for response in run["responses"]] == [0] * 4
