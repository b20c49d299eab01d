"""Handle one frame of a WebSocket client: ping, subscribe or unsubscribe."""

from __future__ import annotations

from dataclasses import dataclass

from baton.domain.errors import ConnectionDropped, ConnectionGone, Invalid, NotFound
from baton.domain.live.frames import PONG, error_frame, parse_frame
from baton.domain.metrics import connections_lost
from baton.domain.times import timestamp
from baton.usecases.clock import Clock
from baton.usecases.live.follow_runs import FollowRuns
from baton.usecases.live.ports import Sender
from baton.usecases.metrics import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class HandleFrame:
    """Dependencies of frame handling. Every response is sent over the connection, and no frame closes it."""

    follow_runs: FollowRuns
    sender: Sender
    metrics: Metrics
    clock: Clock

    def __call__(self, tenant: str, connection_id: str, text: str, request_id: str) -> None:
        """Handle a frame's text; an invalid frame is answered with an error frame whose id is ``request_id``."""
        try:
            self._dispatch_or_report(tenant, connection_id, text, request_id)
        except ConnectionGone as error:
            dropped = isinstance(error, ConnectionDropped)
            self.metrics.add(connections_lost(gone=not dropped, dropped=dropped))
            self.follow_runs.disconnect(tenant, connection_id)

    def _dispatch_or_report(self, tenant: str, connection_id: str, text: str, request_id: str) -> None:
        try:
            self._dispatch(tenant, connection_id, text)
        except (Invalid, NotFound) as error:
            self.sender.send(connection_id, error_frame(request_id, timestamp(self.clock()), str(error)))

    def _dispatch(self, tenant: str, connection_id: str, text: str) -> None:
        frame = parse_frame(text)
        match frame.action:
            case "ping":
                self.sender.send(connection_id, PONG)
            case "subscribe":
                self.follow_runs.subscribe(tenant, connection_id, frame.run_id, self.clock())
            case "unsubscribe":
                self.follow_runs.unsubscribe(tenant, connection_id, frame.run_id)
