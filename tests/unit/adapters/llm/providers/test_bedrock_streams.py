"""Answers of ConverseStream, the whole way through boto3 and our own transport, from an endpoint on this machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from baton.adapters.llm.formats import streaming
from baton.domain.errors import (
    LlmAnswerInvalid,
    LlmError,
    LlmRefused,
    LlmServerError,
    LlmThrottled,
    LlmTimeout,
    LlmUnreachable,
)
from baton.domain.llm.calls import LlmAnswer, LlmCall
from tests.support.bedrock import KEY_ID, account_at
from tests.support.event_streams import event, exception, frame
from tests.support.llm_calls import complete
from tests.support.llm_endpoint import RecordingListener

if TYPE_CHECKING:
    from tests.support.llm_endpoint import Endpoint, Handler

pytestmark = [pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.timeout(20)]
Build = Callable[..., LlmCall]
type Ask = Callable[..., LlmAnswer]

MODEL = "eu.anthropic.claude-haiku-4-5-20251001-v1:0"
CONTENT_TYPE = "application/vnd.amazon.eventstream"


def delta(**part: object) -> bytes:
    return event("contentBlockDelta", {"contentBlockIndex": 0, "delta": part, "p": "abcdefgh"})


def stop(reason: object) -> bytes:
    return event("messageStop", {"stopReason": reason})


START = event("messageStart", {"role": "assistant"})
TOLD = delta(text="Swe") + delta(text="den.")
USAGE = event("metadata", {"usage": {"inputTokens": 12, "outputTokens": 6, "cacheReadInputTokens": 3}, "metrics": {}})
THOUGHT = delta(reasoningContent={"text": "1912"}) + delta(reasoningContent={"signature": "Eq"})
TOOL = event("contentBlockStart", {"contentBlockIndex": 0, "start": {"toolUse": {"name": "f", "toolUseId": "1"}}})
WHOLE = START + TOLD + event("contentBlockStop", {"contentBlockIndex": 0}) + stop("end_turn") + USAGE
ANSWER = LlmAnswer(content="Sweden.", model=MODEL, prompt_tokens=15, completion_tokens=6, finish_reason="stop")


@pytest.fixture(autouse=True)
def _account(endpoint: Endpoint) -> Iterator[None]:
    with account_at(endpoint.url.removesuffix("/v1")):
        yield


@pytest.fixture
def heard() -> RecordingListener:
    return RecordingListener()


@pytest.fixture
def ask(a_call: Build, heard: RecordingListener) -> Ask:
    def asked(listener: RecordingListener | None = heard, **given: Any) -> LlmAnswer:
        call = a_call(provider="bedrock", base_url=None, api_key=None, **{"model": MODEL} | given)
        return complete(call, listener)

    return asked


def sending(*chunks: bytes) -> Callable[[Handler], None]:
    return lambda handler: handler.stream(*chunks, content_type=CONTENT_TYPE)


def test_an_answer_is_streamed_and_returned_in_full(endpoint: Endpoint, ask: Ask, heard: RecordingListener) -> None:
    endpoint.script = sending(START, delta(text="Swe"), delta(text="den."), stop("end_turn"), USAGE)
    assert ask(system="Be brief.", temperature=0) == ANSWER
    assert heard.pieces == ["Swe", "den."]
    ((path, headers, body),) = endpoint.requests
    assert path == "/model/eu.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse-stream"
    assert headers["Authorization"].startswith(f"AWS4-HMAC-SHA256 Credential={KEY_ID}/")
    assert json.loads(body)["system"] == [{"text": "Be brief."}]


@pytest.mark.parametrize("size", [1, 3, 11, 12, 100, 10_000])
def test_chunks_may_begin_and_end_anywhere(endpoint: Endpoint, ask: Ask, heard: RecordingListener, size: int) -> None:
    endpoint.script = sending(*(WHOLE[at : at + size] for at in range(0, len(WHOLE), size)))
    assert ask() == ANSWER
    assert "".join(heard.pieces) == "Sweden."


@pytest.mark.parametrize("quiet", [{"stream": False}, {"listener": None}])
def test_without_streaming_converse_is_called(endpoint: Endpoint, ask: Ask, quiet: dict[str, Any]) -> None:
    whole = {"output": {"message": {"content": [{"text": "Sweden."}]}}, "stopReason": "end_turn"}
    endpoint.script = lambda handler: handler.reply(200, json.dumps(whole).encode())
    assert ask(**quiet).content == "Sweden."
    assert endpoint.requests[0][0].endswith("/converse")


def test_a_whole_answer_instead_of_a_stream_is_read(endpoint: Endpoint, ask: Ask, heard: RecordingListener) -> None:
    whole = {"output": {"message": {"content": [{"text": "Sweden."}]}}, "stopReason": "end_turn"}
    endpoint.script = lambda handler: handler.reply(200, json.dumps(whole).encode(), Content_Type=CONTENT_TYPE)
    assert ask().content == "Sweden."
    assert heard.pieces == ["Sweden."]


@pytest.mark.parametrize("begun", [START, START + TOLD])
def test_an_error_in_a_stream_that_stays_open_fails_the_answer_at_once(
    endpoint: Endpoint, ask: Ask, begun: bytes
) -> None:
    """Not at the timeout of the call, which is longer than that of this test."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {CONTENT_TYPE}\r\n\r\n".encode()
    endpoint.script = lambda handler: handler.trickle(head + begun + exception("throttlingException", "Later."), b"")
    with pytest.raises(LlmThrottled, match="Later"):
        ask(timeout_seconds=600)


def test_a_stream_without_a_stop_reason_is_broken_off(endpoint: Endpoint, ask: Ask) -> None:
    endpoint.script = sending(START, TOLD, USAGE)
    with pytest.raises(LlmUnreachable, match="'demo' broke off its answer"):
        ask()


@pytest.mark.parametrize(
    ("end", "counts"),
    [
        (b"", None),
        (USAGE[:-5], None),
        (exception("internalServerException", "Late."), None),
        (frame(b"{", event_type="metadata", message_type="event"), None),
        (USAGE[:-1] + b"!", None),
        (b"\x00" * 40, None),
        (event("brandNew", {"a": 1}) + USAGE, 6),
        (USAGE + exception("internalServerException", "Late."), 6),
    ],
)
def test_failures_after_the_stop_reason_are_ignored(
    endpoint: Endpoint, ask: Ask, end: bytes, counts: int | None
) -> None:
    endpoint.script = sending(START + TOLD + stop("end_turn"), *([end] if end else []))
    answer = ask()
    assert (answer.content, answer.finish_reason, answer.completion_tokens) == ("Sweden.", "stop", counts)


@pytest.mark.parametrize(
    "sent",
    [
        START,
        START + TOLD,
        START + TOLD[:-3],
        START + TOLD[:-1] + b"!",
        START + TOLD + b"\x00" * 40,
        START + TOLD + stop(None),
        START + TOLD + stop("") + USAGE,
    ],
)
def test_a_stream_that_breaks_before_its_stop_reason_is_unreachable(endpoint: Endpoint, ask: Ask, sent: bytes) -> None:
    endpoint.script = sending(sent)
    with pytest.raises(LlmUnreachable, match="'demo' broke off its answer"):
        ask()


@pytest.mark.parametrize(
    ("kind", "failure", "status"),
    [
        ("throttlingException", LlmThrottled, 429),
        ("serviceUnavailableException", LlmThrottled, 503),
        ("internalServerException", LlmServerError, 500),
        ("modelStreamErrorException", LlmServerError, 500),
        ("brandNewException", LlmServerError, 500),
        ("modelTimeoutException", LlmTimeout, 408),
        ("validationException", LlmRefused, 400),
    ],
)
def test_an_exception_in_the_stream_is_mapped_by_its_status(
    endpoint: Endpoint, ask: Ask, kind: str, failure: type[LlmError], status: int
) -> None:
    for before in (b"", START, START + TOLD):
        endpoint.script = sending(before + exception(kind, "Not now, not again."))
        with pytest.raises(LlmError) as caught:
            ask()
        assert type(caught.value) is failure
        assert str(caught.value) == f"LLM instance 'demo' answered with status {status}: Not now, not again."


def test_an_error_without_a_type_is_a_server_error(endpoint: Endpoint, ask: Ask) -> None:
    endpoint.script = sending(frame(b"", message_type="error", error_code="Oops", error_message="Gone wrong."))
    with pytest.raises(LlmServerError, match=r"Gone wrong\."):
        ask()


@pytest.mark.parametrize(
    ("status", "code", "failure"),
    [
        (429, "ThrottlingException", LlmThrottled),
        (403, "AccessDeniedException", LlmRefused),
        (424, "ModelErrorException", LlmServerError),
        (400, "ServiceQuotaExceededException", LlmThrottled),
        (500, "InternalServerException", LlmServerError),
    ],
)
def test_an_error_before_the_stream_is_mapped_by_its_status(
    endpoint: Endpoint, ask: Ask, status: int, code: str, failure: type[LlmError]
) -> None:
    bodies = [json.dumps({name: "In words."}).encode() for name in ("message", "Message")]
    kind = f"{code}:http://internal.amazon.com/"
    endpoint.script = lambda handler: handler.reply(status, bodies.pop(), x_amzn_ErrorType=kind)
    for _ in list(bodies):
        with pytest.raises(LlmError, match=f"status {status}: In words") as caught:
            ask()
        assert type(caught.value) is failure


@pytest.mark.parametrize(
    ("sent", "failure", "said"),
    [
        (THOUGHT + stop("max_tokens"), LlmAnswerInvalid, "only reasoning, no answer; raise max_tokens"),
        (THOUGHT + stop("end_turn"), LlmAnswerInvalid, "only reasoning, no answer"),
        (TOOL + stop("tool_use"), LlmAnswerInvalid, "only tool calls"),
        (stop("max_tokens"), LlmAnswerInvalid, "raise max_tokens"),
        (TOLD + stop("guardrail_intervened"), LlmRefused, "content filter"),
        (TOLD + stop("content_filtered"), LlmRefused, "content filter"),
        (TOLD + stop("malformed_model_output"), LlmServerError, "failed while it answered"),
        (event("contentBlockDelta", {"delta": {"text": 5}}), LlmAnswerInvalid, "delta.text is of type int"),
        (event("contentBlockDelta", {}), LlmAnswerInvalid, "without delta"),
    ],
)
def test_a_stream_without_an_answer_is_a_named_failure(
    endpoint: Endpoint, ask: Ask, sent: bytes, failure: type[LlmError], said: str
) -> None:
    endpoint.script = sending(START + sent + USAGE)
    with pytest.raises(failure, match=said):
        ask()


@pytest.mark.parametrize(
    ("sent", "content", "reason"),
    [
        (TOLD + stop("max_tokens"), "Sweden.", "length"),
        (THOUGHT + TOLD + stop("stop_sequence"), "Sweden.", "stop"),
        (stop("end_turn"), "", "stop"),
    ],
)
def test_truncated_empty_and_reasoned_answers_are_valid(
    endpoint: Endpoint, ask: Ask, sent: bytes, content: str, reason: str
) -> None:
    endpoint.script = sending(START + sent + USAGE)
    answer = ask()
    assert (answer.content, answer.finish_reason) == (content, reason)


def test_a_stalled_stream_ends_at_the_timeout(endpoint: Endpoint, ask: Ask) -> None:
    def stalling(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(START + TOLD)
        handler.wfile.flush()
        endpoint.stopped.wait(15)

    endpoint.script = sending(WHOLE)
    ask()
    endpoint.script = stalling
    with pytest.raises(LlmTimeout, match=r"gave no complete answer within 0.5 s"):
        ask(timeout_seconds=0.5)


@pytest.mark.parametrize("reasons", [("max_tokens", "end_turn"), ("end_turn", "max_tokens")])
def test_a_later_stop_reason_does_not_replace_length(endpoint: Endpoint, ask: Ask, reasons: tuple[str, str]) -> None:
    endpoint.script = sending(START + TOLD + b"".join(map(stop, reasons)) + USAGE)
    assert ask().finish_reason == "length"


def test_after_the_stop_reason_a_stream_that_stays_open_is_closed_early(
    endpoint: Endpoint, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "SECONDS_AFTER_FINISH", 0.2)
    begun = START + TOLD + stop("end_turn")
    endpoint.script = lambda handler: handler.trickle(b"HTTP/1.1 200 OK\r\n\r\n" + begun, b"")
    assert ask(timeout_seconds=600).content == "Sweden."
