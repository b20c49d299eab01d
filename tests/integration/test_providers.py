"""Providers over HTTP and in the state machine: unsupported settings are rejected, and JSON answers are validated."""

from __future__ import annotations

from typing import Any

import pytest

from baton.domain.errors import LlmThrottled
from tests.support.deployment import Deployment
from tests.support.functions import request
from tests.support.problems import assert_problem
from tests.support.records import an_answer

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "size": {"type": "number", "minimum": 0.5}},
    "required": ["title"],
    "additionalProperties": False,
}


def instance(provider: str, **more: Any) -> dict[str, Any]:
    return {"name": provider, "provider": provider, "model": "m", **more}


def payload(instance_id: int, name: str = "p", text: str = "Say.", **settings: Any) -> dict[str, Any]:
    return {"name": name, "blocks": [{"content": text}], "llm_instance": instance_id, **settings}


def workflow(baton: Deployment, provider: str, *payloads: dict[str, Any]) -> int:
    """A workflow of such payloads, p0, p1, …, all of one instance."""
    instance_id = baton.create("/api/llm/instances", instance(provider))
    ids = [
        baton.create("/api/payloads", payload(instance_id, f"p{position}", **settings))
        for position, settings in enumerate(payloads)
    ]
    return baton.create("/api/workflows", {"name": "w", "payloads": ids})


UNSUPPORTED = [
    ("anthropic", {"seed": 0}, "seed: is not supported by anthropic."),
    ("anthropic", {"temperature": 1.5}, "temperature: must be between 0 and 1 for anthropic."),
    ("anthropic", {"stop": ["\n"]}, "stop: anthropic rejects sequences of only spaces"),
    ("anthropic", {"options": {"stream": True}}, "options: 'stream' is set by Baton"),
    ("openai", {"options": {"messages": []}}, "options: 'messages' is set by Baton"),
    ("simulated", {"options": {"fail_status": 200}}, "options: option 'fail_status' must be"),
    ("simulated", {"response_format": {"type": "string", "pattern": "a"}}, "response_format: simulated can't generate"),
    ("openai", {"response_format": {"type": "text"}}, "response_format: is no JSON Schema: at $.type"),
    ("openai", {"response_format": {"$ref": "https://a.example/s"}}, "response_format: its reference"),
    ("openai", {"response_format": {"pattern": "a{99999999999}"}}, "response_format: is no JSON Schema"),
    ("openai", {"response_format": {"description": "x" * 30_001}}, "response_format: is a JSON Schema of 30,020"),
]


@pytest.mark.parametrize(("provider", "settings", "detail"), UNSUPPORTED)
def test_unsupported_settings_are_rejected_by_field_in_payloads_and_in_defaults(
    baton: Deployment, provider: str, settings: dict[str, Any], detail: str
) -> None:
    where = {"base_url": "https://llm.example/v1"}
    rejected = request(
        "POST", "/api/llm/instances", instance(provider, **where, defaults=settings, api_key="sk-test-1")
    )
    assert_problem(rejected, 422, "invalid-request", f"defaults.{detail}")
    assert baton.aws.ssm.describe_parameters()["Parameters"] == []
    id_ = baton.create("/api/llm/instances", instance(provider, **where))
    assert_problem(request("POST", "/api/payloads", payload(id_, **settings)), 422, "invalid-request", detail)
    made = baton.create("/api/payloads", payload(id_))
    replaced = request("PUT", f"/api/payloads/{made}", payload(id_, **settings))
    assert_problem(replaced, 422, "invalid-request", detail)


def test_a_file_with_an_unsupported_setting_is_rejected_with_its_place(baton: Deployment) -> None:
    baton.create("/api/llm/instances", instance("anthropic"))
    file = {
        "workflow": {"name": "w", "payloads": ["p"]},
        "payloads": [{"name": "p", "blocks": [{"content": "c"}], "llm_instance": "anthropic", "seed": 1}],
    }
    for query in ({"dry_run": "true"}, {}):
        rejected = request("POST", "/api/workflows/import", file, query=query)
        assert_problem(rejected, 422, "invalid-request", "payloads[0].seed: is not supported by anthropic")
    assert request("GET", "/api/workflows").body["items"] == []


def test_anthropic_has_a_default_base_url_and_openai_needs_one(baton: Deployment) -> None:
    made = request("GET", f"/api/llm/instances/{baton.create('/api/llm/instances', instance('anthropic'))}")
    assert made.body["base_url"] is None
    assert_problem(request("POST", "/api/llm/instances", instance("openai")), 422, "invalid-request", "base_url")


def test_a_run_fails_if_the_instance_now_has_a_provider_without_a_used_setting(baton: Deployment) -> None:
    run = workflow(baton, "simulated", {"seed": 1})
    assert request("PUT", "/api/llm/instances/1", instance("anthropic")).status == 200
    failed = baton.finish(baton.execute(run))
    assert failed["status"] == "failed"
    assert "Payload 'p0' (position 0): LLM instance 'anthropic' can't be called" in failed["metadata"]["error"]
    assert "seed: is not supported by anthropic" in failed["metadata"]["error"]


def test_references_read_values_of_simulated_json_answers(baton: Deployment) -> None:
    last = {"text": "{{p0.size}} {{p0.title}} {{p1.words}} {{p1.first}}"}
    made = workflow(baton, "simulated", {"response_format": SCHEMA}, {"response_format": "json"}, last)
    run_id = baton.execute(made)
    assert baton.finish(run_id)["status"] == "completed"
    prompts = [one["prompt"] for one in request("GET", f"/api/runs/{run_id}/responses").body["items"]]
    assert prompts[2] == "1 m read 1 word: “Say.”. 1 Say."


def test_an_invalid_json_answer_is_requested_again_and_the_retry_is_recorded(baton: Deployment) -> None:
    baton.llm.script(an_answer('{"title": 5}'), an_answer('{"title": "Sweden"}'))
    run_id = baton.execute(workflow(baton, "scripted", {"response_format": SCHEMA}))
    run = baton.finish(run_id)
    assert run["status"] == "completed"
    (response,) = run["responses"]
    assert response["content"] == '{"title": "Sweden"}'
    metadata = response["metadata"]
    assert (metadata["format_retries"], metadata["tries"], metadata["truncated"]) == (1, 1, False)
    assert (metadata["prompt_tokens"], metadata["completion_tokens"]) == (6, 10), "both calls are paid for"
    assert "$.title" in baton.llm.prompts[1]
    assert baton.states(run_id).count("ExecutePayload") == 1
    assert request("GET", f"/api/runs/{run_id}/responses").body["items"][0]["prompt"] == "Say."


def test_a_second_invalid_answer_fails_the_run_with_the_place_but_not_the_text(baton: Deployment) -> None:
    baton.llm.script('{"title": "secret", "size": "secret"}', '{"title": "secret", "size": 0.25}')
    run = baton.finish(baton.execute(workflow(baton, "scripted", {"response_format": SCHEMA})))
    assert run["status"] == "failed"
    error = run["metadata"]["error"]
    assert 'breaks its JSON Schema at $.size: "minimum": 0.5' in error
    assert "Given up after 2 calls." in error
    assert "secret" not in error
    assert run["responses"] == []


def test_a_second_answer_that_is_not_json_fails_the_run(baton: Deployment) -> None:
    baton.llm.script("Sure! Here it is.", "Of course!")
    run = baton.finish(baton.execute(workflow(baton, "scripted", {"response_format": "json"})))
    assert (run["status"], len(baton.llm.calls)) == ("failed", 2)
    assert "isn't JSON" in run["metadata"]["error"]


def test_a_throttled_second_call_waits_and_counts_every_call(baton: Deployment) -> None:
    baton.llm.script("no", LlmThrottled("Later.", 2.0), "{}")
    run = baton.finish(baton.execute(workflow(baton, "scripted", {"response_format": "json"})))
    assert run["status"] == "completed"
    assert baton.waits == [2]
    assert run["responses"][0]["metadata"]["tries"] == 2
    assert [call.tries for call in baton.llm.calls] == [0, 1, 2]


def test_invalid_answers_and_throttled_calls_together_have_a_maximum_number_of_calls(baton: Deployment) -> None:
    for _ in range(3):
        baton.llm.script("no", LlmThrottled("Later.", 2.0))
    run = baton.finish(baton.execute(workflow(baton, "scripted", {"response_format": "json"})))
    assert (run["status"], len(baton.llm.calls)) == ("failed", 6)
    assert "Given up after 6 calls." in run["metadata"]["error"]


def test_a_truncated_answer_is_marked(baton: Deployment) -> None:
    run = baton.finish(baton.execute(workflow(baton, "simulated", {"max_tokens": 2})))
    metadata = run["responses"][0]["metadata"]
    assert (metadata["finish_reason"], metadata["truncated"], metadata["format_retries"]) == ("length", True, 0)
