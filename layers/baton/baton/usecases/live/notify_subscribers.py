"""Notify subscribers: send the messages of each change to the clients that follow the run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

from baton.domain.live.messages import Change, messages_of_change
from baton.usecases.clock import Clock
from baton.usecases.live.fan_out import FanOut, Frame, Queue
from baton.usecases.live.ports import Connections, Sender

MAX_SENDERS = 32
"""A post takes API Gateway about 10 ms: 10 senders send 1,000 a second. More of them make up for slow clients."""

RESERVED_SECONDS = 60.0
"""Of the function's time, for what was begun before the deadline: a send with its retry, a disconnect, a deletion."""

CONNECTING_TIME = timedelta(seconds=10)
"""A connection is stored shortly before it is open; until then API Gateway responds that it is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsent:
    """The first change that was not sent to every client, by its place in the batch; no error: the time was up."""

    index: int
    error: Exception | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifySubscribers:
    """Dependencies of notifying; ``monotonic`` is in seconds."""

    connections: Connections
    sender: Sender
    clock: Clock
    monotonic: Callable[[], float]
    senders: int = MAX_SENDERS

    def __call__(self, changes: Sequence[Change], seconds: float) -> Unsent | None:
        """Send the changes' messages, in order for each client, in at most ``seconds``.

        What is unsent is to be delivered again from there; clients deduplicate by ``id``. A client that has
        disconnected is deleted, and is not a failure.
        """
        deadline = self.monotonic() + seconds - RESERVED_SECONDS
        queues = self._queues(changes)
        if not queues:
            return None
        errors = FanOut(self.sender, self._delete, self.monotonic, deadline).send_all(queues, self.senders)
        unsent = min((queue.pending.index for queue in queues if queue.pending), default=None)
        return None if unsent is None else Unsent(index=unsent, error=next(iter(errors), None))

    def _queues(self, changes: Iterable[Change]) -> list[Queue]:
        """Each client's frames, in order.

        Each topic is read once: a client that subscribes later reads the run itself with these changes. The followers
        of all runs are read first: a client that changes from all runs to one meanwhile is found among the run's own.
        """
        frames: dict[tuple[str, str], list[Frame]] = defaultdict(list)
        followers = cache(self.connections.followers)
        for change in changes:
            for message in messages_of_change(change):
                frame = Frame(change.index, message.encode())
                for connection_id in followers(message.tenant, None) | followers(message.tenant, message.run_id):
                    frames[message.tenant, connection_id].append(frame)
        return [Queue(tenant, connection_id, pending) for (tenant, connection_id), pending in frames.items()]

    def _delete(self, client: Queue) -> None:
        """Unless it is so new that it may not be open yet."""
        oldest_connecting = int((self.clock() - CONNECTING_TIME).timestamp())
        self.connections.disconnect_if_connected_before(client.tenant, client.connection_id, oldest_connecting)
