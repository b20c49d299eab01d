"""Fan out: send every client its frames, message by message over all clients, with several senders."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from baton.domain.errors import ConnectionGone
from baton.usecases.clock import Clock
from baton.usecases.live.ports import Sender


@dataclass(frozen=True, slots=True)
class Frame:
    """An encoded message; ``index`` is its change's place in the batch."""

    index: int
    data: bytes


@dataclass(slots=True)
class Queue:
    """The frames of one client, in order; the first ``sent`` of them need no further send, ``accepted`` were accepted.

    If the client has disconnected, ``lost`` is the error, and ``lost_at`` the change whose frame was not accepted.
    """

    tenant: str
    connection_id: str
    frames: Sequence[Frame]
    sent: int = 0
    accepted: int = 0
    lost: ConnectionGone | None = None
    lost_at: int = 0

    @property
    def pending(self) -> Frame | None:
        """The next frame to send, if there is one."""
        return self.frames[self.sent] if self.sent < len(self.frames) else None


class FanOut:
    """One call of ``send_all``.

    A client is in the hands of one sender at a time, which sends it one frame and then turns to the client that has
    waited longest. So each client's order is kept, all clients get a message before any gets the next one, and a slow
    client occupies one sender only.
    """

    def __init__(
        self,
        sender: Sender,
        on_gone: Callable[[Queue], None],
        clock: Clock,
        monotonic: Callable[[], float],
        deadline: float,
    ) -> None:
        self._sender = sender
        self._on_gone = on_gone
        self._clock = clock
        self._monotonic = monotonic
        self._deadline = deadline
        self._waiting: deque[Queue] = deque()
        self.sent_ms: dict[int, int] = {}
        """When the last client received a frame of each change, in milliseconds since 1970."""
        self._errors: list[Exception] = []

    def send_all(self, queues: Iterable[Queue], senders: int) -> list[Exception]:
        """Send until no frame is pending, the deadline has passed, or an error concerns all clients; those errors."""
        self._waiting.extend(queues)
        workers = min(senders, len(self._waiting))
        with ThreadPoolExecutor(max_workers=workers) as pool:
            for done in [pool.submit(self._send_in_turns) for _ in range(workers)]:
                done.result()
        return self._errors

    def _send_in_turns(self) -> None:
        """A sender may end when no client waits: each of the others still has its client, and sends on."""
        while not self._errors and self._monotonic() < self._deadline:
            try:
                queue = self._waiting.popleft()
            except IndexError:
                return
            self._send_next(queue)
            if queue.pending:
                self._waiting.append(queue)

    def _send_next(self, queue: Queue) -> None:
        frame = queue.frames[queue.sent]
        try:
            self._send(queue, frame)
        except Exception as error:  # noqa: BLE001 - returned to the caller, with the errors of the other senders
            self._errors.append(error)

    def _send(self, queue: Queue, frame: Frame) -> None:
        try:
            self._sender.send(queue.connection_id, frame.data)
        except ConnectionGone as error:
            self._on_gone(queue)
            queue.lost, queue.lost_at, queue.sent = error, frame.index, len(queue.frames)
        else:
            self.sent_ms[frame.index] = round(self._clock().timestamp() * 1000)
            queue.sent += 1
            queue.accepted += 1
