"""With a real model: tokens, speed, finish reasons, JSON schemas and streams."""

from __future__ import annotations

import io
import json
from typing import Any

from jsonschema import validate
from rich.console import Console

from local.example import LlmChoice
from local.run import watch_example
from local.stack import Stack
from tests.e2e.baton import Baton, Prompt
from tests.e2e.live import complete_outline, is_a, is_the_end_of, outline

LONG = {"max_tokens": 200, "options": {"ignore_eos": True}}
"""A long answer on any machine."""

FRUIT = {
    "type": "object",
    "properties": {
        "name": {"enum": ["apple", "banana", "cherry"]},
        "ripe": {"type": "boolean"},
        "seeds": {"type": "array", "items": {"enum": ["big", "small"]}, "minItems": 2, "maxItems": 2},
    },
    "required": ["name", "ripe", "seeds"],
    "additionalProperties": False,
}


def test_the_example_completes_with_token_counts_and_answers_in_later_prompts(
    baton: Baton, stack: Stack, served: LlmChoice
) -> None:
    shown = io.StringIO()
    run = watch_example(Console(file=shown, width=160), stack.addresses, served)
    explanation, summary, rewrite, title = baton.call("GET", f"/api/runs/{run['id']}/responses")["items"]

    assert run["status"] == "completed"
    for response in (explanation, summary, rewrite, title):
        metadata = response["metadata"]
        assert response["content"].strip()
        assert metadata["model"] == served.model
        assert metadata["prompt_tokens"] > 0
        assert metadata["completion_tokens"] > 0
        assert metadata["total_tokens"] == metadata["prompt_tokens"] + metadata["completion_tokens"]
        assert metadata["tokens_per_second"] > 0
        assert metadata["finish_reason"] in ("stop", "length")
        assert str(metadata["tokens_per_second"]) in shown.getvalue()
    assert explanation["content"] in summary["prompt"]
    assert summary["content"] in rewrite["prompt"]
    assert rewrite["content"] in title["prompt"]


def test_an_answer_matches_its_json_schema_without_a_retry(baton: Baton, endpoint: dict[str, Any]) -> None:
    """The server enforces the schema even with so small a model, if the request contains it in a supported form."""
    llm = baton.instance("real, with a schema", **endpoint, defaults={"response_format": FRUIT, "max_tokens": 200})
    run = baton.ended(baton.start(baton.workflow("real schema", [Prompt("real fruit", "Tell me of a fruit.")], llm)))

    assert run["status"] == "completed", run["metadata"]
    [response] = run["responses"]
    validate(json.loads(response["content"]), FRUIT)
    assert response["metadata"]["format_retries"] == 0


def test_an_answer_that_max_tokens_cuts_is_marked_as_truncated(baton: Baton, endpoint: dict[str, Any]) -> None:
    llm = baton.instance("real and terse", **endpoint, defaults={"max_tokens": 5})
    run = baton.ended(baton.start(baton.workflow("real cut", [Prompt("real saga", "Tell me a long story.")], llm)))

    [response] = run["responses"]
    metadata = response["metadata"]
    assert (metadata["finish_reason"], metadata["truncated"], metadata["completion_tokens"]) == ("length", True, 5)


def test_messages_describe_the_run_in_order(baton: Baton, endpoint: dict[str, Any]) -> None:
    llm = baton.instance("real and notified", **endpoint, defaults={"max_tokens": 40})
    prompts = [Prompt("real motto", "Give me a motto."), Prompt("real praise", "Praise this motto: {{real motto}}")]
    workflow_id = baton.workflow("real messages", prompts, llm)
    with baton.listen() as listener:
        run_id = baton.start(workflow_id)
        listener.receive_until(is_the_end_of(run_id))
        messages = [message for message in listener.of_run(run_id) if "delta" not in message["data"]]
    contents = [response["content"] for response in baton.ended(run_id)["responses"]]

    assert outline(messages) == complete_outline(payloads=2)
    assert [message["data"]["content"] for message in messages if message["type"] == "payload_completed"] == contents
    assert [message["timestamp"] for message in messages] == sorted(message["timestamp"] for message in messages)


def test_parts_of_an_answer_are_published_in_order(baton: Baton, endpoint: dict[str, Any]) -> None:
    llm = baton.instance("real and streamed", **endpoint, defaults=LONG)
    workflow_id = baton.workflow("real stream", [Prompt("real tale", "Tell me the tale of a fox.")], llm)
    with baton.listen() as listener:
        run_id = baton.start(workflow_id)
        listener.receive_until(is_a("payload_completed", run_id=run_id))
        messages = listener.of_run(run_id)
        listener.receive_until(is_the_end_of(run_id))
    [response] = baton.ended(run_id)["responses"]
    parts = [
        message["data"]
        for message in messages
        if message["type"] == "execution_progress" and "delta" in message["data"]
    ]

    assert parts
    received = ""
    for part in parts:
        assert (part["payloadName"], part["position"], part["offset"]) == ("real tale", 0, len(received))
        received += part["delta"]
    assert received
    assert all(part["metadata"]["tokens_per_second"] > 0 for part in parts[1:])
    assert response["content"].startswith(received)
    assert response["metadata"]["completion_tokens"] == 200


def test_without_streaming_no_parts_are_published(baton: Baton, endpoint: dict[str, Any]) -> None:
    llm = baton.instance("real and whole", **endpoint, defaults=LONG | {"stream": False})
    workflow_id = baton.workflow("real whole", [Prompt("real fable", "Tell me the fable of a crow.")], llm)
    with baton.listen() as listener:
        run_id = baton.start(workflow_id)
        listener.receive_until(is_the_end_of(run_id))
        messages = listener.of_run(run_id)
    [response] = baton.ended(run_id)["responses"]

    assert [message for message in messages if "delta" in message["data"]] == []
    assert response["metadata"]["completion_tokens"] == 200


def test_a_check_lists_the_served_model(baton: Baton, endpoint: dict[str, Any]) -> None:
    llm = baton.instance("real and checked", **endpoint)
    found = baton.call("POST", f"/api/llm/instances/{llm}/test")

    assert found["connected"] is True
    assert found["models"] == [endpoint["model"]]
    assert found["model_listed"] is True
    assert found["error"] is None


def test_a_check_reports_a_model_that_is_not_served(baton: Baton, endpoint: dict[str, Any]) -> None:
    llm = baton.instance("real but misnamed", **endpoint | {"model": "no-such-model"})
    found = baton.call("POST", f"/api/llm/instances/{llm}/test")

    assert (found["connected"], found["model_listed"]) == (True, False)


def test_a_prompt_that_is_too_long_fails_the_run_with_the_error_of_the_server(
    baton: Baton, endpoint: dict[str, Any]
) -> None:
    llm = baton.instance("real and small", **endpoint)
    run = baton.ended(baton.start(baton.workflow("real bulk", [Prompt("real heap", "word " * 6000)], llm)))

    assert run["status"] == "failed"
    assert "exceeds the available context size (4096 tokens)" in run["metadata"]["error"]


def test_concurrent_runs_wait_for_the_model_and_complete(baton: Baton, endpoint: dict[str, Any]) -> None:
    llm = baton.instance("real and asked by many", **endpoint, defaults={"max_tokens": 10})
    workflow_id = baton.workflow("real crowd", [Prompt("real word", "Say something about {{what}}.")], llm)
    runs = [baton.start(workflow_id, {"what": what}) for what in ("apples", "pears", "plums")]

    assert [baton.ended(run)["status"] for run in runs] == ["completed"] * 3
