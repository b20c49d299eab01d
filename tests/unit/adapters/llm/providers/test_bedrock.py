"""Parameters for boto3, and answers read from its results. No sockets, and no boto3."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from baton.adapters.llm.providers.bedrock import converse as bedrock
from baton.domain.errors import LlmAnswerInvalid, LlmError, LlmRefused, LlmServerError
from baton.domain.llm.calls import LlmCall
from tests.support.llm_calls import TRANSPORT
from tests.support.providers.bedrock import MODEL, answer_of

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
Build = Callable[..., LlmCall]


# --- request -------------------------------------------------------------------------------------------------------


def test_a_call_without_settings_contains_only_model_and_prompt(a_call: Build) -> None:
    assert bedrock.request(a_call(model=MODEL, prompt="Grüße")) == {
        "modelId": MODEL,
        "messages": [{"role": "user", "content": [{"text": "Grüße"}]}],
    }


def test_a_lone_surrogate_is_replaced_before_sending(a_call: Build) -> None:
    request = bedrock.request(a_call(prompt="a\ud800b", system="c\udc00d"))
    assert request["messages"][0]["content"][0]["text"] == "a\ufffdb"
    assert request["system"] == [{"text": "c\ufffdd"}]


def test_json_and_schemas_are_requested_in_the_system_prompt(a_call: Build) -> None:
    instruction = "Answer with JSON that follows this JSON Schema, and with nothing else:\n" + json.dumps(SCHEMA)
    for settings, system in (
        ({"response_format": "json"}, "Answer with JSON and nothing else."),
        ({"response_format": SCHEMA, "system": "Be brief."}, f"Be brief.\n\n{instruction}"),
    ):
        assert bedrock.request(a_call(**settings))["system"] == [{"text": system}]
    for wanted in ("text", None):
        assert "system" not in bedrock.request(a_call(response_format=wanted, system=""))


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, object()])
def test_an_option_that_is_not_json_is_rejected_without_its_value(a_call: Build, value: object) -> None:
    with pytest.raises(LlmRefused, match=r"'demo' has a setting or option that can't be written as JSON\.$"):
        bedrock.request(a_call(options={"top_k": value}))


def test_an_instance_with_a_base_url_is_rejected_before_any_call(a_call: Build) -> None:
    with pytest.raises(LlmRefused, match="'demo' has a base URL, which is not supported by bedrock"):
        bedrock.complete(a_call(base_url="https://llm.example/v1"), None, TRANSPORT)


# --- answer --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["guardrail_intervened", "content_filtered"])
@pytest.mark.parametrize("blocks", [[], [{"text": "Sorry, I can't talk about relay races."}]])
def test_a_filtered_answer_fails_without_being_quoted(a_call: Build, reason: str, blocks: list[object]) -> None:
    with pytest.raises(LlmRefused, match=r"'demo' answered that its content filter stopped") as caught:
        bedrock.read(answer_of(*blocks, reason=reason), a_call())
    assert "relay" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "failure", "named"),
    [
        (answer_of({"toolUse": {}}, reason="tool_use"), LlmAnswerInvalid, "only tool calls, no answer"),
        (
            answer_of({"reasoningContent": {}}, reason="max_tokens"),
            LlmAnswerInvalid,
            "only reasoning, no answer; raise max",
        ),
        (answer_of({"reasoningContent": {}}), LlmAnswerInvalid, "only reasoning, no answer"),
        (answer_of(reason="max_tokens"), LlmAnswerInvalid, "cut off before the first word"),
        (answer_of({"text": "Swe"}, reason="malformed_model_output"), LlmServerError, "malformed_model_output"),
        (answer_of(reason="malformed_tool_use"), LlmServerError, "malformed_tool_use"),
    ],
)
def test_an_answer_without_text_is_a_failure(
    a_call: Build, answer: dict[str, Any], failure: type[LlmError], named: str
) -> None:
    with pytest.raises(failure, match=f"'demo' .*{named}"):
        bedrock.read(answer, a_call())
