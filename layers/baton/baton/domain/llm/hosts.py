"""Which hosts an LLM call may connect to. Anyone who may save an LLM instance chooses where Baton connects, from within
Baton's own network."""

from __future__ import annotations

import re
import socket
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

type Address = IPv4Address | IPv6Address

ANY = "*"
METADATA = "the metadata service's"
"""Where a machine reads its own credentials: never an LLM, so rejected even if private addresses are allowed."""

RANGES_BY_NAME = {
    METADATA: ("169.254.169.254/32", "169.254.170.2/32", "169.254.170.23/32", "fd00:ec2::/32"),
    "unspecified": ("0.0.0.0/8", "::/128"),
    "loopback": ("127.0.0.0/8", "::1/128"),
    "private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "64:ff9b:1::/48", "fc00::/7", "fec0::/10"),
    "shared by a carrier": ("100.64.0.0/10",),
    "link-local": ("169.254.0.0/16", "fe80::/10"),
    "multicast": ("224.0.0.0/4", "ff00::/8"),
    "for documentation only": ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"),
    "a tunnel's": ("192.88.99.0/24", "2001::/32", "2002::/16"),
    "reserved": ("192.0.0.0/24", "198.18.0.0/15", "240.0.0.0/4", "2001::/23"),
}
"""The first match counts. Complete from IANA's special-purpose registries: ``ipaddress.is_global`` lacks some of them.

A tunnel address (6to4, Teredo) contains an IPv4 address that may be private; no service uses one, so all are rejected.
"""

RANGES = [(name, ip_network(text)) for name, texts in RANGES_BY_NAME.items() for text in texts]
GLOBAL_IPV6 = ip_network("2000::/3")
"""The rest of IPv6 is not in use for hosts."""

PRIVATE = frozenset({"private", "shared by a carrier"})
"""The kinds of addresses that ``allow_private`` allows: models in the operator's own network."""

NEVER_PRIVATE = (METADATA, "loopback", "link-local")
"""The kinds of addresses that ``allow_private`` does not allow: of the machine itself and of its own link."""

CARRIERS = (
    ("64:ff9b::/96", 0),
    ("::ffff:0:0/96", 0),
    ("::ffff:0:0:0/96", 0),
    ("::/96", 0),
    ("2002::/16", 80),
)
"""IPv6 ranges whose addresses contain an IPv4 address, and the number of bits after it: NAT64, IPv4-mapped, translated
and compatible addresses, 6to4.

Sources: https://www.rfc-editor.org/rfc/rfc6052, https://www.rfc-editor.org/rfc/rfc4291#section-2.5.5,
https://www.rfc-editor.org/rfc/rfc2765#section-2.1, https://www.rfc-editor.org/rfc/rfc3056#section-2
"""

CARRIER_NETWORKS = [(IPv6Network(text), bits) for text, bits in CARRIERS]
TRANSPARENT = (ip_network("64:ff9b::/96"), ip_network("::ffff:0:0/96"))
"""Ranges that a network translates to the IPv4 address inside, so that address counts; AWS does so too."""

LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
TEREDO = IPv6Network("2001::/32")
"""First the IPv4 address of a server; at the end, inverted, that of a client: https://www.rfc-editor.org/rfc/rfc4380"""

ISATAP = (0x00005EFE, 0x02005EFE)
"""The bits before the IPv4 address in the last 64 bits: https://www.rfc-editor.org/rfc/rfc5214#section-6.1"""


def kind_of(address: Address) -> str | None:
    """The kind of a non-public address, to follow "its address is"; ``None`` for a public address."""
    kinds = [_range_of(embedded) for embedded in embedded_in(address)]
    if inside := next((kind for kind in NEVER_PRIVATE if kind in kinds), None):
        return inside
    if kinds and set(kinds) == {"unspecified"}:
        return "unspecified"
    return kinds[0] if any(address in network for network in TRANSPARENT) else _range_of(address)


def embedded_in(address: Address) -> list[IPv4Address]:
    """The IPv4 addresses that an IPv6 address may contain, at every position that is in use; the likeliest first."""
    if isinstance(address, IPv4Address) or int(address) <= 1:
        return []
    bits = int(address)
    found = [bits >> after for network, after in CARRIER_NETWORKS if address in network]
    if address in LOCAL_NAT64:
        found += _after_local_prefix(bits)
    if address in TEREDO:
        found += [bits >> 64, ~bits]
    if _is_isatap(address):
        found.append(bits)
    return [IPv4Address(one & 0xFFFFFFFF) for one in found]


def _is_isatap(address: Address) -> bool:
    return isinstance(address, IPv6Address) and (int(address) >> 32) & 0xFFFFFFFF in ISATAP


def _after_local_prefix(bits: int) -> list[int]:
    """For prefixes of 96, 64, 56 and 48 bits; the bits 64 to 71 are skipped.

    Source: https://www.rfc-editor.org/rfc/rfc6052#section-2.2
    """
    after_56 = (bits >> 64 & 0xFF) << 24 | bits >> 32 & 0xFFFFFF
    after_48 = (bits >> 64 & 0xFFFF) << 16 | bits >> 40 & 0xFFFF
    return [bits, bits >> 24, after_56, after_48]


def _range_of(address: Address) -> str | None:
    for name, network in RANGES:
        if address in network:
            return name
    if _is_isatap(address):
        return "a tunnel's"
    return "reserved" if address.version == 6 and address not in GLOBAL_IPV6 else None  # noqa: PLR2004 - IPv6


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPolicy:
    """Which hosts this deployment calls; by default any public host over https.

    ``allow_private`` allows private addresses, and http. Together with it, ``allow_loopback`` allows the machine
    itself and all other non-public addresses, for a local stack.

    ``allowed`` contains exact names in lower case, ``*.suffix`` for all names below one, or ``*``. Each method returns
    a reason that follows the host in a detail, or ``None`` if the host is allowed.
    """

    allow_private: bool = False
    allow_loopback: bool = False
    allowed: tuple[str, ...] = (ANY,)

    def url_error(self, url: str) -> str | None:
        """Checks the URL alone: the addresses of a name are checked when it is called."""
        parts = urlsplit(url)
        return self.host_error(parts.scheme, parts.hostname or "")

    def host_error(self, scheme: str, host: str) -> str | None:
        """As :meth:`url_error`; addresses may have any form that resolvers accept (``127.1``)."""
        try:
            name = host.encode("idna").decode().lower().removesuffix(".")
        except UnicodeError:
            return "it isn't a host name"
        return self._name_error(name) or self._choice_error(scheme, name)

    def address_error(self, address: Address) -> str | None:
        """Checks the resolved address of a connection."""
        return self._kind_error(kind_of(address))

    def _name_error(self, name: str) -> str | None:
        if re.fullmatch(r"(.+\.)?localhost", name):
            return self._kind_error("loopback")
        address = _literal_address(name)
        return self.address_error(address) if address else None

    def _kind_error(self, kind: str | None) -> str | None:
        return f"its address is {kind}, which this deployment doesn't call" if self._rejects(kind) else None

    def _rejects(self, kind: str | None) -> bool:
        if kind is None or (self.allow_private and kind in PRIVATE):
            return False
        return kind == METADATA or not (self.allow_private and self.allow_loopback)

    def _choice_error(self, scheme: str, name: str) -> str | None:
        if not any(_matches(name, entry) for entry in self.allowed):
            return "it is none of the hosts that this deployment calls"
        return None if scheme == "https" or self.allow_private else "this deployment calls https only"


def _matches(name: str, entry: str) -> bool:
    return name.endswith(entry[1:]) if entry.startswith("*.") else entry in (ANY, name)


def _literal_address(name: str) -> Address | None:
    """The address that is written as the name; nothing is looked up."""
    for read in (ip_address, lambda text: IPv4Address(socket.inet_aton(text))):
        with suppress(ValueError, OSError):
            return read(name)
    return None
