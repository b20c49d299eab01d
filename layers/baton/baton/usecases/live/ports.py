"""Ports of live messages. Each Protocol has one adapter and one fake, checked by the same tests."""

from __future__ import annotations

from typing import Protocol

from baton.domain.times import Lease


class Connections(Protocol):
    """Connections and their subscriptions. A connection follows all its tenant's runs until it subscribes to some."""

    def connect(self, tenant: str, connection_id: str, run_id: int | None, now: int, expires_at: int) -> None:
        """Store a new connection that follows all runs, or only ``run_id``; times are in epoch seconds."""

    def subscribe(self, tenant: str, connection_id: str, run_id: int, lease: Lease, expires_at: int) -> bool:
        """Follow this run, and no longer all runs.

        ``True`` means that the caller holds the lease and must send the run's history: it has not been sent for this
        subscription, and no other caller is sending it.

        :raises Invalid: if the connection already follows the maximum number of runs.
        """

    def end_lease(
        self, tenant: str, connection_id: str, run_id: int, lease: Lease, not_again_before: int | None
    ) -> None:
        """The history was sent and is not due again before this time (epoch seconds); ``None``: it was not sent.

        Changes nothing if the connection has unsubscribed meanwhile or another caller holds the lease.
        """

    def unsubscribe(self, tenant: str, connection_id: str, run_id: int) -> None:
        """Unsubscribe from this run; a run that was not followed is not an error."""

    def disconnect(self, tenant: str, connection_id: str) -> None:
        """Delete the connection and its subscriptions."""

    def disconnect_if_connected_before(self, tenant: str, connection_id: str, connected_before: int) -> None:
        """Disconnect, unless the connection was stored at or after this time (epoch seconds)."""

    def followers(self, tenant: str, run_id: int | None) -> frozenset[str]:
        """The connection ids of the clients that follow this run by its id; ``None``: of those that follow all runs."""

    def has_subscribers(self, tenant: str, run_id: int) -> bool:
        """Whether a client follows this run or all runs; eventually consistent."""


class Sender(Protocol):
    """Sends frames to connected clients."""

    def send(self, connection_id: str, frame: bytes) -> None:
        """:raises ConnectionGone: if the client has disconnected; as :class:`ConnectionDropped`, by this call."""


class WebSockets(Protocol):
    """Connected clients. Errors other than the named ones concern all clients."""

    def send(self, connection_id: str, frame: bytes) -> None:
        """Send a frame to one client.

        :raises ConnectionGone: if the client has disconnected.
        :raises ConnectionFailing: if the frame is not accepted for this client; a retry may succeed.
        """

    def close(self, connection_id: str) -> None:
        """Close the client's connection; a closed one is not an error.

        :raises ConnectionFailing: if the call fails or times out.
        """
