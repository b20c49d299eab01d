"""Connections to no other address than one that was looked at: the check is on what a name leads to, not on the name.

A name is looked up once for a connection, and the connection is made to that look-up's own addresses, so no second
answer of a DNS server (rebinding) can come between. If only one of them is refused, all are: no host that means well
has a public and a private address at the same time.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from ipaddress import ip_address

from urllib3.util.connection import allowed_gai_family

from baton.domain.llm.hosts import HostPolicy

type Found = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]
"""Family, type, protocol, name and socket address, as ``socket.getaddrinfo`` has them."""

type SocketOption = tuple[int, int, int | bytes]

type Resolver = Callable[[str, int], Sequence[Found]]

_hosts: ContextVar[HostPolicy] = ContextVar("hosts", default=HostPolicy())  # noqa: B039 - frozen
"""For the calls of this thread. Who forgets to set it reaches public addresses only."""


class ForbiddenHost(Exception):
    """A host that this deployment doesn't call. Of no class that urllib3 or requests would catch and try again."""

    def __init__(self, host: str, objection: str) -> None:
        super().__init__(f"{host}: {objection}")


@contextmanager
def reaching(hosts: HostPolicy) -> Iterator[None]:
    """What is called in here reaches these hosts only; as a decorator, whatever the function calls."""
    token = _hosts.set(hosts)
    try:
        yield
    finally:
        _hosts.reset(token)


def current_hosts() -> HostPolicy:
    """The hosts that may be called here."""
    return _hosts.get()


def check_host(scheme: str, host: str) -> None:
    """:raises ForbiddenHost: before any look-up, if the name itself is refused."""
    if objection := current_hosts().host_error(scheme, host):
        raise ForbiddenHost(host, objection)


def look_up(host: str, port: int) -> Sequence[Found]:
    """What the system's resolver says, which also understands ``127.1`` and ``2130706433``."""
    return socket.getaddrinfo(host, port, allowed_gai_family(), socket.SOCK_STREAM)


def addresses(host: str, port: int, resolve: Resolver) -> Sequence[Found]:
    """Where a host may be connected to.

    :raises ForbiddenHost: if it leads to an address that this deployment doesn't call.
    """
    found = resolve(host.strip("[]"), port)
    for *_, address in found:
        if objection := current_hosts().address_error(ip_address(address[0])):
            raise ForbiddenHost(host, objection)
    return found


def connect(
    host: str, port: int, left: Callable[[], float], options: Sequence[SocketOption], resolve: Resolver = look_up
) -> socket.socket:
    """A socket to the first of a host's addresses that answers; each try gets what is ``left()``.

    :raises ForbiddenHost: before a packet is sent.
    :raises OSError: if none answers.
    """
    failure = OSError(f"{host} has no address.")
    for family, kind, protocol, _, address in addresses(host, port, resolve):
        made = socket.socket(family, kind, protocol)
        try:
            for option in options:
                made.setsockopt(*option)
            made.settimeout(left())
            made.connect(address)
        except OSError as error:
            made.close()
            failure = error
        else:
            return made
    raise failure
