"""WebSocket clients in memory: their subscriptions and the frames they received."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from baton.domain.errors import ConnectionFailing, ConnectionGone, Invalid
from baton.domain.times import Lease

MAX_RUNS_FOLLOWED = 100


class FakeConnections:
    """A Connections. ``lookups`` counts how often each topic was read; ``None`` is that of all runs."""

    def __init__(self) -> None:
        self.lookups: Counter[tuple[str, int | None]] = Counter()
        self._all: set[tuple[str, str]] = set()
        self._connected: dict[tuple[str, str], int] = {}
        self._runs: dict[tuple[str, str], set[int]] = {}
        self._history_until: dict[tuple[str, str, int], int] = {}

    def connect(self, tenant: str, connection_id: str, run_id: int | None, now: int, expires_at: int) -> None:  # noqa: ARG002
        self._connected[tenant, connection_id] = now
        if run_id is None:
            self._all.add((tenant, connection_id))
        else:
            self._runs[tenant, connection_id] = {run_id}

    def subscribe(self, tenant: str, connection_id: str, run_id: int, lease: Lease, expires_at: int) -> bool:  # noqa: ARG002
        followed = self._runs.setdefault((tenant, connection_id), set())
        if len(followed) >= MAX_RUNS_FOLLOWED and run_id not in followed:
            raise Invalid("runId", f"this connection follows {MAX_RUNS_FOLLOWED} runs already; unsubscribe from one.")
        followed.add(run_id)
        self._all.discard((tenant, connection_id))
        if self._history_until.get((tenant, connection_id, run_id), 0) >= lease.taken_at:
            return False
        self._history_until[tenant, connection_id, run_id] = lease.ends_at
        return True

    def end_lease(
        self, tenant: str, connection_id: str, run_id: int, lease: Lease, not_again_before: int | None
    ) -> None:
        if self._history_until.get((tenant, connection_id, run_id)) == lease.ends_at:
            self._history_until[tenant, connection_id, run_id] = not_again_before or 0

    def unsubscribe(self, tenant: str, connection_id: str, run_id: int) -> None:
        self._runs.get((tenant, connection_id), set()).discard(run_id)
        self._history_until.pop((tenant, connection_id, run_id), None)

    def disconnect(self, tenant: str, connection_id: str) -> None:
        self._all.discard((tenant, connection_id))
        for run_id in self._runs.pop((tenant, connection_id), set()):
            self._history_until.pop((tenant, connection_id, run_id), None)

    def disconnect_if_connected_before(self, tenant: str, connection_id: str, connected_before: int) -> None:
        if self._connected.get((tenant, connection_id), 0) < connected_before:
            self.disconnect(tenant, connection_id)

    def followers(self, tenant: str, run_id: int | None) -> frozenset[str]:
        self.lookups[tenant, run_id] += 1
        if run_id is None:
            return frozenset(client for owner, client in self._all if owner == tenant)
        return frozenset(client for (owner, client), runs in self._runs.items() if owner == tenant and run_id in runs)

    def has_subscribers(self, tenant: str, run_id: int) -> bool:
        return bool(self.followers(tenant, run_id) or self.followers(tenant, None))


class FakeWebSockets:
    """A WebSockets. ``gone``: disconnected clients; ``failing``: how many frames of a client are not accepted next;
    ``broken``: how many frames a client receives before an error that concerns all clients; ``closed``: in order."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []
        self.gone: set[str] = set()
        self.failing: Counter[str] = Counter()
        self.broken: dict[str, int] = {}
        self.closed: list[str] = []

    def send(self, connection_id: str, frame: bytes) -> None:
        if connection_id in self.gone:
            raise ConnectionGone(connection_id)
        if self.failing[connection_id]:
            self.failing[connection_id] -= 1
            raise ConnectionFailing(connection_id)
        if connection_id in self.broken:
            if self.broken[connection_id] == 0:
                raise OSError(f"{connection_id} can't be reached")
            self.broken[connection_id] -= 1
        self.sent.append((connection_id, frame))

    def close(self, connection_id: str) -> None:
        if self.failing[connection_id]:
            raise ConnectionFailing(connection_id)
        self.closed.append(connection_id)
        self.gone.add(connection_id)

    def messages(self, connection_id: str) -> list[dict[str, Any]]:
        """What one client has received, in order."""
        return [json.loads(frame) for client, frame in self.sent if client == connection_id]

    def message_ids(self, connection_id: str) -> list[str]:
        """The ids of what one client has received, in order."""
        return [str(message["id"]) for message in self.messages(connection_id)]
