"""Where an LLM call may go. Whoever may save an LLM instance chooses where Baton connects, with Baton's own reach."""

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
"""Where a machine reads its own credentials: never an LLM, so refused even where private addresses are allowed."""

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
"""The first that fits counts. From IANA's special-purpose registries, whole: ``ipaddress.is_global`` lacks some of it.

A tunnel (6to4, Teredo) carries an IPv4 address that may be private; no service is offered on one, so all are refused.
"""

RANGES = [(name, ip_network(text)) for name, texts in RANGES_BY_NAME.items() for text in texts]
GLOBAL_IPV6 = ip_network("2000::/3")
"""The rest of IPv6 is not in use for hosts."""

PRIVATE = frozenset({"private", "shared by a carrier"})
"""What ``allow_private`` opens: a model in one's own network."""

NEVER_PRIVATE = (METADATA, "loopback", "link-local")
"""What ``allow_private`` doesn't open on AWS: addresses of the machine itself, and of what only it reaches."""

CARRIERS = (
    ("64:ff9b::/96", 0),
    ("::ffff:0:0/96", 0),
    ("::ffff:0:0:0/96", 0),
    ("::/96", 0),
    ("2002::/16", 80),
)
"""IPv6 ranges whose addresses carry an IPv4 address, and how many bits stand behind it: NAT64, IPv4-mapped, translated
and compatible addresses, 6to4.

Sources: https://www.rfc-editor.org/rfc/rfc6052, https://www.rfc-editor.org/rfc/rfc4291#section-2.5.5,
https://www.rfc-editor.org/rfc/rfc2765#section-2.1, https://www.rfc-editor.org/rfc/rfc3056#section-2
"""

CARRIER_NETWORKS = [(IPv6Network(text), bits) for text, bits in CARRIERS]
TRANSPARENT = (ip_network("64:ff9b::/96"), ip_network("::ffff:0:0/96"))
"""Those that a network passes on to the address that they carry, so that this is what counts: on AWS too."""

LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
TEREDO = IPv6Network("2001::/32")
"""A server's IPv4 address in front and a client's, inverted, at the end: https://www.rfc-editor.org/rfc/rfc4380"""

ISATAP = (0x00005EFE, 0x02005EFE)
"""What stands before the IPv4 address in the last 64 bits: https://www.rfc-editor.org/rfc/rfc5214#section-6.1"""


def kind_of(address: Address) -> str | None:
    """What isn't public about it, to stand after "its address is"; ``None`` for a public address."""
    kinds = [_range_of(carried) for carried in carried_by(address)]
    if inside := next((kind for kind in NEVER_PRIVATE if kind in kinds), None):
        return inside
    if kinds and set(kinds) == {"unspecified"}:
        return "unspecified"
    return kinds[0] if any(address in network for network in TRANSPARENT) else _range_of(address)


def carried_by(address: Address) -> list[IPv4Address]:
    """The IPv4 addresses that an IPv6 address carries, wherever a network may look for one; the likeliest first."""
    if isinstance(address, IPv4Address) or int(address) <= 1:
        return []
    bits = int(address)
    found = [bits >> behind for network, behind in CARRIER_NETWORKS if address in network]
    if address in LOCAL_NAT64:
        found += _behind_a_local_prefix(bits)
    if address in TEREDO:
        found += [bits >> 64, ~bits]
    if _is_isatap(address):
        found.append(bits)
    return [IPv4Address(one & 0xFFFFFFFF) for one in found]


def _is_isatap(address: Address) -> bool:
    return isinstance(address, IPv6Address) and (int(address) >> 32) & 0xFFFFFFFF in ISATAP


def _behind_a_local_prefix(bits: int) -> list[int]:
    """By the length of the prefix: 96, 64, 56 and 48 bits; the bits 64 to 71 are passed over.

    Source: https://www.rfc-editor.org/rfc/rfc6052#section-2.2
    """
    behind_56 = (bits >> 64 & 0xFF) << 24 | bits >> 32 & 0xFFFFFF
    behind_48 = (bits >> 64 & 0xFFFF) << 16 | bits >> 40 & 0xFFFF
    return [bits, bits >> 24, behind_56, behind_48]


def _range_of(address: Address) -> str | None:
    for name, network in RANGES:
        if address in network:
            return name
    if _is_isatap(address):
        return "a tunnel's"
    return "reserved" if address.version == 6 and address not in GLOBAL_IPV6 else None  # noqa: PLR2004 - IPv6


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPolicy:
    """Which hosts this deployment calls; as it is, any public one over https.

    ``allow_private`` opens private addresses, and http; ``allow_loopback`` then the machine's own too, and whatever
    else is no public one, which is for a stack on a developer's machine. ``allowed`` are exact names in lower case,
    ``*.suffix`` for all names below one, or ``*``. Each objection is half a sentence, to stand after the host;
    ``None``: there is none.
    """

    allow_private: bool = False
    allow_loopback: bool = False
    allowed: tuple[str, ...] = (ANY,)

    def objection_to_url(self, url: str) -> str | None:
        """As far as the URL shows it: a name is looked up when it is called, and what it leads to is checked then."""
        parts = urlsplit(url)
        return self.objection_to_host(parts.scheme, parts.hostname or "")

    def objection_to_host(self, scheme: str, host: str) -> str | None:
        """As :meth:`objection_to_url`; addresses may be written in any way that resolvers understand (``127.1``)."""
        try:
            name = host.encode("idna").decode().lower().removesuffix(".")
        except UnicodeError:
            return "it isn't a host name"
        return self._objection_to_name(name) or self._objection_to_choice(scheme, name)

    def objection_to_address(self, address: Address) -> str | None:
        """To the very address that is to be connected to."""
        return self._objection_to_kind(kind_of(address))

    def _objection_to_name(self, name: str) -> str | None:
        if re.fullmatch(r"(.+\.)?localhost", name):
            return self._objection_to_kind("loopback")
        address = _written_in(name)
        return self.objection_to_address(address) if address else None

    def _objection_to_kind(self, kind: str | None) -> str | None:
        return f"its address is {kind}, which this deployment doesn't call" if self._refuses(kind) else None

    def _refuses(self, kind: str | None) -> bool:
        if kind is None or (self.allow_private and kind in PRIVATE):
            return False
        return kind == METADATA or not (self.allow_private and self.allow_loopback)

    def _objection_to_choice(self, scheme: str, name: str) -> str | None:
        if not any(_fits(name, entry) for entry in self.allowed):
            return "it is none of the hosts that this deployment calls"
        return None if scheme == "https" or self.allow_private else "this deployment calls https only"


def _fits(name: str, entry: str) -> bool:
    return name.endswith(entry[1:]) if entry.startswith("*.") else entry in (ANY, name)


def _written_in(name: str) -> Address | None:
    """The address that a name is, not the one that it leads to."""
    for read in (ip_address, lambda text: IPv4Address(socket.inet_aton(text))):
        with suppress(ValueError, OSError):
            return read(name)
    return None
