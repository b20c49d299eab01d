"""What only a real model shows: its tokens, its speed, its ends, its schemas and its streams."""

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
"""So that it takes a while on any machine."""

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


def test_an_answer_is_told_while_it_grows(baton: Baton, endpoint: dict[str, Any]) -> None:
    llm = baton.instance("real and streamed", **endpoint, defaults=LONG)
    workflow_id = baton.workflow("real stream", [Prompt("real tale", "Tell me the tale of a fox.")], llm)
    with baton.listen() as listener:
        run_id = baton.start(workflow_id)
        listener.hear_until(is_a("payload_completed", run_id=run_id))
        facts = listener.of_run(run_id)
        listener.hear_until(is_the_end_of(run_id))
    [response] = baton.ended(run_id)["responses"]
    parts = [fact["data"] for fact in facts if fact["type"] == "execution_progress" and "delta" in fact["data"]]

    assert parts
    told = ""
    for part in parts:
        assert (part["payloadName"], part["position"], part["offset"]) == ("real tale", 0, len(told))
        told += part["delta"]
    assert told
    assert all(part["metadata"]["tokens_per_second"] > 0 for part in parts[1:])
    assert response["content"].startswith(told)
    assert response["metadata"]["completion_tokens"] == 200


def test_an_answer_can_be_asked_for_as_a_whole(baton: Baton, endpoint: dict[str, Any]) -> None:
    llm = baton.instance("real and whole", **endpoint, defaults=LONG | {"stream": False})
    workflow_id = baton.workflow("real whole", [Prompt("real fable", "Tell me the fable of a crow.")], llm)
    with baton.listen() as listener:
        run_id = baton.start(workflow_id)
        listener.hear_until(is_the_end_of(run_id))
        facts = listener.of_run(run_id)
    [response] = baton.ended(run_id)["responses"]

    assert [fact for fact in facts if "delta" in fact["data"]] == []
    assert response["metadata"]["completion_tokens"] == 200


def test_a_check_lists_the_served_model(baton: Baton, endpoint: dict[str, Any]) -> None:
    llm = baton.instance("real and checked", **endpoint)
    found = baton.call("POST", f"/api/llm/instances/{llm}/test")

    assert found["connected"] is True
    assert found["models"] == [endpoint["model"]]
    assert found["model_listed"] is True
    assert found["error"] is None


def test_a_check_says_that_the_model_is_not_served(baton: Baton, endpoint: dict[str, Any]) -> None:
    llm = baton.instance("real but misnamed", **endpoint | {"model": "no-such-model"})
    found = baton.call("POST", f"/api/llm/instances/{llm}/test")

    assert (found["connected"], found["model_listed"]) == (True, False)


def test_a_prompt_that_is_too_long_fails_the_run_with_the_servers_words(baton: Baton, endpoint: dict[str, Any]) -> None:
    llm = baton.instance("real and small", **endpoint)
    run = baton.ended(baton.start(baton.workflow("real bulk", [Prompt("real heap", "word " * 6000)], llm)))

    assert run["status"] == "failed"
    assert "exceeds the available context size (4096 tokens)" in run["metadata"]["error"]


def test_runs_at_the_same_time_wait_for_one_another(baton: Baton, endpoint: dict[str, Any]) -> None:
    llm = baton.instance("real and asked by many", **endpoint, defaults={"max_tokens": 10})
    workflow_id = baton.workflow("real crowd", [Prompt("real word", "Say something about {{what}}.")], llm)
    runs = [baton.start(workflow_id, {"what": what}) for what in ("apples", "pears", "plums")]

    assert [baton.ended(run)["status"] for run in runs] == ["completed"] * 3
