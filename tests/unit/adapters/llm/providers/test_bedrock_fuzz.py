"""Whatever an endpoint sends, reading it through boto3 ends in an answer or in a named failure, and in time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from baton.adapters.llm.http.wire import SUCCESSES
from baton.adapters.llm.providers.bedrock import converse as bedrock
from baton.domain.errors import LlmError
from baton.domain.llm.calls import LlmCall
from tests.support.bedrock import account_at
from tests.support.llm_calls import TRANSPORT

if TYPE_CHECKING:
    from tests.support.llm_endpoint import Endpoint

pytestmark = [pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.timeout(60)]
Build = Callable[..., LlmCall]
one_endpoint = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)

MESSAGE: dict[str, Any] = {"role": "assistant", "content": [{"text": "Sweden."}]}
GOOD: dict[str, Any] = {
    "output": {"message": MESSAGE},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 12, "outputTokens": 6, "totalTokens": 18},
    "metrics": {"latencyMs": 551},
}
PLACES = ["output", "message", "content", "text", "role", "reasoningContent", "redactedContent", "stopReason", "usage"]
PLACES += ["inputTokens", "metrics", "latencyMs", "trace", "__type", "Message", "code", "image", "bytes", "citations"]

BODILESS = (204, 304)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
words = st.sampled_from(["end_turn", "max_tokens", "tool_use", "guardrail_intervened", "malformed_tool_use", "a:b#c"])
shaped = st.recursive(
    json_values | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(PLACES), inner, max_size=4),
    max_leaves=12,
)
cut = st.integers(min_value=0, max_value=len(json.dumps(GOOD))).map(lambda end: json.dumps(GOOD).encode()[:end])
bodies = st.binary() | cut | shaped.map(lambda value: json.dumps(value).encode())
printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
sent = st.dictionaries(st.sampled_from(["Retry_After", "x_amzn_ErrorType", "x_amzn_RequestId", "Date"]), printable)


@pytest.fixture(autouse=True)
def _account(endpoint: Endpoint) -> Iterator[None]:
    with account_at(endpoint.url):
        yield


def outcome(endpoint: Endpoint, call: LlmCall, body: bytes, status: int = 200, **headers: str) -> str:
    """The answer's first words, or the failure's; anything else that is raised is the test's own failure."""
    endpoint.script = lambda handler: handler.reply(status, body, **headers)
    try:
        answer = bedrock.complete(call, None, TRANSPORT)
    except LlmError as error:
        return str(error)
    assert status in SUCCESSES
    return repr(answer)[:400]


@one_endpoint
@given(body=bodies, status=st.integers(200, 999) | st.just(200), headers=sent)
@example(body=b'{"output": ' * 9000, status=200, headers={})
@example(body=b'{"message": ' * 9000, status=500, headers={})
@example(body=b'{"__type": 5, "message": {}}', status=429, headers={})
@example(body=b"<html>" + b"x" * 1000, status=200, headers={"x_amzn_ErrorType": "#:"})
@example(body=b'{"output": {"message": {"content": [{"text": "\\ud800"}]}}}', status=200, headers={})
def test_any_response_is_an_answer_or_a_named_failure(
    endpoint: Endpoint, a_call: Build, body: bytes, status: int, headers: dict[str, str]
) -> None:
    told = outcome(endpoint, a_call(base_url=None), b"" if status in BODILESS else body, status, **headers)
    assert 0 < len(told.encode("utf-8")) < 1500


@one_endpoint
@given(at=st.sampled_from([*GOOD, "trace", "performanceConfig"]), to=json_values)
def test_any_single_value_of_the_wrong_type_is_handled(endpoint: Endpoint, a_call: Build, at: str, to: object) -> None:
    wrong = [
        {**GOOD, at: to},
        {**GOOD, "output": {"message": to}},
        {**GOOD, "output": {"message": {**MESSAGE, "content": to}}},
        {**GOOD, "output": {"message": {**MESSAGE, "content": [to, {"text": to}, {"reasoningContent": to}]}}},
        {**GOOD, "usage": {**GOOD["usage"], "inputTokens": to}},
    ]
    for answer in wrong:
        assert 0 < len(outcome(endpoint, a_call(base_url=None), json.dumps(answer).encode()).encode("utf-8")) < 1500


@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + json.dumps(GOOD).encode()[:60],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n{",
        b"HTTP/1.1 429 Slow\r\nRetry-After: ",
    ],
)
def test_an_endless_answer_ends_at_the_timeout(endpoint: Endpoint, a_call: Build, start: bytes) -> None:
    endpoint.script = lambda handler: handler.trickle(start)
    started = time.monotonic()
    with pytest.raises(LlmError, match=r"within 0\.2 s"):
        bedrock.complete(a_call(base_url=None, timeout_seconds=0.2), None, TRANSPORT)
    assert time.monotonic() - started < 1.5


@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_of_many_megabytes_is_a_named_failure(endpoint: Endpoint, a_call: Build, status: int) -> None:
    assert "'demo'" in outcome(endpoint, a_call(base_url=None), b'{"message": "' + b"x" * 11_000_000, status)
