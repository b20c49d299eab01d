"""Tell every subscriber what has changed in the runs they follow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

from baton.domain.errors import ConnectionGone
from baton.domain.live.messages import Change, Message, messages_of
from baton.usecases.clock import Clock
from baton.usecases.live.ports import Connections, Sender

SENDERS_AT_ONCE = 8
TIME_TO_CONNECT = timedelta(seconds=10)
"""A connection is stored a moment before it is open, and until then API Gateway says that it is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendFailure:
    """A message that could not be sent, for a reason that may pass."""

    index: int
    error: Exception


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifySubscribers:
    """What notifying needs."""

    connections: Connections
    sender: Sender
    clock: Clock

    def __call__(self, changes: Sequence[Change]) -> SendFailure | None:
        """Send the changes' messages, to each client in their order.

        The first failure is returned, so that the batch can be delivered again from there; clients drop what they
        get twice by its id. A client that has left is forgotten, and is no failure.
        """
        mail = self._mail(changes)
        if not mail:
            return None
        with ThreadPoolExecutor(max_workers=min(SENDERS_AT_ONCE, len(mail))) as pool:
            outcomes = pool.map(lambda item: self._deliver(*item), mail.items())
        return min((failure for failure in outcomes if failure), key=lambda failure: failure.index, default=None)

    def _mail(self, changes: Iterable[Change]) -> dict[tuple[str, str], list[tuple[int, Message]]]:
        """Each client's messages, in order.

        Subscribers are read once a run: who subscribes after that reads the run itself, where these changes are in.
        """
        mail: dict[tuple[str, str], list[tuple[int, Message]]] = defaultdict(list)
        subscribers = cache(self.connections.subscribers)
        for change in changes:
            for message in messages_of(change):
                for connection_id in subscribers(message.tenant, message.run_id):
                    mail[message.tenant, connection_id].append((change.index, message))
        return mail

    def _settled(self) -> int:
        return int((self.clock() - TIME_TO_CONNECT).timestamp())

    def _deliver(self, client: tuple[str, str], mail: Sequence[tuple[int, Message]]) -> SendFailure | None:
        tenant, connection_id = client
        for index, message in mail:
            try:
                self.sender.send(connection_id, message.encode())
            except ConnectionGone:
                self.connections.forget(tenant, connection_id, self._settled())
                return None
            except Exception as error:  # noqa: BLE001 - one client's trouble must not keep the others waiting
                return SendFailure(index=index, error=error)
        return None
