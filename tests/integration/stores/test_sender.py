"""Sender: the fake and API Gateway's @connections API behave the same.

moto has no disconnected clients, so botocore's own stub replaces API Gateway.
"""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from baton.adapters.websocket import WebSocketSender
from baton.domain.errors import ConnectionGone
from baton.usecases.live.ports import Sender
from tests.fakes.clients import FakeSender


@pytest.fixture(params=["fake", "api gateway"])
def sender(request: pytest.FixtureRequest) -> Iterator[Sender]:
    """A sender with which ``ann`` is connected at first, then ``bob`` is gone, then ``ann`` is connected again."""
    if request.param == "fake":
        fake = FakeSender()
        fake.gone.add("bob")
        yield fake
        assert [client for client, _ in fake.sent] == ["ann", "ann"]
        return
    request.getfixturevalue("aws")
    client = boto3.client("apigatewaymanagementapi", endpoint_url="https://websocket.example/live")
    with Stubber(client) as stub:
        stub.add_response("post_to_connection", {}, {"ConnectionId": "ann", "Data": b"one"})
        stub.add_client_error("post_to_connection", "GoneException", http_status_code=410)
        stub.add_response("post_to_connection", {}, {"ConnectionId": "ann", "Data": b"three"})
        yield WebSocketSender(client)
        stub.assert_no_pending_responses()


def test_a_gone_client_is_named_and_other_clients_still_receive(sender: Sender) -> None:
    sender.send("ann", b"one")
    with pytest.raises(ConnectionGone, match="bob"):
        sender.send("bob", b"two")
    sender.send("ann", b"three")


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("code", ["LimitExceededException", "PayloadTooLargeException", "ForbiddenException"])
def test_another_error_is_not_a_gone_client(code: str) -> None:
    client = boto3.client("apigatewaymanagementapi", endpoint_url="https://websocket.example/live")
    with Stubber(client) as stub:
        stub.add_client_error("post_to_connection", code)
        with pytest.raises(ClientError, match=code):
            WebSocketSender(client).send("ann", b"one")
