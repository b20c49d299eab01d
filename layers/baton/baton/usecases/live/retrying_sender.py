"""Send a frame; after one retry, disconnect a client that does not accept it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from baton.domain.errors import ConnectionFailing, ConnectionGone
from baton.usecases.live.ports import WebSockets

RETRY_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryingSender:
    """A Sender. A client that misses a message must know it: it is disconnected, connects again and reads the run.

    A close does not depend on the client. If it fails too, the failure concerns all clients, and is raised.
    """

    web_sockets: WebSockets
    sleep: Callable[[float], None]

    def send(self, connection_id: str, frame: bytes) -> None:
        """:raises ConnectionGone: if the client has disconnected, or has been disconnected here."""
        try:
            self.web_sockets.send(connection_id, frame)
        except ConnectionFailing:
            self.sleep(RETRY_PAUSE_SECONDS)
            self._send_or_disconnect(connection_id, frame)

    def _send_or_disconnect(self, connection_id: str, frame: bytes) -> None:
        try:
            self.web_sockets.send(connection_id, frame)
        except ConnectionFailing as error:
            self.web_sockets.close(connection_id)
            raise ConnectionGone(connection_id) from error
