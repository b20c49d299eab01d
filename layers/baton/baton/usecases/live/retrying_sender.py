"""Send a frame, with retries; then disconnect a client that does not accept it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from baton.domain.errors import ConnectionDropped, ConnectionFailing
from baton.usecases.live.ports import WebSockets

BRIEF = (0.2,)
"""The pause before the only retry, where other clients wait; in seconds."""

PATIENT = (0.2, 0.5, 1.0, 2.0)
"""For what only this client receives, such as a long history, which is sent faster than a slow client reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryingSender:
    """A Sender. A client that misses a message must know it: it is disconnected, connects again and reads the run.

    A close does not depend on the client. If it fails too, the failure concerns all clients, and is raised.
    """

    web_sockets: WebSockets
    sleep: Callable[[float], None]
    pauses: Sequence[float] = BRIEF

    def send(self, connection_id: str, frame: bytes) -> None:
        """
        :raises ConnectionGone: if the client has disconnected.
        :raises ConnectionDropped: if it has been disconnected here.
        """
        for pause in self.pauses:
            try:
                self.web_sockets.send(connection_id, frame)
            except ConnectionFailing:
                self.sleep(pause)
            else:
                return
        self._send_or_disconnect(connection_id, frame)

    def _send_or_disconnect(self, connection_id: str, frame: bytes) -> None:
        try:
            self.web_sockets.send(connection_id, frame)
        except ConnectionFailing as error:
            self.web_sockets.close(connection_id)
            raise ConnectionDropped(connection_id) from error
