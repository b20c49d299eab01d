"""Sends frames to connected WebSocket clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from baton.domain.errors import ConnectionGone

if TYPE_CHECKING:
    from mypy_boto3_apigatewaymanagementapi import ApiGatewayManagementApiClient


class WebSocketSender:
    """Uses API Gateway's @connections API."""

    def __init__(self, client: ApiGatewayManagementApiClient) -> None:
        self._client = client

    def send(self, connection_id: str, frame: bytes) -> None:
        """:raises ConnectionGone: if the client has disconnected."""
        try:
            self._client.post_to_connection(ConnectionId=connection_id, Data=frame)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("GoneException", "410"):
                raise ConnectionGone(connection_id) from error
            raise
