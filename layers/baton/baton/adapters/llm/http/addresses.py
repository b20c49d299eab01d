"""Connections to checked addresses only: the policy is applied to the addresses of a host, not just to its name.

A name is resolved once for a connection, and the connection is made to one of the addresses that were checked, so a
second DNS answer (rebinding) can't replace them. If the policy rejects one of the addresses, the whole host is
rejected: no legitimate host has a public and a private address at the same time.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from ipaddress import ip_address

from urllib3.util.connection import allowed_gai_family

from baton.domain.llm.hosts import HostPolicy

type AddressInfo = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]
"""Family, type, protocol, name and socket address, as ``socket.getaddrinfo`` has them."""

type SocketOption = tuple[int, int, int | bytes]

type Resolver = Callable[[str, int], Sequence[AddressInfo]]


class ForbiddenHost(Exception):
    """A host that this deployment doesn't call. It has no base class that urllib3 or requests would catch and retry."""

    def __init__(self, host: str, error: str) -> None:
        super().__init__(f"{host}: {error}")


def check_host(scheme: str, host: str, policy: HostPolicy) -> None:
    """:raises ForbiddenHost: if the policy rejects the host's name, before the name is resolved."""
    if error := policy.host_error(scheme, host):
        raise ForbiddenHost(host, error)


def resolve_host(host: str, port: int) -> Sequence[AddressInfo]:
    """The addresses from the system's resolver, which also understands ``127.1`` and ``2130706433``."""
    return socket.getaddrinfo(host, port, allowed_gai_family(), socket.SOCK_STREAM)


def checked_addresses(host: str, port: int, policy: HostPolicy, resolve: Resolver) -> Sequence[AddressInfo]:
    """All addresses of a host.

    :raises ForbiddenHost: if the policy rejects one of them.
    """
    found = resolve(host.strip("[]"), port)
    for *_, address in found:
        if error := policy.address_error(ip_address(address[0])):
            raise ForbiddenHost(host, error)
    return found


def connect(
    target: tuple[str, int],
    policy: HostPolicy,
    seconds_left: Callable[[], float],
    options: Sequence[SocketOption],
    resolve: Resolver = resolve_host,
) -> socket.socket:
    """A socket to the first address of ``target`` (host and port) that accepts the connection; each attempt has
    ``seconds_left()``.

    :raises ForbiddenHost: before a packet is sent.
    :raises OSError: if no address accepts it.
    """
    host, port = target
    failure = OSError(f"{host} has no address.")
    for family, kind, protocol, _, address in checked_addresses(host, port, policy, resolve):
        sock = socket.socket(family, kind, protocol)
        try:
            for option in options:
                sock.setsockopt(*option)
            sock.settimeout(seconds_left())
            sock.connect(address)
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise failure
