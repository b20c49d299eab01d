"""Sends frames to connected WebSocket clients, and closes their connections.

The calls are those of API Gateway's @connections API:
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
They are signed as botocore's client signs them, and sent without that client, which needs more than twice the processor
time for each call.
"""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError, NoCredentialsError
from botocore.httpsession import get_cert_path
from botocore.model import Shape
from botocore.parsers import RestJSONParser
from urllib3 import Retry, Timeout, connection_from_url
from urllib3.exceptions import ProtocolError, ReadTimeoutError

from baton.domain.errors import ConnectionFailing, ConnectionGone

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from urllib3 import BaseHTTPResponse

CONNECT_TIMEOUT_SECONDS = 1.0

MAX_POOLED_CONNECTIONS = 32
"""As many as there are senders, so that each post finds an open connection."""

ERROR = Shape("error", {"type": "structure"})

OPERATIONS = {"POST": "PostToConnection", "DELETE": "DeleteConnection"}
"""Their names in logs."""


class ApiGatewayWebSockets:
    """The connected clients of the WebSocket API with this callback URL. Safe for use by several threads.

    ``timeout_seconds`` is the time to respond in.
    """

    def __init__(self, url: str, credentials: Credentials | None, region: str, timeout_seconds: float) -> None:
        parts = urlsplit(url)
        self._origin, self._path = f"{parts.scheme}://{parts.netloc}", parts.path
        self._credentials = credentials
        self._region = region
        tls = {"ca_certs": get_cert_path(verify=True)} if parts.scheme == "https" else {}
        self._pool = connection_from_url(
            url,
            maxsize=MAX_POOLED_CONNECTIONS,
            timeout=Timeout(connect=CONNECT_TIMEOUT_SECONDS, read=timeout_seconds),
            retries=Retry(connect=1, read=False, redirect=False, status=False, other=False),
            **tls,
        )

    def send(self, connection_id: str, frame: bytes) -> None:
        """Send a frame to one client.

        :raises ConnectionGone: if the client has disconnected.
        :raises ConnectionFailing: if the frame is not accepted for this client; a retry may succeed.
        """
        self._call("POST", connection_id, frame)

    def close(self, connection_id: str) -> None:
        """Close the client's connection; a closed one is not an error.

        :raises ConnectionFailing: if the call fails or times out.
        """
        with suppress(ConnectionGone):
            self._call("DELETE", connection_id)

    def _call(self, method: str, connection_id: str, body: bytes | None = None) -> None:
        path = f"{self._path}/@connections/{quote(connection_id, safe='')}"
        try:
            response = self._pool.urlopen(method, path, body=body, headers=self._signed_headers(method, path, body))
        except (ProtocolError, ReadTimeoutError) as error:
            raise ConnectionFailing(connection_id) from error
        _require_success(response, method, connection_id)

    def _signed_headers(self, method: str, path: str, body: bytes | None) -> dict[str, str]:
        if self._credentials is None:
            raise NoCredentialsError
        request = AWSRequest(method, self._origin + path, data=body)
        SigV4Auth(self._credentials.get_frozen_credentials(), "execute-api", self._region).add_auth(request)
        return dict(request.headers.items())


def _require_success(response: BaseHTTPResponse, method: str, connection_id: str) -> None:
    """429 is LimitExceededException: the client receives too many messages a second, or its buffer is full.

    https://docs.aws.amazon.com/botocore/latest/reference/services/apigatewaymanagementapi/client/exceptions/LimitExceededException.html
    """
    if response.status < HTTPStatus.BAD_REQUEST:
        return
    if response.status == HTTPStatus.GONE:
        raise ConnectionGone(connection_id)
    error = _client_error(response, method)
    if response.status == HTTPStatus.TOO_MANY_REQUESTS or response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise ConnectionFailing(connection_id) from error
    raise error


def _client_error(response: BaseHTTPResponse, method: str) -> ClientError:
    """As botocore's client raises it."""
    parts = {"status_code": response.status, "headers": response.headers, "body": response.data}
    return ClientError(RestJSONParser().parse(parts, ERROR), OPERATIONS[method])
