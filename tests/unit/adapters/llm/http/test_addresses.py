"""No connection is made to a forbidden address, as observed at sockets on this machine."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from baton.adapters.llm import registry
from baton.adapters.llm.http import transport
from baton.adapters.llm.http.addresses import AddressInfo, ForbiddenHost, connect, resolve_host
from baton.adapters.llm.http.http_transport import HttpTransport
from baton.adapters.llm.http.wire import HttpRequest
from baton.domain.errors import LlmRefused, LlmUnreachable
from baton.domain.llm.calls import LlmCall
from baton.domain.llm.hosts import HostPolicy
from tests.support.llm_calls import complete, send

if TYPE_CHECKING:
    from tests.support.llm_endpoint import Endpoint

pytestmark = [pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.timeout(20)]

PUBLIC_ONLY = HostPolicy()
ANY_HOST = HostPolicy(allow_private=True, allow_loopback=True)
PUBLIC = "93.184.215.14"
Build = Callable[..., LlmCall]


class ListeningSocket:
    """A socket that listens on this machine, and shows whether a client has connected."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self.port: int = listening.getsockname()[1]

    @property
    def has_no_connection(self) -> bool:
        self._listening.settimeout(0.05)
        try:
            self._listening.accept()[0].close()
        except TimeoutError:
            return True
        return False


@pytest.fixture
def listening() -> Iterator[ListeningSocket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield ListeningSocket(listening)


@pytest.fixture(autouse=True)
def _sessions_of_its_own() -> Iterator[None]:
    yield
    transport.session.cache_clear()


def to(url: str) -> HttpRequest:
    return HttpRequest(instance_name="demo", url=url, headers={"Authorization": "Bearer sk-test"}, body=b"{}")


def found(address: str, port: int) -> AddressInfo:
    if ":" in address:
        return (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port, 0, 0))
    return (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))


class Dns:
    """Returns the next of its answers for each look-up; the last one is repeated."""

    def __init__(self, *answers: Sequence[str], port: int | None = None) -> None:
        self.answers = list(answers)
        self.lookups: list[str] = []
        self.port = port

    def __call__(self, host: str, port: int, *_: object, **__: object) -> list[AddressInfo]:
        self.lookups.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [found(address, self.port or port) for address in answer]


class RecordingSocket(socket.socket):
    """Records addresses instead of connecting to them."""

    to: list[Any]

    def connect(self, address: Any) -> None:
        self.to.append(address)


@pytest.fixture
def connected_to(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    RecordingSocket.to = []
    monkeypatch.setattr(socket, "socket", RecordingSocket)
    return RecordingSocket.to


def seconds() -> float:
    return 1.0


# --- refused before a byte is sent -----------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("host", "kind"),
    [
        ("127.0.0.1", "loopback"),
        ("2130706433", "loopback"),
        ("0x7f.1", "loopback"),
        ("0177.0.0.1", "loopback"),
        ("127.1", "loopback"),
        ("127.0.0.1.", "loopback"),
        ("[::1]", "loopback"),
        ("[::ffff:127.0.0.1]", "loopback"),
        ("[::ffff:10.0.0.1]", "private"),
        ("localhost", "loopback"),
        ("LocalHost.", "loopback"),
        ("user:secret@127.0.0.1", "loopback"),
        ("api.example@127.0.0.1", "loopback"),
        ("0.0.0.0", "unspecified"),  # noqa: S104 - nothing is bound
        ("[::]", "unspecified"),
        ("169.254.169.254", "the metadata service's"),
        ("[fd00:ec2::254]", "the metadata service's"),
        ("10.0.0.1", "private"),
    ],
)
def test_a_non_public_address_is_rejected_in_any_notation(
    listening: ListeningSocket, scheme: str, host: str, kind: str
) -> None:
    with pytest.raises(LlmRefused) as caught:
        send(to(f"{scheme}://{host}:{listening.port}/v1?key=secret"), 2, PUBLIC_ONLY)
    shown = str(caught.value)
    assert shown.startswith("LLM instance 'demo' may not call ")
    assert shown.endswith(f": its address is {kind}, which this deployment doesn't call.")
    assert "secret" not in shown
    assert "sk-test" not in shown
    assert listening.has_no_connection


@pytest.mark.parametrize("host", ["127。0。0。1", "①②⑦.0.0.1", "127.0.0.1\\@a.example"])
def test_other_characters_are_rejected(listening: ListeningSocket, host: str) -> None:
    with pytest.raises(LlmRefused):
        send(to(f"https://{host}:{listening.port}/v1"), 2, PUBLIC_ONLY)
    assert listening.has_no_connection


@pytest.mark.parametrize(
    "answer",
    [["10.0.0.1"], ["127.0.0.1"], ["::ffff:10.0.0.1"], ["64:ff9b::a00:1"], [PUBLIC, "127.0.0.1"], ["::1", PUBLIC]],
)
def test_a_name_with_any_non_public_address_is_rejected(
    listening: ListeningSocket, monkeypatch: pytest.MonkeyPatch, answer: list[str], connected_to: list[Any]
) -> None:
    dns = Dns(answer)
    monkeypatch.setattr(socket, "getaddrinfo", dns)
    with pytest.raises(LlmRefused, match=r"may not call inside\.example: its address is") as caught:
        send(to(f"https://inside.example:{listening.port}/v1"), 2, PUBLIC_ONLY)
    assert not any(address in str(caught.value) for address in answer)  # internal addresses are not disclosed
    assert dns.lookups == ["inside.example"]
    assert connected_to == []
    assert listening.has_no_connection


def test_http_is_rejected_before_the_name_is_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    dns = Dns([PUBLIC])
    monkeypatch.setattr(socket, "getaddrinfo", dns)
    with pytest.raises(LlmRefused, match=r"may not call a\.example: this deployment calls https"):
        send(to("http://a.example/v1"), 2, PUBLIC_ONLY)
    assert dns.lookups == []


def test_an_unlisted_host_is_rejected_before_the_name_is_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    dns = Dns([PUBLIC])
    monkeypatch.setattr(socket, "getaddrinfo", dns)
    hosts = HostPolicy(allowed=("api.example", "*.azure.example"))
    with pytest.raises(LlmRefused, match=r"may not call a\.example: it is none of the hosts"):
        send(to("https://a.example/v1"), 2, hosts)
    assert dns.lookups == []


def test_a_redirect_to_a_non_public_address_is_rejected(
    endpoint: Endpoint, listening: ListeningSocket, a_call: Build
) -> None:
    endpoint.script = lambda handler: handler.reply(307, b"", Location=f"http://127.0.0.1:{listening.port}/")
    with pytest.raises(LlmRefused, match=r"status 307.*not followed"):
        complete(a_call(base_url=endpoint.url))
    assert listening.has_no_connection


def test_the_metadata_service_is_rejected_even_if_private_hosts_are_allowed(connected_to: list[Any]) -> None:
    with pytest.raises(LlmRefused, match="the metadata service's"):
        send(to("http://169.254.169.254/latest"), 2)
    with pytest.raises(ForbiddenHost):
        connect(("inside.example", 80), ANY_HOST, seconds, (), Dns(["169.254.169.254"]))
    assert connected_to == []


def test_without_a_transport_only_public_hosts_are_called(endpoint: Endpoint, a_call: Build) -> None:
    assert HttpTransport().host_policy == PUBLIC_ONLY
    call = a_call(base_url=endpoint.url)
    for calling in (registry.complete, registry.check):
        with pytest.raises(LlmRefused, match="its address is loopback"):
            calling(call)
    assert endpoint.connections == 0


def test_a_function_can_be_bound_to_its_host_policy(endpoint: Endpoint, a_call: Build) -> None:
    answer = {"choices": [{"message": {"content": "Sweden."}, "finish_reason": "stop"}]}
    endpoint.script = lambda handler: handler.reply(200, json.dumps(answer).encode())
    bound = partial(registry.complete, transport=HttpTransport(PUBLIC_ONLY))
    for _ in range(2):
        with pytest.raises(LlmRefused, match="may not call"):
            bound(a_call(base_url=endpoint.url))
        assert complete(a_call(base_url=endpoint.url)).content == "Sweden."


# --- what is checked is what is connected to -------------------------------------------------------------------------


def test_a_name_is_resolved_only_once(connected_to: list[Any]) -> None:
    rebinding = Dns([PUBLIC], ["127.0.0.1"])
    target = ("rebinding.example", 443)
    connect(target, PUBLIC_ONLY, seconds, (), rebinding).close()
    assert rebinding.lookups == ["rebinding.example"]
    assert connected_to == [(PUBLIC, 443)]
    with pytest.raises(ForbiddenHost):
        connect(target, PUBLIC_ONLY, seconds, (), rebinding)
    assert connected_to == [(PUBLIC, 443)]


def test_the_connection_uses_the_resolved_address(
    endpoint: Endpoint, listening: ListeningSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = endpoint.server_address[1]
    dns = Dns(["127.0.0.1"], ["127.0.0.9"], port=port)
    monkeypatch.setattr(socket, "getaddrinfo", dns)
    for _ in range(2):
        assert send(to(f"http://model.example:{listening.port}/v1"), 5).status == 200
    assert dns.lookups == ["model.example"]
    assert [headers["Host"] for _, headers, _ in endpoint.requests] == [f"model.example:{listening.port}"] * 2
    assert endpoint.connections == 1
    assert listening.has_no_connection


def test_connections_are_not_shared_between_policies(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", Dns(["127.0.0.1"]))
    url = endpoint.url.replace("127.0.0.1", "model.example")
    send(to(url), 5)
    for hosts in (PUBLIC_ONLY, HostPolicy(allow_private=True, allow_loopback=True, allowed=("other.example",))):
        with pytest.raises(LlmRefused):
            send(to(url), 5, hosts)
    assert len(endpoint.requests) == 1


def test_if_an_address_does_not_respond_the_next_one_is_tried(listening: ListeningSocket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        gone = closed.getsockname()[1]

    def resolve(_host: str, port: int) -> Sequence[AddressInfo]:
        return [found("127.0.0.1", gone), found("127.0.0.1", port)]

    with connect(("model.example", listening.port), ANY_HOST, seconds, [], resolve) as made:
        assert made.getpeername() == ("127.0.0.1", listening.port)


def test_a_name_without_an_address_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [])
    with pytest.raises(LlmUnreachable):
        send(to("http://model.example/v1"), 2)


def test_the_systems_resolver_is_the_default(listening: ListeningSocket) -> None:
    """It reads ``127.1`` as an address, so its result has to be checked and not the text."""
    (only,) = resolve_host("127.1", listening.port)
    assert only[4] == ("127.0.0.1", listening.port)


# --- proxies ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_no_proxy_is_used_if_only_public_hosts_are_allowed(
    listening: ListeningSocket, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, f"http://127.0.0.1:{listening.port}")
    monkeypatch.setattr(socket, "getaddrinfo", dns := Dns(["10.0.0.1"]))
    with pytest.raises(LlmRefused, match="its address is private"):
        send(to("https://inside.example/v1"), 2, PUBLIC_ONLY)
    assert dns.lookups == ["inside.example"]
    assert listening.has_no_connection


def test_the_list_of_hosts_also_applies_behind_a_proxy(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", endpoint.url.removesuffix("/v1"))
    monkeypatch.delenv("NO_PROXY", raising=False)
    policy = HostPolicy(allow_private=True, allow_loopback=True, allowed=("api.example",))
    send(to("http://api.example/v1"), 5, policy)
    with pytest.raises(LlmRefused, match="none of the hosts"):
        send(to("http://other.example/v1"), 5, policy)
    assert [path for path, _, _ in endpoint.requests] == ["http://api.example/v1"]
