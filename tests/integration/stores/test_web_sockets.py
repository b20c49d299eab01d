"""WebSockets: the fake and API Gateway's @connections API behave the same.

moto's @connections API has no client that is gone or fails, so a server on this machine replaces API Gateway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, NoCredentialsError
from urllib3.exceptions import HTTPError

from baton.adapters.websocket import ApiGatewayWebSockets
from baton.domain.errors import ConnectionFailing, ConnectionGone
from baton.runtime import wiring
from baton.usecases.live.ports import WebSockets
from local.network import LOOPBACK, free_port
from tests.fakes.clients import FakeWebSockets
from tests.support.aws import REGION, Account
from tests.support.callback_server import DROPPED, CallbackServer, callback_server
from tests.support.environments import in_function

KEY = Credentials("AKIDEXAMPLE", "secret", "token")


@pytest.fixture
def server() -> Iterator[CallbackServer]:
    with callback_server() as made:
        yield made


@pytest.fixture
def web_sockets(server: CallbackServer) -> ApiGatewayWebSockets:
    return ApiGatewayWebSockets(server.url, KEY, REGION, 2.0)


@pytest.fixture(params=["fake", "api gateway"])
def either(request: pytest.FixtureRequest) -> WebSockets:
    """``ann`` is connected, then ``bob`` is gone, then ``cho`` fails, then ``ann`` is still connected."""
    if request.param == "fake":
        fake = FakeWebSockets()
        fake.gone.add("bob")
        fake.failing["cho"] = 1
        return fake
    request.getfixturevalue("server").replies += [200, 410, 429]
    made: WebSockets = request.getfixturevalue("web_sockets")
    return made


def test_a_gone_and_a_failing_client_are_named_and_others_still_receive(either: WebSockets) -> None:
    either.send("ann", b"one")
    with pytest.raises(ConnectionGone, match="bob"):
        either.send("bob", b"two")
    with pytest.raises(ConnectionFailing, match="cho"):
        either.send("cho", b"three")
    either.send("ann", b"four")


def test_a_closed_connection_is_not_closed_again(web_sockets: ApiGatewayWebSockets, server: CallbackServer) -> None:
    server.replies += [204, 410]
    web_sockets.close("ann")
    web_sockets.close("ann")
    assert [(call.method, call.path, call.body) for call in server.received] == [
        ("DELETE", "/live/@connections/ann", b"")
    ] * 2


@pytest.mark.parametrize("call", [lambda to: to.send("L0S/M9cO=", b"one"), lambda to: to.close("L0S/M9cO=")])
def test_calls_are_those_of_botocores_client(
    web_sockets: ApiGatewayWebSockets, server: CallbackServer, call: Callable[[WebSockets], None]
) -> None:
    """Path, body and headers, with the signature of the same time."""
    call(web_sockets)
    client = boto3.Session(KEY.access_key, KEY.secret_key, KEY.token, REGION).client(
        "apigatewaymanagementapi", endpoint_url=server.url
    )
    if server.received[0].method == "POST":
        client.post_to_connection(ConnectionId="L0S/M9cO=", Data=b"one")
    else:
        client.delete_connection(ConnectionId="L0S/M9cO=")
    ours, theirs = server.received
    assert (ours.method, ours.path, ours.body) == (theirs.method, theirs.path, theirs.body)
    assert ours.headers["X-Amz-Security-Token"] == theirs.headers["X-Amz-Security-Token"] == "token"
    for sent in (ours, theirs):
        assert sent.headers["Authorization"] == signature(server, sent)


def signature(server: CallbackServer, sent: Any) -> str:
    """botocore's signature of the request, for the time that the request states."""
    request = AWSRequest(sent.method, server.url.removesuffix("/live") + sent.path, data=sent.body)
    request.context["timestamp"] = sent.headers["X-Amz-Date"]
    request.headers["X-Amz-Date"] = sent.headers["X-Amz-Date"]
    request.headers["X-Amz-Security-Token"] = "token"
    auth = SigV4Auth(KEY, "execute-api", REGION)
    canonical = auth.canonical_request(request)
    scope = auth.signature(auth.string_to_sign(request, canonical), request)
    return (
        f"AWS4-HMAC-SHA256 Credential={auth.scope(request)}, "
        f"SignedHeaders=host;x-amz-date;x-amz-security-token, Signature={scope}"
    )


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 599])
def test_a_frame_that_api_gateway_does_not_accept_now_fails_for_its_client(
    web_sockets: ApiGatewayWebSockets, server: CallbackServer, status: int
) -> None:
    server.replies += [status, status]
    with pytest.raises(ConnectionFailing, match="ann"):
        web_sockets.send("ann", b"one")
    assert len(server.received) == 1
    with pytest.raises(ConnectionFailing, match="ann"):
        web_sockets.close("ann")


def test_a_response_that_does_not_come_in_time_fails_for_its_client(
    server: CallbackServer,
) -> None:
    server.delay = 0.5
    with pytest.raises(ConnectionFailing, match="ann"):
        ApiGatewayWebSockets(server.url, KEY, REGION, 0.1).send("ann", b"one")
    assert len(server.received) == 1


def test_a_lost_connection_fails_for_its_client_and_the_next_call_uses_a_new_one(
    web_sockets: ApiGatewayWebSockets, server: CallbackServer
) -> None:
    server.replies += [200, DROPPED, 200]
    web_sockets.send("ann", b"one")
    with pytest.raises(ConnectionFailing, match="ann"):
        web_sockets.send("ann", b"two")
    web_sockets.send("ann", b"two")
    assert [call.body for call in server.received] == [b"one", b"two", b"two"]


def test_one_tcp_connection_serves_many_calls(web_sockets: ApiGatewayWebSockets, server: CallbackServer) -> None:
    for _ in range(5):
        web_sockets.send("ann", b"one")
    assert len({call.port for call in server.received}) == 1


@pytest.mark.parametrize(
    ("status", "code"), [(400, "BadRequestException"), (403, "ForbiddenException"), (413, "PayloadTooLargeException")]
)
def test_any_other_error_concerns_all_clients_and_has_its_code(
    web_sockets: ApiGatewayWebSockets, server: CallbackServer, status: int, code: str
) -> None:
    server.replies += [(status, f"{code}:http://internal"), status]
    with pytest.raises(ClientError, match=code) as raised:
        web_sockets.send("ann", b"one")
    assert raised.value.response["Error"]["Code"] == code
    assert raised.value.operation_name == "PostToConnection"
    with pytest.raises(ClientError, match=str(status)) as raised:
        web_sockets.close("ann")
    assert raised.value.operation_name == "DeleteConnection"


def test_an_unreachable_api_concerns_all_clients() -> None:
    for host in (f"{LOOPBACK}:{free_port()}", "no-such-host.invalid"):
        with pytest.raises(HTTPError):
            ApiGatewayWebSockets(f"http://{host}/live", KEY, REGION, 2.0).send("ann", b"one")


def test_missing_credentials_concern_all_clients(server: CallbackServer) -> None:
    with pytest.raises(NoCredentialsError):
        ApiGatewayWebSockets(server.url, None, REGION, 2.0).send("ann", b"one")
    assert server.received == []


def test_only_a_connection_that_cannot_be_opened_is_tried_again(web_sockets: ApiGatewayWebSockets) -> None:
    """Once, on the next address of the host. The callers retry a post; a redirect would send it elsewhere."""
    pool = web_sockets._pool  # noqa: SLF001 - no other place shows it
    retries = pool.retries
    assert isinstance(retries, urllib3.Retry)
    assert (retries.connect, retries.read, retries.redirect) == (1, False, 0)
    assert (retries.status, retries.other) == (False, False)
    assert pool.pool is not None
    assert pool.pool.maxsize == 32


def test_certificates_are_verified_with_those_that_boto3_trusts() -> None:
    pool = ApiGatewayWebSockets("https://websocket.example/live", KEY, REGION, 2.0)._pool  # noqa: SLF001 - no other place shows it
    assert isinstance(pool, urllib3.HTTPSConnectionPool)
    assert pool.ca_certs
    assert pool.cert_reqs in (None, "CERT_REQUIRED")


def test_api_gateway_has_a_second_to_connect_and_two_to_respond(aws: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator has ten."""
    timeout = in_function("notify_subscribers", wiring.web_sockets)._pool.timeout  # type: ignore[attr-defined] # noqa: SLF001 - no other place shows it
    assert (timeout.connect_timeout, timeout.read_timeout) == (1, 2)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost")
    aws.restart_functions()
    timeout = in_function("notify_subscribers", wiring.web_sockets)._pool.timeout  # type: ignore[attr-defined] # noqa: SLF001 - as above
    assert (timeout.connect_timeout, timeout.read_timeout) == (1, 10)
