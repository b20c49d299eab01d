"""Runs on a real model: its tokens, its speed, its ends, and answers that are handed on."""

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
from tests.e2e.live import complete_outline, is_the_end_of, outline

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


def test_the_example_completes_with_real_tokens_and_hands_its_answers_on(
    baton: Baton, stack: Stack, model: LlmChoice
) -> None:
    shown = io.StringIO()
    run = watch_example(Console(file=shown, width=160), stack.addresses, model)
    facts, outlined, explained, headline = baton.call("GET", f"/api/runs/{run['id']}/responses")["items"]

    assert run["status"] == "completed"
    for response in (facts, outlined, explained, headline):
        metadata = response["metadata"]
        assert response["content"].strip()
        assert metadata["model"] == model.model
        assert metadata["prompt_tokens"] > 0
        assert metadata["completion_tokens"] > 0
        assert metadata["total_tokens"] == metadata["prompt_tokens"] + metadata["completion_tokens"]
        assert metadata["tokens_per_second"] > 0
        assert metadata["finish_reason"] in ("stop", "length")
        assert str(metadata["tokens_per_second"]) in shown.getvalue()
    assert facts["content"] in outlined["prompt"]
    assert outlined["content"] in explained["prompt"]
    assert explained["content"] in headline["prompt"]


def test_an_answer_follows_its_json_schema_at_the_first_time(baton: Baton, endpoint: dict[str, Any]) -> None:
    """The server holds even so small a model to the schema, if it was told of it in the form that it knows."""
    llm = baton.instance("real, with a schema", **endpoint, defaults={"response_format": FRUIT, "max_tokens": 200})
    run = baton.ended(baton.start(baton.workflow("real schema", [Prompt("real fruit", "Tell me of a fruit.")], llm)))

    assert run["status"] == "completed", run["metadata"]
    [response] = run["responses"]
    validate(json.loads(response["content"]), FRUIT)
    assert response["metadata"]["format_retries"] == 0


def test_an_answer_that_max_tokens_cuts_says_so(baton: Baton, endpoint: dict[str, Any]) -> None:
    llm = baton.instance("real and terse", **endpoint, defaults={"max_tokens": 5})
    run = baton.ended(baton.start(baton.workflow("real cut", [Prompt("real saga", "Tell me a long story.")], llm)))

    [response] = run["responses"]
    metadata = response["metadata"]
    assert (metadata["finish_reason"], metadata["truncated"], metadata["completion_tokens"]) == ("length", True, 5)


def test_messages_tell_the_run_in_order(baton: Baton, endpoint: dict[str, Any]) -> None:
    llm = baton.instance("real and told", **endpoint, defaults={"max_tokens": 40})
    prompts = [Prompt("real motto", "Give me a motto."), Prompt("real praise", "Praise this motto: {{real motto}}")]
    workflow_id = baton.workflow("real messages", prompts, llm)
    with baton.listen() as listener:
        run_id = baton.start(workflow_id)
        listener.hear_until(is_the_end_of(run_id))
        heard = [message for message in listener.of_run(run_id) if "delta" not in message["data"]]
    contents = [response["content"] for response in baton.ended(run_id)["responses"]]

    assert outline(heard) == complete_outline(payloads=2)
    assert [message["data"]["content"] for message in heard if message["type"] == "payload_completed"] == contents
    assert [message["timestamp"] for message in heard] == sorted(message["timestamp"] for message in heard)
