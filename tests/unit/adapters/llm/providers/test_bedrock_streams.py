"""Answers of ConverseStream, through boto3 and our own transport, from an endpoint on this machine."""

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
type Converse = Callable[..., LlmAnswer]

MODEL = "eu.anthropic.claude-haiku-4-5-20251001-v1:0"
CONTENT_TYPE = "application/vnd.amazon.eventstream"


def delta(**part: object) -> bytes:
    return event("contentBlockDelta", {"contentBlockIndex": 0, "delta": part, "p": "abcdefgh"})


def stop(reason: object) -> bytes:
    return event("messageStop", {"stopReason": reason})


START = event("messageStart", {"role": "assistant"})
TEXT = delta(text="Swe") + delta(text="den.")
USAGE = event("metadata", {"usage": {"inputTokens": 12, "outputTokens": 6, "cacheReadInputTokens": 3}, "metrics": {}})
THOUGHT = delta(reasoningContent={"text": "1912"}) + delta(reasoningContent={"signature": "Eq"})
TOOL = event("contentBlockStart", {"contentBlockIndex": 0, "start": {"toolUse": {"name": "f", "toolUseId": "1"}}})
WHOLE = START + TEXT + event("contentBlockStop", {"contentBlockIndex": 0}) + stop("end_turn") + USAGE
ANSWER = LlmAnswer(content="Sweden.", model=MODEL, prompt_tokens=15, completion_tokens=6, finish_reason="stop")


@pytest.fixture(autouse=True)
def _account(endpoint: Endpoint) -> Iterator[None]:
    with account_at(endpoint.url.removesuffix("/v1")):
        yield


@pytest.fixture
def recorder() -> RecordingListener:
    return RecordingListener()


@pytest.fixture
def converse(a_call: Build, recorder: RecordingListener) -> Converse:
    def send_call(listener: RecordingListener | None = recorder, **fields: Any) -> LlmAnswer:
        call = a_call(provider="bedrock", base_url=None, api_key=None, **{"model": MODEL} | fields)
        return complete(call, listener)

    return send_call


def sending(*chunks: bytes) -> Callable[[Handler], None]:
    return lambda handler: handler.stream(*chunks, content_type=CONTENT_TYPE)


def test_an_answer_is_streamed_and_returned_in_full(
    endpoint: Endpoint, converse: Converse, recorder: RecordingListener
) -> None:
    endpoint.script = sending(START, delta(text="Swe"), delta(text="den."), stop("end_turn"), USAGE)
    assert converse(system="Be brief.", temperature=0) == ANSWER
    assert recorder.pieces == ["Swe", "den."]
    ((path, headers, body),) = endpoint.requests
    assert path == "/model/eu.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse-stream"
    assert headers["Authorization"].startswith(f"AWS4-HMAC-SHA256 Credential={KEY_ID}/")
    assert json.loads(body)["system"] == [{"text": "Be brief."}]


@pytest.mark.parametrize("size", [1, 3, 11, 12, 100, 10_000])
def test_chunks_may_begin_and_end_anywhere(
    endpoint: Endpoint, converse: Converse, recorder: RecordingListener, size: int
) -> None:
    endpoint.script = sending(*(WHOLE[at : at + size] for at in range(0, len(WHOLE), size)))
    assert converse() == ANSWER
    assert "".join(recorder.pieces) == "Sweden."


@pytest.mark.parametrize("quiet", [{"stream": False}, {"listener": None}])
def test_without_streaming_converse_is_called(endpoint: Endpoint, converse: Converse, quiet: dict[str, Any]) -> None:
    whole = {"output": {"message": {"content": [{"text": "Sweden."}]}}, "stopReason": "end_turn"}
    endpoint.script = lambda handler: handler.reply(200, json.dumps(whole).encode())
    assert converse(**quiet).content == "Sweden."
    assert endpoint.requests[0][0].endswith("/converse")


def test_a_whole_answer_instead_of_a_stream_is_read(
    endpoint: Endpoint, converse: Converse, recorder: RecordingListener
) -> None:
    whole = {"output": {"message": {"content": [{"text": "Sweden."}]}}, "stopReason": "end_turn"}
    endpoint.script = lambda handler: handler.reply(200, json.dumps(whole).encode(), Content_Type=CONTENT_TYPE)
    assert converse().content == "Sweden."
    assert recorder.pieces == ["Sweden."]


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
    endpoint: Endpoint, converse: Converse, end: bytes, counts: int | None
) -> None:
    endpoint.script = sending(START + TEXT + stop("end_turn"), *([end] if end else []))
    answer = converse()
    assert (answer.content, answer.finish_reason, answer.completion_tokens) == ("Sweden.", "stop", counts)


@pytest.mark.parametrize(
    "sent",
    [
        START,
        START + TEXT,
        START + TEXT[:-3],
        START + TEXT[:-1] + b"!",
        START + TEXT + b"\x00" * 40,
        START + TEXT + stop(None),
        START + TEXT + stop("") + USAGE,
        START + TEXT + event("odd", {"message": "Odd", "output": {"message": {"content": [{"text": "Swe"}]}}}),
    ],
)
def test_a_stream_that_breaks_before_its_stop_reason_is_unreachable(
    endpoint: Endpoint, converse: Converse, sent: bytes
) -> None:
    endpoint.script = sending(sent)
    with pytest.raises(LlmUnreachable, match="'demo' broke off its answer"):
        converse()


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
    endpoint: Endpoint, converse: Converse, kind: str, failure: type[LlmError], status: int
) -> None:
    for before in (b"", START, START + TEXT):
        endpoint.script = sending(before + exception(kind, "Not now, not again."))
        with pytest.raises(LlmError) as caught:
            converse()
        assert type(caught.value) is failure
        assert str(caught.value) == f"LLM instance 'demo' answered with status {status}: Not now, not again."


def test_an_error_without_a_type_is_a_server_error(endpoint: Endpoint, converse: Converse) -> None:
    endpoint.script = sending(frame(b"", message_type="error", error_code="Oops", error_message="Gone wrong."))
    with pytest.raises(LlmServerError, match=r"Gone wrong\."):
        converse()


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
    endpoint: Endpoint, converse: Converse, status: int, code: str, failure: type[LlmError]
) -> None:
    bodies = [json.dumps({name: "In words."}).encode() for name in ("message", "Message")]
    kind = f"{code}:http://internal.amazon.com/"
    endpoint.script = lambda handler: handler.reply(status, bodies.pop(), x_amzn_ErrorType=kind)
    for _ in list(bodies):
        with pytest.raises(LlmError, match=f"status {status}: In words") as caught:
            converse()
        assert type(caught.value) is failure


@pytest.mark.parametrize(
    ("sent", "failure", "message"),
    [
        (THOUGHT + stop("max_tokens"), LlmAnswerInvalid, "only reasoning, no answer; raise max_tokens"),
        (THOUGHT + stop("end_turn"), LlmAnswerInvalid, "only reasoning, no answer"),
        (TOOL + stop("tool_use"), LlmAnswerInvalid, "only tool calls"),
        (stop("max_tokens"), LlmAnswerInvalid, "raise max_tokens"),
        (TEXT + stop("guardrail_intervened"), LlmRefused, "content filter"),
        (TEXT + stop("content_filtered"), LlmRefused, "content filter"),
        (TEXT + stop("malformed_model_output"), LlmServerError, "failed while it answered"),
        (event("contentBlockDelta", {"delta": {"text": 5}}), LlmAnswerInvalid, "delta.text is of type int"),
        (event("contentBlockDelta", {}), LlmAnswerInvalid, "without delta"),
    ],
)
def test_a_stream_without_an_answer_is_an_llm_error(
    endpoint: Endpoint, converse: Converse, sent: bytes, failure: type[LlmError], message: str
) -> None:
    endpoint.script = sending(START + sent + USAGE)
    with pytest.raises(failure, match=message):
        converse()


@pytest.mark.parametrize(
    ("sent", "content", "reason"),
    [
        (TEXT + stop("max_tokens"), "Sweden.", "length"),
        (THOUGHT + TEXT + stop("stop_sequence"), "Sweden.", "stop"),
        (stop("end_turn"), "", "stop"),
    ],
)
def test_truncated_empty_and_reasoned_answers_are_valid(
    endpoint: Endpoint, converse: Converse, sent: bytes, content: str, reason: str
) -> None:
    endpoint.script = sending(START + sent + USAGE)
    answer = converse()
    assert (answer.content, answer.finish_reason) == (content, reason)


def test_a_stalled_stream_ends_at_the_timeout(endpoint: Endpoint, converse: Converse) -> None:
    def stalling(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(START + TEXT)
        handler.wfile.flush()
        endpoint.stopped.wait(15)

    endpoint.script = sending(WHOLE)
    converse()
    endpoint.script = stalling
    with pytest.raises(LlmTimeout, match=r"sent no complete answer within 0.5 s"):
        converse(timeout_seconds=0.5)


@pytest.mark.parametrize("reasons", [("max_tokens", "end_turn"), ("end_turn", "max_tokens")])
def test_a_later_stop_reason_does_not_replace_length(
    endpoint: Endpoint, converse: Converse, reasons: tuple[str, str]
) -> None:
    endpoint.script = sending(START + TEXT + b"".join(map(stop, reasons)) + USAGE)
    assert converse().finish_reason == "length"


def test_after_the_stop_reason_a_stream_that_stays_open_is_closed_early(
    endpoint: Endpoint, converse: Converse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "SECONDS_AFTER_FINISH", 0.2)
    unfinished = START + TEXT + stop("end_turn")
    endpoint.script = lambda handler: handler.trickle(b"HTTP/1.1 200 OK\r\n\r\n" + unfinished, b"")
    assert converse(timeout_seconds=600).content == "Sweden."
