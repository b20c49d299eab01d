"""Calls through boto3 and our own transport to an endpoint on this machine."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from baton.adapters.llm.http.http_transport import HttpTransport
from baton.adapters.llm.providers.bedrock import client as bedrock_client
from baton.adapters.llm.providers.bedrock import converse as bedrock
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
from baton.domain.llm.hosts import HostPolicy
from tests.support.bedrock import KEY_ID, REGION, SECRET, account_at
from tests.support.llm_calls import TRANSPORT, check, complete

if TYPE_CHECKING:
    from tests.support.llm_endpoint import Endpoint, Handler

pytestmark = [pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.timeout(20)]
Build = Callable[..., LlmCall]

MODEL = "eu.anthropic.claude-haiku-4-5-20251001-v1:0"
GOOD: dict[str, Any] = {
    "metrics": {"latencyMs": 551},
    "output": {
        "message": {
            "content": [
                {"reasoningContent": {"reasoningText": {"signature": "EqoB", "text": "1912, so Stockholm."}}},
                {"text": "Sweden."},
            ],
            "role": "assistant",
        }
    },
    "stopReason": "end_turn",
    "usage": {
        "cacheReadInputTokenCount": 0,
        "cacheReadInputTokens": 3,
        "cacheWriteInputTokenCount": 0,
        "cacheWriteInputTokens": 0,
        "inputTokens": 12,
        "outputTokens": 6,
        "serverToolUsage": {},
        "totalTokens": 21,
    },
}


@pytest.fixture(autouse=True)
def _account(endpoint: Endpoint) -> Iterator[None]:
    endpoint.script = answering(GOOD)
    with account_at(endpoint.url.removesuffix("/v1")):
        yield


@pytest.fixture
def converse(a_call: Build) -> Callable[..., LlmAnswer]:
    """Call Bedrock through the registry, as the use case does."""

    def send_call(transport: HttpTransport = TRANSPORT, **fields: Any) -> LlmAnswer:
        call = a_call(provider="bedrock", base_url=None, api_key=None, **{"model": MODEL} | fields)
        return complete(call, transport=transport)

    return send_call


type Converse = Callable[..., LlmAnswer]


def answering(body: object, status: int = 200, **headers: str) -> Callable[[Handler], None]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda handler: handler.reply(status, raw, Content_Type="application/json", **headers)


# --- request and answer --------------------------------------------------------------------------------------------


def test_a_call_is_signed_and_its_answer_is_read(endpoint: Endpoint, converse: Converse) -> None:
    answer = converse(system="Be brief.", temperature=0, stop=("END",), options={"top_k": 3}, prompt="Grüße")
    assert answer == LlmAnswer(
        content="Sweden.", model=MODEL, prompt_tokens=15, completion_tokens=6, finish_reason="stop"
    )
    ((path, headers, body),) = endpoint.requests
    assert path == "/model/eu.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse"
    assert headers["Authorization"].startswith(f"AWS4-HMAC-SHA256 Credential={KEY_ID}/")
    assert json.loads(body) == {
        "messages": [{"role": "user", "content": [{"text": "Grüße"}]}],
        "system": [{"text": "Be brief."}],
        "inferenceConfig": {"temperature": 0, "stopSequences": ["END"]},
        "additionalModelRequestFields": {"top_k": 3},
    }


@pytest.mark.parametrize("model", [MODEL, "arn:aws:bedrock:x::inference-profile/a.b", "odd name~*'()é"])
def test_the_received_request_equals_the_signed_one(endpoint: Endpoint, converse: Converse, model: str) -> None:
    """Neither requests nor urllib3 may change the path, since the signature would no longer match."""
    converse(model=model)
    ((path, headers, body),) = endpoint.requests
    scope, names, signature = headers["Authorization"].partition(" ")[2].split(", ")
    arrived = {name.lower(): value for name, value in headers.items()}
    signed = {name: arrived[name] for name in names.removeprefix("SignedHeaders=").split(";")}
    url = "{0.scheme}://{0.netloc}".format(urlsplit(endpoint.url)) + path
    request = AWSRequest(method="POST", url=url, headers=signed, data=body)
    request.context["timestamp"] = arrived["x-amz-date"]
    auth = SigV4Auth(Credentials(KEY_ID, SECRET), "bedrock", REGION)
    expected = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    assert signature == f"Signature={expected}"
    assert scope.endswith(f"/{REGION}/bedrock/aws4_request")


def test_calls_share_one_client_and_one_connection(endpoint: Endpoint, converse: Converse) -> None:
    assert [converse().content for _ in range(3)] == ["Sweden."] * 3
    assert endpoint.connections == 1


def test_a_schema_is_sent_and_an_invalid_answer_is_requested_again(endpoint: Endpoint, converse: Converse) -> None:
    with pytest.raises(LlmError, match="isn't JSON"):
        converse(response_format={"type": "object"})
    systems = [json.loads(body)["system"][0]["text"] for _, _, body in endpoint.requests]
    assert [system.endswith('{"type": "object"}') for system in systems] == [True, True]


def test_a_check_sends_a_short_prompt_to_the_same_model(endpoint: Endpoint, a_call: Build) -> None:
    call = a_call(provider="bedrock", base_url=None, model=MODEL)
    assert check(call) is None
    ((path, _, body),) = endpoint.requests
    assert MODEL.replace(":", "%3A") in path
    assert json.loads(body)["inferenceConfig"] == {"maxTokens": 16}
    endpoint.script = answering({"message": "The provided model identifier is invalid."}, 400)
    with pytest.raises(LlmRefused, match="model identifier is invalid"):
        check(call)


# --- failures ------------------------------------------------------------------------------------------------------

FAILURES = [
    ((400, "ValidationException", "The provided model identifier is invalid."), LlmRefused),
    ((400, "ServiceQuotaExceededException", "Your request exceeds the service quota."), LlmThrottled),
    ((403, "AccessDeniedException", "You don't have access to the model with the specified model ID."), LlmRefused),
    ((403, "ExpiredTokenException", "The security token included in the request is expired"), LlmRefused),
    ((404, "ResourceNotFoundException", "Could not resolve the foundation model from the identifier."), LlmRefused),
    ((408, "ModelTimeoutException", "Model has timed out in processing the request."), LlmTimeout),
    ((424, "ModelErrorException", "The system encountered an unexpected error during processing."), LlmServerError),
    ((424, "BrandNewException", "Something new"), LlmRefused),
    ((429, "ThrottlingException", "Too many tokens, please wait before trying again."), LlmThrottled),
    ((429, "ModelNotReadyException", "Model is not ready for inference."), LlmThrottled),
    ((500, "InternalServerException", "The system encountered an unexpected error."), LlmServerError),
    ((503, "ServiceUnavailableException", "Bedrock is unable to process your request."), LlmThrottled),
]


@pytest.mark.parametrize(("reply", "failure"), FAILURES)
def test_each_failure_has_its_class_and_the_services_message_and_no_retry(
    endpoint: Endpoint, converse: Converse, reply: tuple[int, str, str], failure: type[LlmError]
) -> None:
    status, code, message = reply
    for name in ("message", "Message"):
        endpoint.requests.clear()
        kind = f"{code}:http://internal.amazon.com/coral/com.amazon.bedrock/"
        endpoint.script = answering({name: message}, status, x_amzn_ErrorType=kind)
        with pytest.raises(LlmError) as caught:
            converse()
        assert type(caught.value) is failure
        assert f"LLM instance 'demo' answered with status {status}: {message}" in str(caught.value)
        assert len(endpoint.requests) == 1


@pytest.mark.parametrize(
    ("sent", "failure", "expected"),
    [
        ((503, b"no healthy upstream"), LlmThrottled, "status 503: no healthy upstream."),
        ((502, b"<html><h1>502</h1></html>"), LlmServerError, "status 502: Bad Gateway."),
        ((429, [{"error": {"message": "Slow down"}}]), LlmThrottled, "status 429: Slow down."),
        ((403, b""), LlmRefused, "status 403: Forbidden."),
        ((403, b'{"Message": "Not \xff allowed"}'), LlmRefused, "status 403: Not \ufffd allowed."),
        ((500, {"message": {"message": "Nested"}}), LlmServerError, "status 500: Nested."),
        ((600, {"message": "Odd"}), LlmAnswerInvalid, "status 600: Odd."),
        ((300, {"message": "Elsewhere"}), LlmRefused, "status 300"),
        ((307, {"message": "Elsewhere"}), LlmRefused, "status 307: Elsewhere. Redirects are not followed"),
    ],
)
def test_a_failure_in_an_unknown_form_is_mapped_by_its_status(
    endpoint: Endpoint, converse: Converse, sent: tuple[int, object], failure: type[LlmError], expected: str
) -> None:
    status, body = sent
    endpoint.script = answering(body, status, Location="/elsewhere")
    with pytest.raises(LlmError) as caught:
        converse()
    assert type(caught.value) is failure
    assert f"'demo' answered with {expected}" in str(caught.value)
    assert len(endpoint.requests) == 1


def test_a_throttled_call_returns_its_retry_after(endpoint: Endpoint, converse: Converse) -> None:
    endpoint.script = answering({"message": "Slow down"}, 429, Retry_After="17")
    with pytest.raises(LlmThrottled) as caught:
        converse()
    assert caught.value.retry_after == 17


def test_neither_message_nor_traceback_of_a_failure_quotes_the_prompt(endpoint: Endpoint, converse: Converse) -> None:
    endpoint.script = answering({"message": "Malformed: my very own secret words and more"}, 400)
    with pytest.raises(LlmRefused, match="Malformed") as caught:
        converse(prompt="my very own secret words and more")
    assert "secret" not in str(caught.value)
    assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"<html>Sign in</html>", "that is a web page"),
        (b'{"output": {"mess', "that isn't JSON"),
        (b"", "that isn't JSON"),
        ([], "whose body is of type list"),
        (None, "without body"),
        ({}, "without output"),
        ({**GOOD, "usage": {"inputTokens": float("inf")}}, "does not match Converse's response format"),
        ({"output": []}, "does not match Converse's response format"),
        ({"output": {"message": 5}}, "does not match Converse's response format"),
        ({"output": {"message": {"content": "Sweden."}}}, "does not match Converse's response format"),
        (
            {"output": {"message": {"content": [{"text": "a", "image": {}}]}}},
            "does not match Converse's response format",
        ),
    ],
)
def test_a_success_status_without_an_answer_is_an_llm_error(
    endpoint: Endpoint, converse: Converse, body: object, named: str
) -> None:
    endpoint.script = answering(body)
    with pytest.raises(LlmAnswerInvalid, match=f"'demo' sent an answer .*{named}"):
        converse()


def test_an_invalid_byte_is_replaced(endpoint: Endpoint, converse: Converse) -> None:
    endpoint.script = answering(b"\xef\xbb\xbf" + json.dumps(GOOD).encode().replace(b"Sweden", b"Swe\xffden"))
    assert converse().content == "Swe\ufffdden."


# --- the way out ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "start", [b"", b"HTTP/1.1 200 OK\r\n\r\n{", b"HTTP/1.1 500 Oh\r\nContent-Length: 99999\r\n\r\n"]
)
def test_an_endpoint_that_sends_slowly_ends_at_the_timeout(
    endpoint: Endpoint, converse: Converse, start: bytes
) -> None:
    converse()
    endpoint.script = lambda handler: handler.trickle(start)
    started = time.monotonic()
    with pytest.raises(LlmTimeout, match=r"'demo' sent no complete answer within 0.3 s."):
        converse(timeout_seconds=0.3)
    assert 0.29 <= time.monotonic() - started < 1.5


def test_an_answer_over_the_size_bound_is_rejected(endpoint: Endpoint, converse: Converse) -> None:
    endpoint.script = answering(b'{"output": "' + b"x" * 11_000_000)
    with pytest.raises(LlmAnswerInvalid, match="'demo' sent an answer of more than 10,485,760 bytes"):
        converse(timeout_seconds=10)


def test_only_allowed_hosts_are_called(endpoint: Endpoint, converse: Converse) -> None:
    for hosts, why in (
        (HostPolicy(), "its address is loopback"),
        (HostPolicy(allow_private=True, allow_loopback=True, allowed=("api.example",)), "none of the hosts"),
    ):
        with pytest.raises(LlmRefused, match=f"'demo' may not call 127.0.0.1: .*{why}"):
            converse(transport=HttpTransport(hosts))
    assert endpoint.connections == 0
    only_this_host = HostPolicy(allow_private=True, allow_loopback=True, allowed=("127.0.0.1",))
    assert converse(transport=HttpTransport(only_this_host)).content == "Sweden."


def test_the_default_endpoint_is_that_of_the_region(converse: Converse) -> None:
    """Operators add this host to the list of allowed ones."""
    regions_own = rf"bedrock-runtime\.{REGION}\.amazonaws\.com"
    elsewhere = HttpTransport(HostPolicy(allowed=("api.example",)))
    with account_at(None), pytest.raises(LlmRefused, match=f"may not call {regions_own}: .*none"):
        converse(transport=elsewhere)


def test_concurrent_calls_have_their_own_names_and_timeouts(endpoint: Endpoint, a_call: Build) -> None:
    models = ["slow", "model-1", "model-2", "model-3"]
    all_started = threading.Barrier(len(models), timeout=10)

    def named(handler: Handler) -> None:
        if "slow" in handler.path:
            endpoint.stopped.wait(5)
        handler.reply(400, b'{"message": "No."}')

    def failure_of(model: str) -> str:
        call = a_call(base_url=None, model=model, timeout_seconds=0.5 if model == "slow" else 10)
        with pytest.raises(LlmError) as caught:
            bedrock.complete(replace(call, endpoint=replace(call.endpoint, instance_name=model)), None, TRANSPORT)
        return str(caught.value)

    endpoint.script = named
    bedrock_client.bedrock().meta.events.register("before-sign", lambda **_: all_started.wait())
    with ThreadPoolExecutor(max_workers=len(models)) as pool:
        slow, *others = [pool.submit(copy_context().run, failure_of, model) for model in models]
        assert slow.result() == "LLM instance 'slow' sent no complete answer within 0.5 s."
        answers = [other.result() for other in others]
    assert answers == [f"LLM instance '{model}' answered with status 400: No." for model in models[1:]]


def test_a_closed_endpoint_is_unreachable(converse: Converse) -> None:
    with account_at("http://127.0.0.1:1"), pytest.raises(LlmUnreachable, match="can't be reached"):
        converse()


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
def test_an_answer_of_many_megabytes_is_an_llm_error(endpoint: Endpoint, a_call: Build, status: int) -> None:
    endpoint.script = lambda handler: handler.reply(status, b'{"message": "' + b"x" * 11_000_000)
    with pytest.raises(LlmError, match="'demo'"):
        bedrock.complete(a_call(base_url=None), None, TRANSPORT)
