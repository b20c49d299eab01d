"""Follow runs: a WebSocket client connects, subscribes to runs, unsubscribes and disconnects."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from baton.domain.live.messages import messages_of_history
from baton.domain.times import Lease, expiry
from baton.usecases.live.ports import Connections, Sender
from baton.usecases.runs.ports import RunHistories

CONNECTION_LIFE = timedelta(hours=3)
"""API Gateway closes a WebSocket after two hours; its stored items expire a little later."""

HISTORY_LEASE = timedelta(minutes=1)
"""How long one frame has the exclusive right to send a run's history. Longer than the function's timeout, so that a
history is sent once; after a crash, a later subscribe sends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowRuns:
    """Dependencies of following."""

    connections: Connections
    runs: RunHistories
    sender: Sender

    def connect(self, tenant: str, connection_id: str, run_id: int | None, now: datetime) -> None:
        """Subscribe a new connection to all runs of the tenant, or only to ``run_id``."""
        self.connections.connect(tenant, connection_id, run_id, int(now.timestamp()), expiry(now, CONNECTION_LIFE))

    def subscribe(self, tenant: str, connection_id: str, run_id: int, now: datetime) -> None:
        """Subscribe to this run and send its history: all its messages so far.

        The subscription is stored before the run is read, so every message arrives through the stream, in the history
        or in both. A repeated subscribe sends the history again only if sending it failed before.

        :raises NotFound: if the tenant has no such run.
        :raises Invalid: if the connection already follows the maximum number of runs.
        :raises ConnectionGone: if the client disconnects meanwhile.
        """
        self.runs.read(tenant, run_id)
        expires_at = expiry(now, CONNECTION_LIFE)
        lease = Lease(taken_at=int(now.timestamp()), ends_at=expiry(now, HISTORY_LEASE))
        if self.connections.subscribe(tenant, connection_id, run_id, lease, expires_at):
            self._send_history(tenant, connection_id, run_id, lease, expires_at)

    def _send_history(self, tenant: str, connection_id: str, run_id: int, lease: Lease, expires_at: int) -> None:
        sent = False
        try:
            for message in messages_of_history(self.runs.read_history(tenant, run_id)):
                self.sender.send(connection_id, message.encode())
            sent = True
        finally:
            self.connections.end_lease(tenant, connection_id, run_id, lease, expires_at if sent else None)

    def unsubscribe(self, tenant: str, connection_id: str, run_id: int) -> None:
        """Unsubscribe from this run; after the last unsubscribe, no messages are sent."""
        self.connections.unsubscribe(tenant, connection_id, run_id)

    def disconnect(self, tenant: str, connection_id: str) -> None:
        """Delete the connection and its subscriptions."""
        self.connections.disconnect(tenant, connection_id)
