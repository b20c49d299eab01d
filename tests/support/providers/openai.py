"""The cases of the provider contract for servers with OpenAI's API."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from baton.adapters.llm.http.server_sent_events import Event
from baton.adapters.llm.providers.openai import chat_completions as openai
from baton.domain.errors import LlmAnswerInvalid, LlmRefused, LlmServerError, LlmThrottled
from baton.domain.llm.calls import LlmAnswer
from tests.support.json_values import json_values
from tests.support.llm_endpoint import PROMPT
from tests.support.providers.contract import NOW, FuzzCases, ProviderCases, provider_settings, reply

GOOD: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "small-1-0613",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Sweden."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15},
}


def answer_of(message: object, finish_reason: object = "stop", **more: object) -> dict[str, Any]:
    return {**GOOD, "choices": [{"message": message, "finish_reason": finish_reason}], **more}


def events_of(*values: object) -> list[Event]:
    return [Event(value if isinstance(value, str) else json.dumps(value)) for value in values]


def chunk(delta: object, finish_reason: object = None, **more: object) -> dict[str, Any]:
    return {"model": "small-1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}], **more}


@st.composite
def streamed_answers(draw: st.DrawFn) -> tuple[list[Event], object]:
    """A stream, and the body with the same content."""
    texts = draw(st.lists(st.text(max_size=4), max_size=5))
    reason = draw(st.sampled_from(["stop", "length", "content_filter", "tool_calls", "STOP", "odd"]))
    refusal = draw(st.sampled_from([None, "I can't."]))
    usage = draw(st.sampled_from([None, {"prompt_tokens": 1, "completion_tokens": 2}]))
    content = "".join(texts) or (None if not texts or reason == "tool_calls" else "")
    message = {"content": content, "refusal": refusal}
    whole = {"model": "small-1", "choices": [{"message": message, "finish_reason": reason}], "usage": usage}
    deltas = [chunk({"content": text}) for text in texts]
    last = [chunk({"refusal": refusal}), chunk({}, reason), {"choices": [], "usage": usage}, "[DONE]"]
    return events_of(*deltas, *last), whole


TEXTS: list[Any] = [
    ({"content": ""}, ""),
    ({"content": [{"type": "text", "text": "Swe"}, {"type": "text", "text": "den."}]}, "Sweden."),
    ({"content": [{"type": "thinking", "thinking": []}, {"type": "text", "text": "Sweden."}]}, "Sweden."),
    ({"content": "a\ud800b", "refusal": None}, "a\ufffdb"),
    ({"content": "\U0001f3c3"}, "\U0001f3c3"),
]
FINISH_REASONS: list[Any] = [
    ("stop", "stop"),
    ("eos", "stop"),
    ("eos_token", "stop"),
    ("STOP", "stop"),
    ("length", "length"),
    ("model_length", "length"),
    ("MAX_TOKENS", "length"),
    ("function_call", "tool_calls"),
    ("load", "load"),
    ("Odd One", "Odd One"),
    (None, None),
    (5, None),
]
UNFINISHED_STREAMS: list[Any] = [[], [chunk({"content": "Swe"})], [chunk({"role": "assistant"}), {"choices": []}]]
STREAM_ERRORS: list[Any] = [
    ([{"error": {"code": 429, "message": "Slow down"}}], LlmThrottled),
    ([chunk({"content": "Swe"}), {"error": {"code": "502", "message": "Upstream"}}], LlmServerError),
    ([chunk({"content": "Swe"}), chunk({}, "error", error={"code": 502, "message": "Gone"})], LlmServerError),
    ([{"choices": [{"delta": {}, "error": {"code": 503, "message": "Busy"}}]}], LlmThrottled),
    (
        [chunk({"content": "Swe"}), {"error": {"message": "Sorry", "type": "server_error", "code": None}}],
        LlmServerError,
    ),
    ([{"error": {"message": "Slow", "type": "tokens", "code": "rate_limit_exceeded"}}], LlmThrottled),
    ([{"error": {"message": "Broke", "type": "insufficient_quota", "code": "insufficient_quota"}}], LlmRefused),
    ([{"error": {"message": "Filtered", "code": "content_filter", "status": 400}}], LlmRefused),
    ([[{"error": {"code": 400, "message": "Bad"}}]], LlmRefused),
    ([{"error": {"message": "Crashed"}}], LlmAnswerInvalid),
    ([{"error": "Crashed"}], LlmAnswerInvalid),
]
WRONG_STREAMS: list[Any] = [
    (["<html>"], "an event that isn't JSON"),
    (["[" * 100_000], "an event that isn't JSON"),
    (["5"], "whose event is of type int, not dict"),
    (["[1]"], "whose event is of type list, not dict"),
    (["null"], "without event"),
    ([{"choices": {"0": 1}}], "choices is of type dict, not list"),
    ([{"choices": ["text"]}], r"choices\[0\] is of type str, not dict"),
    ([{"choices": [{"delta": "text"}]}], r"choices\[0\].delta is of type str, not dict"),
    ([chunk({"content": 5})], r"choices\[0\].delta.content is of type int, not str"),
    (["[DONE]"], "with no choices"),
]

OPENAI = ProviderCases(
    name="openai",
    request=lambda call: json.loads(openai.request(call).body),
    read=lambda body, call: openai.read(reply(body), call, NOW),
    read_reply=lambda reply, call: openai.read(reply, call, NOW),
    read_events=openai.read_events,
    unsupported_settings=openai.unsupported_settings,
    settings=provider_settings(
        seed=0,
        model="big-2",
        options={"top_k": 3, "response_format": {"type": "json_object"}},
    ),
    settings_request={
        "model": "big-2",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": PROMPT}],
        "temperature": 0,
        "top_p": 0.0,
        "max_tokens": 5,
        "stop": ["END"],
        "seed": 0,
        "top_k": 3,
        "response_format": {"type": "json_object"},
    },
    unsupported=[
        (
            {"options": {"stream": True, "top_k": 1}, "seed": 1, "temperature": 2},
            [("options", "'stream' is set by Baton; remove it")],
        ),
    ],
    whole=GOOD,
    whole_answer=LlmAnswer(
        content="Sweden.", model="small-1-0613", prompt_tokens=12, completion_tokens=3, finish_reason="stop"
    ),
    texts=[(answer_of(message), text) for message, text in TEXTS],
    finish_reasons=[(answer_of({"content": "Swe"}, word), reason) for word, reason in FINISH_REASONS],
    wrong_shapes=[
        (b"", "isn't JSON"),
        (b'{"choices": [', "isn't JSON"),
        (b"[" * 100_000, "isn't JSON"),
        (b"<html>Sign in</html>", "a web page"),
        (b"null", "without body"),
        (b"[1]", "body is of type list"),
        ({}, "without choices"),
        ({"choices": {}}, "choices is of type dict, not list"),
        ({"choices": []}, "no choices"),
        ({"choices": [None]}, r"without choices\[0\]"),
        ({"choices": ["hello"]}, r"choices\[0\] is of type str"),
        ({"choices": [{}]}, r"without choices\[0\].message"),
        (answer_of("text"), "message is of type str"),
        (answer_of({"content": None}, {"secret": 1}), "without text, and without a reason"),
        (answer_of({"content": 5}), "content is of type int"),
        (answer_of({"content": [{"type": "image"}]}), r"without text \(finish reason stop\)"),
        ({"error": {"message": "Model crashed", "code": None}}, "an error instead: Model crashed"),
        ({"error": "Model crashed"}, "an error instead: Model crashed"),
    ],
    url=lambda call: openai.request(call).url,
    urls=[
        ("https://a.example/v1", "https://a.example/v1/chat/completions"),
        ("https://a.example/v1/", "https://a.example/v1/chat/completions"),
        (" https://a.example ", "https://a.example/chat/completions"),
        ("http://127.0.0.1:8080/v1?api-version=7", "http://127.0.0.1:8080/v1/chat/completions?api-version=7"),
        ("https://a.example/v1/chat/completions/", "https://a.example/v1/chat/completions"),
        ("https://a.example/v1#there", "https://a.example/v1/chat/completions"),
    ],
    invalid_base_urls=[None, "", "localhost:8080/v1", "ftp://a.example", "http://", "http://[::1"],
    reserved_options=["stream", "messages", "model"],
    complete_stream=events_of(chunk({"content": "Sweden."}), "[DONE]"),
    complete_stream_answer=LlmAnswer(content="Sweden.", model="small-1"),
    unfinished_streams=[events_of(*sent) for sent in UNFINISHED_STREAMS],
    stream_errors=[(events_of(*sent, "[DONE]"), kind, "") for sent, kind in STREAM_ERRORS],
    wrong_streams=[(events_of(*sent), named) for sent, named in WRONG_STREAMS],
    streamed_answers=streamed_answers(),
    fuzz=FuzzCases(
        fields=["choices", "message", "content", "error", "usage", "code", "finish_reason", "refusal", "type"],
        values=[],
        added_fields=["error", "message", "content"],
        replies=[
            reply(b"9" * 5000),
            reply(b'{"error": ' * 100_000, 500, retry_after="Fri, 31 Dec 999999 99:99:99 GMT"),
        ],
        answers=json_values.map(lambda value: answer_of({"content": [value, {"type": "text", "text": value}]})),
        events=st.just(GOOD),
        event_fields=["delta", "index", "model"],
        event_values=[0, "stop", "tool_calls", "error"],
        long_event=b'{"choices": ' * 100_000,
        streams=["azure", "koboldcpp", "llama_cpp", "mistral", "openai", "openrouter", "vllm"],
    ),
)
