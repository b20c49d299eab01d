"""WebSocket clients. Each Protocol has one adapter and one fake, held to the same tests."""

from __future__ import annotations

from typing import Protocol

from baton.domain.times import Lease


class Connections(Protocol):
    """Who listens to what. A connection hears all its tenant's runs until it names some."""

    def connect(self, tenant: str, connection_id: str, run_id: int | None, now: int, expires_at: int) -> None:
        """Remember a new connection; times are in epoch seconds."""

    def subscribe(self, tenant: str, connection_id: str, run_id: int, lease: Lease, expires_at: int) -> bool:
        """From now on this run, and no longer all.

        ``True`` says that the caller holds the lease, and has to send the run's history: nobody has sent it since the
        connection began to follow the run, and nobody is sending it now.

        :raises Invalid: if the connection follows as many runs as it may.
        """

    def end_lease(
        self, tenant: str, connection_id: str, run_id: int, lease: Lease, not_again_before: int | None
    ) -> None:
        """The history was sent, and is not due again before this moment (epoch seconds); ``None``: it was not sent.

        Changes nothing if the connection has left the run meanwhile, or somebody else holds the lease.
        """

    def unsubscribe(self, tenant: str, connection_id: str, run_id: int) -> None:
        """No longer this run; a run that wasn't followed is no error."""

    def disconnect(self, tenant: str, connection_id: str) -> None:
        """Forget the connection and all it followed."""

    def forget(self, tenant: str, connection_id: str, connected_before: int) -> None:
        """Forget a connection that is gone, unless it was only just made, after this moment (epoch seconds)."""

    def subscribers(self, tenant: str, run_id: int) -> frozenset[str]:
        """Connection ids that hear of this run, each once."""

    def has_subscribers(self, tenant: str, run_id: int) -> bool:
        """Whether anybody hears of this run; who came a moment ago may be missed."""


class Sender(Protocol):
    """The way to a connected client."""

    def send(self, connection_id: str, frame: bytes) -> None:
        """:raises ConnectionGone: if the client has left."""
