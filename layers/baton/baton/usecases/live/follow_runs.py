"""What a WebSocket client can do: connect, choose the runs to follow, leave."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from baton.domain.live import messages as events
from baton.domain.times import Lease, expiry
from baton.usecases.live.ports import Connections, Sender
from baton.usecases.runs.ports import RunHistories

CONNECTION_LIFE = timedelta(hours=3)
"""API Gateway closes a WebSocket after two hours; what is stored of it ends a little later by itself."""

HISTORY_LEASE = timedelta(minutes=1)
"""For how long one frame may send a run's history before a later one may do it in its place: longer than a function
runs, so that a history is sent once, and one whose function crashed can be asked for again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowRuns:
    """What following needs."""

    connections: Connections
    runs: RunHistories
    sender: Sender

    def connect(self, tenant: str, connection_id: str, run_id: int | None, now: datetime) -> None:
        """Hear all runs of the tenant from now on, or only the one that is named."""
        self.connections.connect(tenant, connection_id, run_id, int(now.timestamp()), expiry(now, CONNECTION_LIFE))

    def subscribe(self, tenant: str, connection_id: str, run_id: int, now: datetime) -> None:
        """Hear this run, beginning with all that has happened in it so far.

        The subscription is stored before the run is read, so a fact is in the one or the other, or in both. The history
        is sent once a subscription: a repeated subscribe sends nothing, unless the history could not be sent before.

        :raises NotFound: if there is no such run.
        :raises Invalid: if the connection follows as many runs as it may.
        :raises ConnectionGone: if the client leaves meanwhile.
        """
        self.runs.read(tenant, run_id)
        expires_at = expiry(now, CONNECTION_LIFE)
        lease = Lease(taken_at=int(now.timestamp()), ends_at=expiry(now, HISTORY_LEASE))
        if self.connections.subscribe(tenant, connection_id, run_id, lease, expires_at):
            self._send_history(tenant, connection_id, run_id, lease, expires_at)

    def _send_history(self, tenant: str, connection_id: str, run_id: int, lease: Lease, expires_at: int) -> None:
        sent = False
        try:
            for message in events.of_history(self.runs.read_history(tenant, run_id)):
                self.sender.send(connection_id, message.encode())
            sent = True
        finally:
            self.connections.end_lease(tenant, connection_id, run_id, lease, expires_at if sent else None)

    def unsubscribe(self, tenant: str, connection_id: str, run_id: int) -> None:
        """Hear no more of this run; with the last one gone, hear nothing."""
        self.connections.unsubscribe(tenant, connection_id, run_id)

    def disconnect(self, tenant: str, connection_id: str) -> None:
        """Forget the client."""
        self.connections.disconnect(tenant, connection_id)
