"""Request as given to boto3, and answer as read from it. No sockets, and no boto3."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from baton.adapters.llm.providers.bedrock import converse as bedrock
from baton.domain.errors import LlmAnswerInvalid, LlmError, LlmRefused, LlmServerError
from baton.domain.llm.calls import LlmAnswer, LlmCall
from tests.support.llm_calls import TRANSPORT

MODEL = "eu.anthropic.claude-haiku-4-5-20251001-v1:0"
GOOD: dict[str, Any] = {
    "ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {"content-type": "application/json"}},
    "output": {"message": {"role": "assistant", "content": [{"text": "Sweden."}]}},
    "stopReason": "end_turn",
    "usage": {
        "inputTokens": 12,
        "outputTokens": 6,
        "totalTokens": 18,
        "cacheReadInputTokens": 0,
        "cacheWriteInputTokens": 0,
    },
    "metrics": {"latencyMs": 551},
}
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
Build = Callable[..., LlmCall]


def said(*blocks: object, reason: object = "end_turn") -> dict[str, Any]:
    return {**GOOD, "output": {"message": {"role": "assistant", "content": list(blocks)}}, "stopReason": reason}


# --- request -------------------------------------------------------------------------------------------------------


def test_a_bare_call_gives_model_and_prompt_alone(a_call: Build) -> None:
    assert bedrock.request(a_call(model=MODEL, prompt="Grüße")) == {
        "modelId": MODEL,
        "messages": [{"role": "user", "content": [{"text": "Grüße"}]}],
    }


def test_every_setting_goes_where_the_api_wants_it_and_zero_is_a_value(a_call: Build) -> None:
    call = a_call(
        system="Be brief.",
        temperature=0,
        top_p=0.0,
        max_tokens=5,
        stop=("END",),
        model=MODEL,
        options={"top_k": 3, "thinking": {"type": "disabled"}},
    )
    assert bedrock.request(call) == {
        "modelId": MODEL,
        "messages": [{"role": "user", "content": [{"text": call.prompt}]}],
        "system": [{"text": "Be brief."}],
        "inferenceConfig": {"maxTokens": 5, "temperature": 0, "topP": 0.0, "stopSequences": ["END"]},
        "additionalModelRequestFields": {"top_k": 3, "thinking": {"type": "disabled"}},
    }


def test_half_a_character_is_replaced_before_it_is_sent(a_call: Build) -> None:
    request = bedrock.request(a_call(prompt="a\ud800b", system="c\udc00d"))
    assert request["messages"][0]["content"][0]["text"] == "a\ufffdb"
    assert request["system"] == [{"text": "c\ufffdd"}]


def test_json_and_schemas_are_asked_for_in_the_system_prompt(a_call: Build) -> None:
    told = "Answer with JSON that follows this JSON Schema, and with nothing else:\n" + json.dumps(SCHEMA)
    for settings, system in (
        ({"response_format": "json"}, "Answer with JSON and nothing else."),
        ({"response_format": SCHEMA, "system": "Be brief."}, f"Be brief.\n\n{told}"),
    ):
        assert bedrock.request(a_call(**settings))["system"] == [{"text": system}]
    for wanted in ("text", None):
        assert "system" not in bedrock.request(a_call(response_format=wanted, system=""))


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, object()])
def test_an_option_that_is_no_json_is_refused_unseen(a_call: Build, value: object) -> None:
    with pytest.raises(LlmRefused, match=r"'demo' has a setting or option that can't be written as JSON\.$"):
        bedrock.request(a_call(options={"top_k": value}))


@pytest.mark.parametrize(
    ("settings", "refused"),
    [
        ({"seed": 0}, [("seed", "bedrock has no such setting")]),
        ({"temperature": 1.01}, [("temperature", "bedrock takes 0 to 1")]),
        ({"stop": ("END", "")}, [("stop", "bedrock takes no empty sequence")]),
        ({"stop": ("END",) * 2501}, [("stop", "bedrock takes at most 2,500 sequences")]),
        ({"options": {"stream": True}}, [("options", "'stream' can't be one: Baton sets it")]),
        ({"temperature": 1, "top_p": 1, "stop": ("\n",), "max_tokens": 1, "response_format": "json"}, []),
        ({"stream": True}, []),
        ({}, []),
    ],
)
def test_what_the_api_lacks_is_known_before_any_call(a_call: Build, settings: Any, refused: Any) -> None:
    found = [(refusal.setting, refusal.detail) for refusal in bedrock.unsupported_settings(a_call(**settings).settings)]
    assert found == refused


def test_an_instance_that_says_where_is_refused_before_any_call(a_call: Build) -> None:
    with pytest.raises(LlmRefused, match="'demo' is of bedrock, which is called in this deployment's own region"):
        bedrock.complete(a_call(base_url="https://llm.example/v1"), None, TRANSPORT)


# --- answer --------------------------------------------------------------------------------------------------------


def test_an_answer_is_read_whole_and_its_model_is_the_one_that_was_asked(a_call: Build) -> None:
    assert bedrock.read(GOOD, a_call(model=MODEL)) == LlmAnswer(
        content="Sweden.", model=MODEL, prompt_tokens=12, completion_tokens=6, finish_reason="stop"
    )


@pytest.mark.parametrize(
    ("blocks", "text"),
    [
        ([{"text": "Swe"}, {"text": "den."}], "Sweden."),
        ([{"reasoningContent": {"reasoningText": {"text": "Hm."}}}, {"text": "Sweden."}], "Sweden."),
        ([{"SDK_UNKNOWN_MEMBER": {"name": "new"}}, {"text": "Sweden."}], "Sweden."),
        ([{"toolUse": {"toolUseId": "t", "name": "f", "input": {}}}, {"text": "Sweden."}], "Sweden."),
        ([], ""),
        ([{"text": "a\ud800b"}], "a\ufffdb"),
    ],
)
def test_text_blocks_are_joined_and_others_left_out(a_call: Build, blocks: list[object], text: str) -> None:
    assert bedrock.read(said(*blocks), a_call()).content == text


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("brand_new", "brand_new"),
        (None, None),
        ([], None),
    ],
)
def test_stop_reasons_come_in_one_form(a_call: Build, word: object, reason: str | None) -> None:
    answer = bedrock.read(said({"text": "Sweden."}, reason=word), a_call())
    assert (answer.finish_reason, answer.truncated) == (reason, reason == "length")


@pytest.mark.parametrize("reason", ["guardrail_intervened", "content_filtered"])
@pytest.mark.parametrize("blocks", [[], [{"text": "Sorry, I can't talk about relay races."}]])
def test_a_filtered_answer_is_a_refusal_that_quotes_nothing(a_call: Build, reason: str, blocks: list[object]) -> None:
    with pytest.raises(LlmRefused, match=r"'demo' answered that its content filter stopped") as caught:
        bedrock.read(said(*blocks, reason=reason), a_call())
    assert "relay" not in str(caught.value)


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"inputTokens": 2, "cacheReadInputTokens": 400, "cacheWriteInputTokens": 30}, (432, None)),
        ({"inputTokens": 2, "cacheReadInputTokens": None, "outputTokens": 0}, (2, 0)),
        ({"inputTokens": "2", "outputTokens": True}, (None, None)),
        (None, (None, None)),
        ([1], (None, None)),
    ],
)
def test_counts_include_what_went_through_the_prompt_cache(a_call: Build, usage: object, counts: object) -> None:
    answer = bedrock.read({**GOOD, "usage": usage}, a_call())
    assert (answer.prompt_tokens, answer.completion_tokens) == counts


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        ({}, "without output"),
        ({**GOOD, "output": None}, "without output"),
        ({**GOOD, "output": "Sweden."}, "output is of type str"),
        ({**GOOD, "output": {"SDK_UNKNOWN_MEMBER": {"name": "new"}}}, "without output.message"),
        ({**GOOD, "output": {"message": {"role": "assistant"}}}, "without output.message.content"),
        (said(reason=None), "without text, and without a reason why it stopped"),
        (said({"text": 5}, None, reason="odd"), r"without text \(finish reason odd\)"),
    ],
)
def test_an_answer_of_the_wrong_shape_is_named(a_call: Build, answer: dict[str, Any], named: str) -> None:
    with pytest.raises(LlmAnswerInvalid, match=f"'demo' sent an answer .*{named}"):
        bedrock.read(answer, a_call())


@pytest.mark.parametrize(
    ("answer", "failure", "named"),
    [
        (said({"toolUse": {}}, reason="tool_use"), LlmAnswerInvalid, "only tool calls, no answer"),
        (said({"reasoningContent": {}}, reason="max_tokens"), LlmAnswerInvalid, "only reasoning, no answer; raise max"),
        (said({"reasoningContent": {}}), LlmAnswerInvalid, "only reasoning, no answer"),
        (said(reason="max_tokens"), LlmAnswerInvalid, "cut off before the first word"),
        (said({"text": "Swe"}, reason="malformed_model_output"), LlmServerError, "malformed_model_output"),
        (said(reason="malformed_tool_use"), LlmServerError, "malformed_tool_use"),
    ],
)
def test_an_answer_without_a_text_of_its_own_is_a_failure(
    a_call: Build, answer: dict[str, Any], failure: type[LlmError], named: str
) -> None:
    with pytest.raises(failure, match=f"'demo' .*{named}"):
        bedrock.read(answer, a_call())
