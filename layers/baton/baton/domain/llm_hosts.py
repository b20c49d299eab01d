"""Where an LLM call may go. Whoever may save an LLM instance chooses where Baton connects, with Baton's own reach."""

from __future__ import annotations

import re
import socket
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
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

NAT64 = ip_network("64:ff9b::/96")
"""How an IPv6-only network reaches IPv4, on AWS too: the address that it carries in its last 32 bits is what counts."""


def kind_of(address: Address) -> str | None:
    """What isn't public about it, to stand after "its address is"; ``None`` for a public address."""
    address = _carried(address)
    for name, network in RANGES:
        if address in network:
            return name
    return "reserved" if address.version == 6 and address not in GLOBAL_IPV6 else None  # noqa: PLR2004 - IPv6


def _carried(address: Address) -> Address:
    if isinstance(address, IPv6Address) and (address.ipv4_mapped or address in NAT64):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmHosts:
    """Which hosts this deployment calls; as it is, any public one over https.

    ``allowed`` are exact names in lower case, ``*.suffix`` for all names below one, or ``*``. Each objection is half a
    sentence, to stand after the host; ``None``: there is none.
    """

    allow_private: bool = False
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
        refused = kind is not None and (kind == METADATA or not self.allow_private)
        return f"its address is {kind}, which this deployment doesn't call" if refused else None

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
