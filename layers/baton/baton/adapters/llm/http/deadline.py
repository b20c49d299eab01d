"""One deadline for all socket operations of a call.

A timeout of requests starts again with each socket read, so a server that sends single bytes slowly would never time
out, in the headers or in the body. Here each connect, send and read may take only the remaining time of its call. The
exception is resolving the host's name, for which the system's resolver has its own timeouts.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from collections.abc import Buffer, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from baton.adapters.llm.http.addresses import connect
from baton.domain.llm.hosts import HostPolicy

Clock = Callable[[], float]
"""Seconds, monotonic."""

SOCKET_OPTIONS = [
    *HTTPConnection.default_socket_options,
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 30),
]
"""Keep-alive probes while a model is thinking: a NAT gateway drops a connection that is silent for 350 s."""

MAX_INTERIM_RESPONSES = 20
INTERIM_STATUSES = frozenset(range(100, 200)) - {101}


class Deadline:
    """The end of one call, ``seconds`` after its start."""

    def __init__(self, seconds: float, clock: Clock = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._end = clock() + seconds

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return self._clock() >= self._end

    def left(self) -> float:
        """Seconds left, more than 0; raises ``TimeoutError`` if there are none."""
        if (seconds := self._end - self._clock()) > 0:
            return seconds
        raise TimeoutError("The call's deadline is over.")

    def shorten(self, seconds: float) -> None:
        """Move the end to ``seconds`` from now, if it isn't earlier already."""
        self._end = min(self._end, self._clock() + seconds)

    def at_most(self, seconds: float) -> Deadline:
        """A deadline ``seconds`` from now, or this one's end if that is earlier."""
        return Deadline(min(seconds, self.left()), self._clock)


_deadline: ContextVar[Deadline] = ContextVar("deadline")
"""Of the call in this context. Not an attribute of connections, since they are pooled and serve many calls, and
urllib3 has no parameter for it."""


@contextmanager
def deadline_scope(deadline: Deadline) -> Iterator[None]:
    """Within this block, every send and read on connections of a ``DeadlineAdapter`` ends with the deadline."""
    token = _deadline.set(deadline)
    try:
        yield
    finally:
        _deadline.reset(token)


class _Reader(io.RawIOBase):
    """The file object that ``http.client`` reads from. Each read of the socket may take the remaining time."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._sock = sock
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int | None:
        self._sock.settimeout(_deadline.get().left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(
        self, sock: socket.socket, debuglevel: int = 0, method: str | None = None, url: str | None = None
    ) -> None:
        super().__init__(sock, debuglevel, method, url)
        self.fp: io.BufferedReader = io.BufferedReader(_Reader(sock, self.fp.detach()))

    def _read_status(self) -> tuple[str, int, str]:
        """The final response's status. Interim ones may precede it (RFC 9110, 15.2); ``http.client`` skips only 100.

        101 is final, since no request contains ``Upgrade``.
        """
        for _ in range(MAX_INTERIM_RESPONSES + 1):
            line: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]  # not in typeshed
            if line[1] not in INTERIM_STATUSES:
                return line
            http.client.parse_headers(self.fp)
        raise http.client.HTTPException(f"more than {MAX_INTERIM_RESPONSES} interim responses")


class _Connection(HTTPConnection):
    response_class = _Response

    def __init__(self, *args: Any, host_policy: HostPolicy, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._host_policy = host_policy

    def _new_conn(self) -> socket.socket:
        """As urllib3's own method, with its errors, but to checked addresses only."""
        target = (self._dns_host, self.port)
        try:
            return connect(target, self._host_policy, self._seconds_to_connect, self.socket_options or ())
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"Connecting to {self.host} took too long.") from error
        except OSError as error:
            raise NewConnectionError(self, f"Connecting failed: {error}") from error

    def _seconds_to_connect(self) -> float:
        left = _deadline.get().left()
        return min(self.timeout, left) if self.timeout else left

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        self.sock.settimeout(_deadline.get().left())
        super().send(data)


class _HttpConnection(_Connection):
    pass


class _HttpsConnection(_Connection, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


class DeadlineAdapter(HTTPAdapter):
    """requests' adapter on these connections, whether direct or through a proxy."""

    def __init__(self, host_policy: HostPolicy) -> None:
        self.host_policy = host_policy  # before HTTPAdapter makes its pool manager
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, socket_options=SOCKET_OPTIONS, **kwargs)
        self._use_our_connections(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> PoolManager:
        manager: PoolManager = super().proxy_manager_for(proxy, socket_options=SOCKET_OPTIONS, **kwargs)
        self._use_our_connections(manager)
        return manager

    def _use_our_connections(self, manager: PoolManager) -> None:
        pools: dict[str, Any] = {"http": _HttpPool, "https": _HttpsPool}
        manager.pool_classes_by_scheme = {
            scheme: partial(pool, host_policy=self.host_policy)  # type: ignore[misc]  # called, not subclassed
            for scheme, pool in pools.items()
        }
