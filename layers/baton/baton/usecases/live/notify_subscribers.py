"""Notify subscribers: send the messages of each change to the clients that follow the run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

from baton.domain.errors import ConnectionDropped
from baton.domain.live.messages import Change, Message, messages_of_change, written_ms
from baton.domain.metrics import connections_lost, message_lags, runs_ended
from baton.usecases.clock import Clock
from baton.usecases.live.fan_out import FanOut, Frame, Queue
from baton.usecases.live.ports import Connections, Sender
from baton.usecases.metrics import Metrics

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
class Dropped:
    """A client that was disconnected because it did not accept a message of this change."""

    connection_id: str
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Notified:
    """What was sent of a batch: ``messages`` to all clients together, in how many milliseconds after each write.

    ``unsent`` is to be delivered again, with all changes after it.
    """

    messages: int = 0
    clients: int = 0
    gone: int = 0
    dropped: tuple[Dropped, ...] = ()
    lags_ms: tuple[int, ...] = ()
    unsent: Unsent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifySubscribers:
    """Dependencies of notifying; ``monotonic`` is in seconds."""

    connections: Connections
    sender: Sender
    metrics: Metrics
    clock: Clock
    monotonic: Callable[[], float]
    senders: int = MAX_SENDERS

    def __call__(self, changes: Sequence[Change], seconds: float) -> Notified:
        """Send the changes' messages, in order for each client, in at most ``seconds``.

        What is unsent is to be delivered again from there; clients deduplicate by ``id``. A client that has
        disconnected is deleted, and is not a failure.
        """
        batch = [(change, messages_of_change(change)) for change in changes]
        queues = self._queues(batch)
        deadline = self.monotonic() + seconds - RESERVED_SECONDS
        fan_out = FanOut(self.sender, self._delete, self.clock, self.monotonic, deadline)
        errors = fan_out.send_all(queues, self.senders) if queues else []
        unsent = _unsent(queues, errors)
        done = [entry for entry in batch if unsent is None or entry[0].index < unsent.index]
        notified = _notified(queues, tuple(_lags_ms(done, fan_out.sent_ms)), unsent)
        self.metrics.add(runs_ended(change for change, _ in done))
        self.metrics.add(message_lags(notified.lags_ms))
        self.metrics.add(connections_lost(gone=notified.gone, dropped=len(notified.dropped)))
        return notified

    def _queues(self, batch: Iterable[tuple[Change, Sequence[Message]]]) -> list[Queue]:
        """Each client's frames, in order.

        Each topic is read once: a client that subscribes later reads the run itself with these changes. The followers
        of all runs are read first: a client that changes from all runs to one meanwhile is found among the run's own.
        """
        frames: dict[tuple[str, str], list[Frame]] = defaultdict(list)
        followers = cache(self.connections.followers)
        for change, messages in batch:
            for message in messages:
                frame = Frame(change.index, message.encode())
                for connection_id in followers(message.tenant, None) | followers(message.tenant, message.run_id):
                    frames[message.tenant, connection_id].append(frame)
        return [Queue(tenant, connection_id, pending) for (tenant, connection_id), pending in frames.items()]

    def _delete(self, client: Queue) -> None:
        """Unless it is so new that it may not be open yet."""
        oldest_connecting = int((self.clock() - CONNECTING_TIME).timestamp())
        self.connections.disconnect_if_connected_before(client.tenant, client.connection_id, oldest_connecting)


def _unsent(queues: Iterable[Queue], errors: Sequence[Exception]) -> Unsent | None:
    index = min((queue.pending.index for queue in queues if queue.pending), default=None)
    return None if index is None else Unsent(index=index, error=next(iter(errors), None))


def _lags_ms(done: Iterable[tuple[Change, Sequence[Message]]], sent_ms: Mapping[int, int]) -> Iterator[int]:
    """From the write of each change to its message for the last client; of those that a client has received."""
    for change, messages in done:
        if change.index in sent_ms and (written := written_ms(change, messages)) is not None:
            yield max(0, sent_ms[change.index] - written)


def _notified(queues: Sequence[Queue], lags_ms: tuple[int, ...], unsent: Unsent | None) -> Notified:
    lost = [queue for queue in queues if queue.lost]
    dropped = tuple(
        Dropped(connection_id=queue.connection_id, index=queue.lost_at)
        for queue in lost
        if isinstance(queue.lost, ConnectionDropped)
    )
    return Notified(
        messages=sum(queue.accepted for queue in queues),
        clients=len(queues),
        gone=len(lost) - len(dropped),
        dropped=dropped,
        lags_ms=lags_ms,
        unsent=unsent,
    )
