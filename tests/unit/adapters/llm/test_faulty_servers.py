"""Several hundred faulty servers: each yields a correct answer or an LLM error.

Every row of the table is sent by both kinds of server, streamed and whole, with and without a requested stream, with
random framings and content types, cut at random places. Each case has its own seed, so it is always the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from baton.adapters.llm.providers.openai import stream_options as openai_stream_options
from baton.domain.errors import LlmAnswerInvalid, LlmError, LlmRefused, LlmServerError, LlmThrottled, LlmUnreachable
from baton.domain.llm.calls import LlmCall
from tests.support.faulty_servers import Reply, Script, serving
from tests.support.llm_calls import complete
from tests.support.llm_endpoint import RecordingListener

pytestmark = [pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.timeout(60)]
Build = Callable[..., LlmCall]
type Form = Literal["streamed", "whole"]
SECONDS = 15.0
BOM = b"\xef\xbb\xbf"
ASIDE = {"choices": None, "base_resp": {"status_code": 9999, "status_msg": "the model is out to lunch"}}


@dataclass(frozen=True, slots=True)
class Answer:
    """The expected text and finish reason."""

    content: str
    finish_reason: str | None


type Right = Answer | type[LlmError]


def event(value: object, name: str = "") -> bytes:
    data = value if isinstance(value, str) else json.dumps(value)
    return (f"event: {name}\n" if name else "").encode() + f"data: {data}\n\n".encode()


class OpenAI:
    """``/chat/completions``, with the fields that the rows need."""

    name = "openai"
    stop, length = "stop", "length"
    last = event("[DONE]")
    none_yet: object = None

    def chunk(self, delta: object, reason: object = None, **more: object) -> bytes:
        return event({"choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **more})

    def text(self, sent: str) -> bytes:
        return self.chunk({"content": sent})

    def end(self, reason: object) -> bytes:
        return self.chunk({}, reason)

    def thinking(self) -> bytes:
        return self.chunk({"content": "", "reasoning_content": "Hm, let me see."})

    def tools(self) -> bytes:
        return self.chunk({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{}"}}]})

    def whole(self, text: object, reason: object, *, thinking: bool = False, tools: bool = False) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": text}
        message |= {"reasoning_content": "Hm, let me see."} if thinking else {}
        message |= {"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]} if tools else {}
        return {"choices": [{"index": 0, "message": message, "finish_reason": reason}]}


class Anthropic:
    """``/v1/messages``, in the words that each row needs."""

    name = "anthropic"
    stop, length = "end_turn", "max_tokens"
    last = event({"type": "message_stop"}, "message_stop")

    def named(self, kind: str, **more: object) -> bytes:
        return event({"type": kind, **more}, kind)

    def text(self, sent: str) -> bytes:
        return self.named("content_block_delta", index=1, delta={"type": "text_delta", "text": sent})

    def end(self, reason: object) -> bytes:
        return self.named("message_delta", delta={"stop_reason": reason}, usage={"output_tokens": 2})

    def thinking(self) -> bytes:
        start = self.named("content_block_start", index=0, content_block={"type": "thinking", "thinking": ""})
        return start + self.named("content_block_delta", delta={"type": "thinking_delta", "thinking": "Hm."})

    def tools(self) -> bytes:
        return self.named("content_block_start", index=0, content_block={"type": "tool_use", "name": "f", "input": {}})

    def whole(self, text: object, reason: object, *, thinking: bool = False, tools: bool = False) -> dict[str, Any]:
        content: list[dict[str, Any]] = [{"type": "thinking", "thinking": "Hm."}] if thinking else []
        content += [{"type": "tool_use", "name": "f", "input": {}}] if tools else []
        content += [{"type": "text", "text": text}] if text is not None else []
        return {"type": "message", "content": content, "stop_reason": reason}


type Server = OpenAI | Anthropic
SERVERS: tuple[Server, ...] = (OpenAI(), Anthropic())
HELLO = Answer("Hello", "stop")


def hello(server: Server, *after: bytes) -> bytes:
    return server.text("Hel") + server.text("lo") + server.end(server.stop) + b"".join(after)


def whole(server: Server, text: object = "Hello", reason: object = "stop", **more: bool) -> bytes:
    return json.dumps(server.whole(text, reason, **more)).encode()


# --- the rows: a name, the reply, the expected result -----------------------------------------------------------------

type Row = tuple[str, Form, Reply, Right]


def no_stop_reason(server: Server) -> Iterator[Row]:
    for word in (None, "", " ", "null", "None", "\n"):
        start = server.text("The total is 1") + server.end(word)
        yield f"broken after {word!r}", "streamed", Reply(body=start, breaks=True), LlmUnreachable
        yield f"ends after {word!r}", "streamed", Reply(body=start), LlmUnreachable
        stopped_later = start + server.end(server.stop) + server.last
        yield f"{word!r} and then one", "streamed", Reply(body=stopped_later), Answer("The total is 1", "stop")
        stopped_before = server.text("Hello") + server.end(server.stop) + server.end(word)
        yield f"{word!r} after one", "streamed", Reply(body=stopped_before), HELLO
        yield f"{word!r} and the end", "streamed", Reply(body=start + server.last), Answer("The total is 1", None)
        yield f"whole with {word!r}", "whole", Reply(body=whole(server, "Hello", word)), Answer("Hello", None)
        yield f"nothing and {word!r}", "streamed", Reply(body=server.end(word) + server.last), LlmAnswerInvalid
        yield f"whole, nothing and {word!r}", "whole", Reply(body=whole(server, None, word)), LlmAnswerInvalid
    yield "broken whole", "whole", Reply(body=whole(server), breaks=True), LlmUnreachable
    yield "nothing", "streamed", Reply(body=server.last), LlmError


FAILURES = (
    "error",
    "network_error",
    "ERROR",
    "abort",
    "insufficient_system_resource",
    "OTHER",
    "server-error",
    "timeout",
    "ratelimit",
    "errored",
    "connection_lost",
    "oom",
)
FILTERS = (
    *("content_filter", "sensitive", "SAFETY", "refusal", "RECITATION", "content-filter", "PROHIBITED_CONTENT"),
    *("high_risk", "copyright"),
)
CUTS = (
    *("length", "max_tokens", "max_output_tokens", "MAX_TOKENS", "incomplete", "model_length", "token_limit"),
    *("cut_off", "too_long", "partial"),
)


def words(server: Server) -> Iterator[Row]:
    for word in (*FAILURES, *FILTERS):
        kind = LlmServerError if word in FAILURES else LlmRefused
        for text in ("The total is 1", ""):
            sent = server.text(text) + server.end(word)
            yield f"{word} after {text!r}", "streamed", Reply(body=sent + server.last), kind
            yield f"{word} after {text!r}, no end", "streamed", Reply(body=sent), kind
            yield f"{word} whole after {text!r}", "whole", Reply(body=whole(server, text, word)), kind
    for word in CUTS:
        cut = Answer("The total is 1", "length")
        yield word, "streamed", Reply(body=server.text(cut.content) + server.end(word) + server.last), cut
        yield f"{word} whole", "whole", Reply(body=whole(server, cut.content, word)), cut


def several_reasons(server: Server) -> Iterator[Row]:
    """``length`` and ``content_filter`` have priority over other reasons; ``error`` is used only without another."""
    orders: dict[tuple[object, ...], Right] = {
        (server.length, server.stop): Answer("Hello", "length"),
        (server.stop, server.length): Answer("Hello", "length"),
        ("content_filter", server.stop): LlmRefused,
        (server.stop, "content_filter"): LlmRefused,
        (server.stop, "error"): HELLO,
        ("error", server.stop): HELLO,
        (server.length, "", "null"): Answer("Hello", "length"),
    }
    for reasons, right in orders.items():
        sent = server.text("Hello") + b"".join(map(server.end, reasons)) + server.last
        yield f"reasons {reasons}", "streamed", Reply(body=sent), right


def no_text(server: Server) -> Iterator[Row]:
    stop, length, last = server.stop, server.length, server.last
    for text in ("", " \n"):
        sent = server.text(text)
        for reason in (stop, length):
            thought = server.thinking() + sent + server.end(reason) + last
            yield f"only thinking {text!r} {reason}", "streamed", Reply(body=thought), LlmAnswerInvalid
            thought = whole(server, text, reason, thinking=True)
            yield f"only thinking whole {text!r} {reason}", "whole", Reply(body=thought), LlmAnswerInvalid
        for reason in (stop, "tool_use", "tool_calls"):
            called = server.tools() + sent + server.end(reason) + last
            yield f"only tools {text!r} {reason}", "streamed", Reply(body=called), LlmAnswerInvalid
            called = whole(server, text, reason, tools=True)
            yield f"only tools whole {text!r} {reason}", "whole", Reply(body=called), LlmAnswerInvalid
        yield f"a cut {text!r}", "streamed", Reply(body=sent + server.end(length) + last), LlmAnswerInvalid
        yield f"a cut whole {text!r}", "whole", Reply(body=whole(server, text, length)), LlmAnswerInvalid
        yield f"text {text!r}", "streamed", Reply(body=sent + server.end(stop) + last), Answer(text, "stop")
        yield f"text {text!r} whole", "whole", Reply(body=whole(server, text, stop)), Answer(text, "stop")
    thoughts = ("<think>Hm.</think>\n", "<think>Hm", "<THINKING>a</THINKING> <think>b</think>", "Hm.\n</think>\n")
    others = ("[THINK]Hm.[/THINK]", "[THINK]Hm", "<seed:think>Hm.</seed:think>", "<thoughts>Hm</thoughts>")
    for text in (*thoughts, *others, "\u25c1think\u25b7Hm.\u25c1/think\u25b7"):
        yield f"only {text!r}", "streamed", Reply(body=server.text(text) + server.end(stop) + last), LlmAnswerInvalid
        yield f"only {text!r} whole", "whole", Reply(body=whole(server, text, stop)), LlmAnswerInvalid
    both = Answer("<think>Hm.</think>Hello", "stop")
    yield "a thought and a text", "streamed", Reply(body=server.text(both.content) + server.end(stop) + last), both
    headed = Answer("[Reasoning] It is four.", "stop")
    yield "a heading", "whole", Reply(body=whole(server, headed.content, stop)), headed
    yield "no text at all", "streamed", Reply(body=server.end(stop) + last), Answer("", "stop")
    yield "null", "whole", Reply(body=whole(server, None, stop)), Answer("", "stop")
    thinking_and_text = server.thinking() + hello(server, last)
    yield "thinking and text", "streamed", Reply(body=thinking_and_text), HELLO
    yield "thinking and text whole", "whole", Reply(body=whole(server, thinking=True)), HELLO


AFTER = {
    "[DONE] and a space": b"data: [DONE] \n\n",
    "[done]": b"data: [done]\n\n",
    "an error": event({"error": {"message": "usage service down", "code": 500}}),
    "an error of Anthropic's": event({"type": "error", "error": {"type": "api_error", "message": "Oh"}}, "error"),
    "an error without JSON": b"event: error\ndata: Oh\n\n",
    "no JSON": b"data: {oh\n\n",
    "a web page": b"<html>\n\n",
    "a number": b"data: 5\n\n",
    "a list": b"data: [1]\n\n",
    "null": b"data: null\n\n",
    "a wrong choice": event({"choices": [5]}),
    "wrong choices": event({"choices": "odd"}),
    "a failing choice": event({"choices": [{"index": 0, "error": {"code": 502, "message": "Gone"}, "delta": {}}]}),
    "a failing reason": event({"choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]}),
    "a failing stop": event({"type": "message_delta", "delta": {"stop_reason": "error"}}),
    "a wrong delta": event({"type": "message_delta", "delta": 5}),
    "a wrong block": event({"type": "content_block_start", "content_block": "odd"}),
    "half an event": b"data: {",
    "broken bytes": b"data: \xff\xfe\n\n",
}


def after_the_stop_reason(server: Server) -> Iterator[Row]:
    for name, sent in AFTER.items():
        for breaks in (False, True):
            reply = Reply(body=hello(server, sent), breaks=breaks)
            yield f"then {name}{', broken' if breaks else ''}", "streamed", reply, HELLO
    yield "then the connection breaks", "streamed", Reply(body=hello(server), breaks=True), HELLO


def last_events(server: Server) -> Iterator[Row]:
    start, end = server.text("Hello"), server.end(server.stop)
    for ending in (b"", b"\n", b"\r\n", b"\r"):
        last = end.rstrip(b"\n") + ending
        yield f"ends in {ending!r}", "streamed", Reply(body=start + last), HELLO
        done = start + server.last.rstrip(b"\n") + ending
        yield f"the end ends in {ending!r}", "streamed", Reply(body=done), Answer("Hello", None)
    yield "half of the last event", "streamed", Reply(body=start + end.rstrip()[:-1]), LlmUnreachable
    yield "text without a line", "streamed", Reply(body=start + server.text("x").rstrip()), LlmUnreachable


def first_bytes(server: Server) -> Iterator[Row]:
    for before in (b"", BOM, b"\n\n", b" \r\n", BOM + b"\n", b"\n" + BOM):
        yield f"whole after {before!r}", "whole", Reply(body=before + whole(server)), HELLO
        yield f"streamed after {before!r}", "streamed", Reply(body=before + hello(server, server.last)), HELLO
    for before in (b": ping\n\n", b":\n\n", b"id: 7\n", b"retry: 10\n\n", b"event: ping\ndata: {}\n\n"):
        yield f"streamed after {before!r}", "streamed", Reply(body=before + hello(server, server.last)), HELLO
    for comments in (b": ping\n\n", b":\r\n", b"\n: a\n: b\n\n"):
        yield f"whole after {comments!r}", "whole", Reply(body=comments + whole(server)), HELLO
    yield "comments alone", "streamed", Reply(body=b": ping\n\n" * 3), LlmUnreachable
    good = hello(server, server.last)
    for name, sent in {
        "fields in upper case": good.replace(b"data:", b"DATA:").replace(b"event:", b"EVENT:"),
        "spaces around fields": good.replace(b"data:", b" data :"),
        "a byte order mark before each event": good.replace(b"\n\n", b"\n\n" + BOM),
        "one line break for two": good.replace(b"\n\n", b"\n"),
        "blank lines of spaces": good.replace(b"\n\n", b"\n \n"),
        "CR": good.replace(b"\n", b"\r"),
        "CR LF and LF": good.replace(b"\n\n", b"\r\n\n"),
    }.items():
        yield name, "streamed", Reply(body=sent), HELLO
    tabbed = server.text("a\tb").replace(b"\\t", b"\t") + server.end(server.stop) + server.last
    yield "a raw tab in a text", "streamed", Reply(body=tabbed), Answer("a\tb", "stop")
    tabbed = whole(server, "a\nb").replace(b"\\n", b"\n")
    yield "a raw line break in a text", "whole", Reply(body=tabbed), Answer("a\nb", "stop")
    lined = hello(server, server.last).replace(b"\n", b"\r\n")
    yield "lines that end in CR LF", "streamed", Reply(body=lined), HELLO
    yield "no space", "streamed", Reply(body=hello(server, server.last).replace(b"data: ", b"data:")), HELLO
    for body in (b"<html>Sign in</html>", b"Internal Server Error", b"", b"{", b"data", b"error: out of memory"):
        yield f"{body!r} is no answer", "whole", Reply(body=body), LlmAnswerInvalid
    for other in SERVERS:
        right: Right = HELLO if other.name == server.name else LlmAnswerInvalid
        sent = event(other.whole("Hello", other.stop)) + server.last
        yield f"{other.name}'s whole in one event", "streamed", Reply(body=sent), right


def words_elsewhere(server: Server) -> Iterator[Row]:
    for error, kind in (
        ({"choices": None, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}, LlmRefused),
        ({"choices": None, "base_resp": {"status_code": 1002, "status_msg": "rate limit"}}, LlmThrottled),
        ({"choices": [], "base_resp": {"status_code": 1013, "status_msg": "internal"}}, LlmServerError),
        (ASIDE, LlmAnswerInvalid),
        ({"error_code": 18, "error_msg": "Open api qps request limit reached"}, LlmThrottled),
        ({"code": 401, "msg": "no such key"}, LlmRefused),
        ({"message": "out of credits"}, LlmAnswerInvalid),
        ({"detail": "out of credits"}, LlmAnswerInvalid),
        ({"errors": [{"message": "out of credits"}], "success": False}, LlmAnswerInvalid),
        ({"Response": {"Error": {"Code": "InternalError", "Message": "out of credits"}}}, LlmAnswerInvalid),
        ({"output": {"message": "out of credits"}, "status": 503}, LlmThrottled),
        ({"error": 500}, LlmServerError),
        ({"error": True}, LlmAnswerInvalid),
        ({"error": [{"message": "slow down", "code": 429}]}, LlmThrottled),
        ({"error": {"error": {"type": "overloaded_error", "message": "busy"}}}, LlmThrottled),
        ({"error": {"message": "out of quota", "status": "RESOURCE_EXHAUSTED"}}, LlmThrottled),
        ({"type": "error", "message": "busy", "code": "server_error"}, LlmServerError),
        ({"type": "about:blank", "title": "Too Many Requests", "status": 429, "detail": "slow"}, LlmThrottled),
        ({"title": "Too Many Requests", "status": 429}, LlmThrottled),
        ({"errors": "out of credits"}, LlmAnswerInvalid),
        ({"errors": {"model": ["is unknown"]}}, LlmAnswerInvalid),
        ({"fault": {"faultstring": "quota violation"}}, LlmAnswerInvalid),
        ({"__type": "ThrottlingException", "message": "slow down"}, LlmThrottled),
        ({"statusCode": 429, "message": "slow down"}, LlmThrottled),
        ({"success": False}, LlmAnswerInvalid),
        ({"status": "failed"}, LlmAnswerInvalid),
    ):
        yield f"{json.dumps(error)[:60]}", "whole", Reply(body=json.dumps(error).encode()), kind
        yield f"an event {json.dumps(error)[:60]}", "streamed", Reply(body=event(error) + server.last), kind
        sent = server.text("Hel") + event(error)
        yield f"text and {json.dumps(error)[:60]}", "streamed", Reply(body=sent), kind
        if server.name == "openai":
            yield f"text, {json.dumps(error)[:60]}, [DONE]", "streamed", Reply(body=sent + server.last), kind
    good: dict[str, Any] = {
        "base_resp": {"status_code": 0, "status_msg": "success"},
        "message": "",
        "errors": [],
        "error": None,
    }
    body = json.dumps(server.whole("Hello", server.stop) | good).encode()
    yield "a report of success beside the answer", "whole", Reply(body=body), HELLO
    yield "an event that reports success", "streamed", Reply(body=event(good) + hello(server, server.last)), HELLO
    yield "words, and an answer all the same", "streamed", Reply(body=event(ASIDE) + hello(server, server.last)), HELLO


def parts(server: Server) -> Iterator[Row]:
    """The forms in which compatible servers send the text of a choice."""
    if server.name != "openai":
        for odd in (
            {"type": "completion", "completion": "Hello", "stop_reason": "stop_sequence"},
            {"stop_reason": "x"},
        ):
            yield f"{odd}", "whole", Reply(body=json.dumps(odd).encode()), LlmAnswerInvalid
        return
    right: Right
    for content, right in (
        (["Hel", "lo"], HELLO),
        ([{"text": "Hel"}, {"type": "text", "text": "lo"}], HELLO),
        ([{"type": "text", "text": {"value": "Hello"}}], LlmAnswerInvalid),
        ([{"type": "image_url", "image_url": {}}], LlmAnswerInvalid),
        ([{"type": "refusal", "refusal": "No."}], LlmRefused),
        ([], Answer("", "stop")),
        (5, LlmAnswerInvalid),
    ):
        choice = {"index": 0, "finish_reason": "stop"}
        streamed = event({"choices": [{**choice, "delta": {"content": content}}]}) + OpenAI.last
        body = json.dumps({"choices": [{**choice, "message": {"content": content}}]}).encode()
        yield f"content {content}", "streamed", Reply(body=streamed), right
        yield f"content {content} whole", "whole", Reply(body=body), right
    choices: tuple[tuple[dict[str, object], Right], ...] = (
        ({"delta": "Hello"}, LlmAnswerInvalid),
        ({"text": "Hello"}, HELLO),
        ({"content": "Hello"}, LlmAnswerInvalid),
        ({"index": "0", "delta": {"content": "Hello"}}, HELLO),
    )
    for sent, right in choices:
        chosen = {"choices": [{**sent, "finish_reason": "stop"}]}
        yield f"{sent}", "streamed", Reply(body=event(chosen) + OpenAI.last), right
        yield f"{sent} whole", "whole", Reply(body=json.dumps(chosen).encode()), right
    second = {"index": 1, "message": {"content": "No"}, "finish_reason": "stop"}
    first = {"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop"}
    yield "choices out of order", "whole", Reply(body=json.dumps({"choices": [second, first]}).encode()), HELLO


def interim(server: Server) -> Iterator[Row]:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
    for name, before in {
        "103": hints,
        "102": b"HTTP/1.1 102 Processing\r\n\r\n",
        "100, 102, 103": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + hints,
        "199": b"HTTP/1.1 199 Odd\r\nX: y\r\n\r\n",
        "103 often": hints * 15,
    }.items():
        yield f"{name} before", "whole", Reply(body=whole(server), before=before), HELLO
        yield f"{name} before a stream", "streamed", Reply(body=hello(server), before=before), HELLO
    yield "103 without end", "whole", Reply(body=whole(server), before=hints * 1000), LlmError
    yield "101", "whole", Reply(body=b"", status=b"101 Switching Protocols"), LlmAnswerInvalid
    busy = Reply(body=b"", status=b"429 Slow", before=hints, headers=b"Retry-After: -1\r\n")
    yield "103 before a failure", "whole", busy, LlmThrottled


ROWS = (
    *(no_stop_reason, words, several_reasons, no_text, after_the_stop_reason, last_events),
    *(first_bytes, words_elsewhere, parts, interim),
)


@dataclass(frozen=True, slots=True)
class Case:
    path: str
    name: str
    provider: str
    requests_stream: bool
    reply: Reply
    right: Right


def cases() -> list[Case]:
    rows = [(server, row) for server in SERVERS for rows in ROWS for row in rows(server)]
    return [
        Case(
            f"case-{number}-{requests_stream}",
            f"{server.name}, {form}, {name}",
            server.name,
            requests_stream,
            reply,
            right,
        )
        for number, (server, (name, form, reply, right)) in enumerate(rows)
        for requests_stream in (True, False)
    ]


CASES = cases()


@pytest.fixture(scope="module")
def script() -> Script:
    return Script({case.path: [case.reply] for case in CASES})


@pytest.fixture(scope="module")
def origin(script: Script) -> Iterator[str]:
    with serving(script) as origin:
        yield origin


def test_there_are_more_than_two_hundred_faulty_servers() -> None:
    assert len(CASES) > 200


@pytest.mark.parametrize(
    "case",
    CASES,
    ids=lambda case: f"{case.name}, {'stream requested' if case.requests_stream else 'no stream requested'}",
)
def test_a_faulty_server_yields_a_correct_answer_or_an_llm_error(
    a_call: Build, origin: str, script: Script, case: Case
) -> None:
    listener = RecordingListener() if case.requests_stream else None
    fields = {"provider": case.provider, "base_url": f"{origin}/{case.path}/v1", "timeout_seconds": SECONDS}
    call = a_call(**fields)
    if isinstance(case.right, Answer):
        answer = complete(call, listener)
        assert Answer(answer.content, answer.finish_reason) == case.right
        assert answer.truncated == (case.right.finish_reason == "length")
        assert answer.empty == (not case.right.content.strip())
        assert listener is None or "".join(listener.pieces) == case.right.content
    else:
        with pytest.raises(case.right, match=r"^LLM instance 'demo' ") as caught:
            complete(call, listener)
        assert "sent no complete answer within" not in str(caught.value)
    assert script.calls[case.path] == 1


# --- stream_options ------------------------------------------------------------------------------------------------

REFUSALS: list[tuple[bytes, object]] = [
    (
        b"422 Unprocessable Entity",
        {
            "detail": [
                {
                    "type": "extra_forbidden",
                    "loc": ["body", "stream_options"],
                    "msg": "Extra inputs are not permitted",
                    "input": {"include_usage": True},
                }
            ]
        },
    ),
    (b"400 Bad Request", {"error": {"message": "Unrecognized request argument supplied: stream_options"}}),
    (b"400 Bad Request", {"error": {"message": "Unknown parameter.", "param": "stream_options", "code": None}}),
    (b"400 Bad Request", {"object": "error", "message": "include_usage isn't supported", "code": 400}),
    (b"422 Unprocessable Entity", {"errors": {"stream_options": ["Unknown field."]}}),
    (b"400 Bad Request", "Stream options can only be defined when `stream=True`."),
]


@pytest.fixture
def _nothing_remembered() -> Iterator[None]:
    openai_stream_options.forget()
    yield
    openai_stream_options.forget()


def refused(status: bytes, error: object) -> Reply:
    return Reply(body=error.encode() if isinstance(error, str) else json.dumps(error).encode(), status=status)


@pytest.mark.usefixtures("_nothing_remembered")
@pytest.mark.parametrize(("status", "error"), REFUSALS)
@pytest.mark.parametrize("streams", [True, False])
def test_rejected_stream_options_are_omitted_in_the_retry_and_in_later_calls(
    a_call: Build, status: bytes, error: object, streams: bool
) -> None:
    good = hello(OpenAI(), OpenAI.last) if streams else whole(OpenAI())
    script = Script({"old": [refused(status, error), Reply(body=good)]})
    with serving(script) as origin:
        for _ in range(2):
            call = a_call(base_url=f"{origin}/old/v1")
            assert complete(call, RecordingListener()).content == "Hello"
    assert [body.get("stream_options") for body in script.bodies["old"]] == [{"include_usage": True}, None, None]
    assert all(body["stream"] for body in script.bodies["old"])


@pytest.mark.usefixtures("_nothing_remembered")
def test_stream_options_are_still_sent_to_other_base_urls(a_call: Build) -> None:
    status, error = REFUSALS[0]
    script = Script(
        {"old": [refused(status, error), Reply(body=whole(OpenAI()))], "new": [Reply(body=whole(OpenAI()))]}
    )
    with serving(script) as origin:
        for path in ("old", "new"):
            complete(a_call(base_url=f"{origin}/{path}/v1"), RecordingListener())
    assert script.bodies["new"][0]["stream_options"] == {"include_usage": True}


@pytest.mark.usefixtures("_nothing_remembered")
@pytest.mark.parametrize(
    ("reply", "fields", "calls"),
    [
        (refused(*REFUSALS[0]), {}, 2),
        (refused(*REFUSALS[0]), {"options": {"stream_options": {"include_usage": False}}}, 1),
        (refused(*REFUSALS[0]), {"stream": False}, 1),
        (refused(b"400 Bad Request", {"error": {"message": "No such model"}}), {}, 1),
        (refused(b"422 No", {"detail": [{"loc": ["body", "n"], "msg": "No", "input": {"stream_options": 1}}]}), {}, 1),
        (refused(b"401 No", {"error": {"message": "stream_options"}}), {}, 1),
        (refused(b"404 No", {"error": {"message": "stream_options"}}), {}, 1),
    ],
)
def test_other_rejections_are_not_retried_without_stream_options(
    a_call: Build, reply: Reply, fields: dict[str, Any], calls: int
) -> None:
    script = Script({"old": [reply]})
    with serving(script) as origin, pytest.raises(LlmRefused):
        complete(a_call(base_url=f"{origin}/old/v1", **fields), RecordingListener())
    assert script.calls["old"] == calls
    assert not openai_stream_options.are_rejected_by(f"{origin}/old/v1/chat/completions")


@pytest.mark.usefixtures("_nothing_remembered")
def test_the_number_of_remembered_endpoints_is_bounded() -> None:
    for number in range(openai_stream_options.MAX_REMEMBERED + 1):
        openai_stream_options.remember(f"https://{number}.example/v1?key=1")
    assert not openai_stream_options.are_rejected_by("https://0.example/v1")
    assert openai_stream_options.are_rejected_by("https://1.example/v1?key=2")
