"""Notify subscribers: send the messages of each change to the clients that follow the run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

from baton.domain.errors import ConnectionGone
from baton.domain.live.messages import Change, Message, messages_of_change
from baton.usecases.clock import Clock
from baton.usecases.live.ports import Connections, Sender

MAX_CONCURRENT_SENDS = 8
CONNECTING_TIME = timedelta(seconds=10)
"""A connection is stored shortly before it is open; until then API Gateway responds that it is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendFailure:
    """A message that could not be sent; a retry may succeed. ``index`` is its change's place in the batch."""

    index: int
    error: Exception


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifySubscribers:
    """Dependencies of notifying."""

    connections: Connections
    sender: Sender
    clock: Clock

    def __call__(self, changes: Sequence[Change]) -> SendFailure | None:
        """Send the changes' messages, in order for each client.

        The first failure is returned, so that the batch can be delivered again from there; clients deduplicate by
        ``id``. A client that has disconnected is deleted and is not a failure.
        """
        messages = self._messages_by_client(changes)
        if not messages:
            return None
        with ThreadPoolExecutor(max_workers=min(MAX_CONCURRENT_SENDS, len(messages))) as pool:
            outcomes = pool.map(lambda item: self._send(*item), messages.items())
        return min((failure for failure in outcomes if failure), key=lambda failure: failure.index, default=None)

    def _messages_by_client(self, changes: Iterable[Change]) -> dict[tuple[str, str], list[tuple[int, Message]]]:
        """Each client's messages, in order, by tenant and connection id.

        Subscribers are read once per run: a client that subscribes later reads the run itself with these changes.
        """
        messages: dict[tuple[str, str], list[tuple[int, Message]]] = defaultdict(list)
        subscribers = cache(self.connections.subscribers)
        for change in changes:
            for message in messages_of_change(change):
                for connection_id in subscribers(message.tenant, message.run_id):
                    messages[message.tenant, connection_id].append((change.index, message))
        return messages

    def _oldest_pending(self) -> int:
        """A connection stored at this time or later may not be open yet; in epoch seconds."""
        return int((self.clock() - CONNECTING_TIME).timestamp())

    def _send(self, client: tuple[str, str], messages: Sequence[tuple[int, Message]]) -> SendFailure | None:
        tenant, connection_id = client
        for index, message in messages:
            try:
                self.sender.send(connection_id, message.encode())
            except ConnectionGone:
                self.connections.disconnect_if_connected_before(tenant, connection_id, self._oldest_pending())
                return None
            except Exception as error:  # noqa: BLE001 - one client's failure must not delay the others
                return SendFailure(index=index, error=error)
        return None
