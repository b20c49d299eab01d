"""Which addresses and names a deployment calls. These tests resolve no names."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baton.domain.llm.hosts import METADATA, HostPolicy, kind_of

PUBLIC = [
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "223.255.255.255",
    "2001:200::1",
    "2606:4700:4700::1111",
    "2a00:1450::1",
    "::ffff:1.1.1.1",
    "64:ff9b::101:101",
]
NOT_PUBLIC = {
    "0.0.0.0": "unspecified",  # noqa: S104 - nothing is bound
    "0.1.2.3": "unspecified",
    "10.0.0.1": "private",
    "10.255.255.255": "private",
    "100.64.0.1": "shared by a carrier",
    "100.127.255.255": "shared by a carrier",
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "169.254.0.1": "link-local",
    "169.254.169.254": METADATA,
    "169.254.170.2": METADATA,
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.0.0.8": "reserved",
    "192.0.2.1": "for documentation only",
    "192.88.99.1": "a tunnel's",
    "192.168.1.1": "private",
    "198.19.255.255": "reserved",
    "198.51.100.1": "for documentation only",
    "203.0.113.1": "for documentation only",
    "224.0.0.1": "multicast",
    "239.255.255.255": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "::": "unspecified",
    "::1": "loopback",
    "::7f00:1": "loopback",
    "::a9fe:1": "link-local",
    "::a9fe:a9fe": METADATA,
    "::a00:1": "reserved",
    "::2": "unspecified",
    "::ffff:0.0.0.0": "unspecified",
    "::ffff:0:127.0.0.1": "loopback",
    "64:ff9b::7f00:1": "loopback",
    "64:ff9b::a9fe:1": "link-local",
    "64:ff9b:1::7f00:1": "loopback",
    "64:ff9b:1::a9fe:1": "link-local",
    "64:ff9b:1::a9fe:a9fe": METADATA,
    "64:ff9b:1:0:7f:0:100::": "loopback",
    "64:ff9b:1:7f00:0:100::": "loopback",
    "64:ff9b:1:7f:0:1::": "loopback",
    "64:ff9b:1:a9fe:a9:fe00::": METADATA,
    "64:ff9b:1:ffff:ffff:ffff:127.0.0.1": "loopback",
    "64:ff9b:1::a00:1": "private",
    "64:ff9b:1::": "unspecified",
    "2002:7f00:1::1": "loopback",
    "2002:a9fe:1::1": "link-local",
    "2002:a9fe:a9fe::1": METADATA,
    "2001:0:7f00:1::": "loopback",
    "2001:0:808:808::80ff:fffe": "loopback",
    "2001:0:808:808::5601:5601": METADATA,
    "2a00::5efe:127.0.0.1": "loopback",
    "2a00::200:5efe:169.254.0.1": "link-local",
    "2a00::5efe:8.8.8.8": "a tunnel's",
    "::ffff:10.0.0.1": "private",
    "::ffff:127.0.0.1": "loopback",
    "::ffff:169.254.169.254": METADATA,
    "::ffff:0:10.0.0.1": "reserved",
    "64:ff9b::a00:1": "private",
    "64:ff9b::a9fe:a9fe": METADATA,
    "64:ff9b:1::101:101": "private",
    "100::1": "reserved",
    "2001::a00:1": "a tunnel's",
    "2001:2::1": "reserved",
    "2001:db8::1": "for documentation only",
    "2002:a00:1::1": "a tunnel's",
    "3fff::1": "for documentation only",
    "4000::1": "reserved",
    "fc00::1": "private",
    "fd00:ec2::254": METADATA,
    "fd12:3456::1": "private",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local",
    "fec0::1": "private",
    "ff02::1": "multicast",
}


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_allowed(address: str) -> None:
    assert kind_of(ip_address(address)) is None
    assert HostPolicy().address_error(ip_address(address)) is None


@pytest.mark.parametrize(("address", "kind"), NOT_PUBLIC.items())
def test_any_other_address_is_rejected_with_its_kind(address: str, kind: str) -> None:
    error = f"its address is {kind}, which this deployment doesn't call"
    assert HostPolicy().address_error(ip_address(address)) == error
    private = HostPolicy(allow_private=True).address_error(ip_address(address))
    assert private == (None if kind in ("private", "shared by a carrier") else error)
    local = HostPolicy(allow_private=True, allow_loopback=True).address_error(ip_address(address))
    assert local == (error if kind == METADATA else None)
    assert HostPolicy(allow_loopback=True).address_error(ip_address(address)) == error


@given(st.ip_addresses(v=4))
def test_embedding_a_rejected_ipv4_address_in_ipv6_does_not_allow_it(embedded: IPv4Address) -> None:
    bits, hosts = int(embedded), HostPolicy(allow_private=True)
    if hosts.address_error(embedded) is None:
        return
    for prefix in ("64:ff9b::", "64:ff9b:1::", "::ffff:0:0", "::ffff:0:0:0", "::", "2a00::5efe:0:0"):
        assert hosts.address_error(IPv6Address(int(IPv6Address(prefix)) | bits)) or kind_of(embedded) not in (
            METADATA,
            "loopback",
            "link-local",
        )
    assert hosts.address_error(IPv6Address(0x2002 << 112 | bits << 80))


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_addresses_that_python_knows_as_not_global_are_rejected(address: IPv4Address | IPv6Address) -> None:
    """Python's tables come from the same registries."""
    if not address.is_global or address.is_multicast or address.is_link_local:
        assert kind_of(address) is not None


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("http://169.254.169.254", METADATA),
        ("http://[fd00:ec2::254]/latest", METADATA),
        ("https://2130706433", "loopback"),
        ("https://0x7f.1", "loopback"),
        ("https://017700000001:8080/v1", "loopback"),
        ("https://127.1", "loopback"),
        ("https://127.0.0.1.", "loopback"),
        ("https://127。0。0。1", "loopback"),
        ("https://①②⑦.0.0.1", "loopback"),
        ("https://[::1]", "loopback"),
        ("https://[::ffff:10.0.0.1]:8443", "private"),
        ("https://localhost", "loopback"),
        ("https://LOCALHOST./v1", "loopback"),
        ("https://model.localhost", "loopback"),
        ("https://api.example@10.0.0.1/v1", "private"),
        ("https://0", "unspecified"),
        ("HTTPS://10.1", "private"),
    ],
)
def test_a_url_with_a_literal_non_public_address_is_rejected(url: str, kind: str) -> None:
    for hosts in (HostPolicy(), HostPolicy(allowed=("api.example",))):
        assert hosts.url_error(url) == f"its address is {kind}, which this deployment doesn't call"
    private = HostPolicy(allow_private=True).url_error(url)
    assert (private is None) is (kind == "private")
    local = HostPolicy(allow_private=True, allow_loopback=True).url_error(url)
    assert (local is None) is (kind != METADATA)


@pytest.mark.parametrize(
    "url", ["https://api.example/v1", "https://8.8.8.8", "https://[2606:4700::1]:8443", "https://bücher.example"]
)
def test_a_url_with_a_public_address_or_a_name_is_allowed(url: str) -> None:
    assert HostPolicy().url_error(url) is None


def test_http_requires_allow_private() -> None:
    assert HostPolicy().url_error("http://api.example/v1") == "this deployment calls https only"
    assert HostPolicy(allow_private=True).url_error("http://api.example/v1") is None


@pytest.mark.parametrize("host", ["a..example", "x" * 64, "\ud800.example", "\0"])
def test_an_invalid_host_name_raises_no_other_error(host: str) -> None:
    HostPolicy().host_error("https", host)


@pytest.mark.parametrize(
    ("host", "is_allowed"),
    [
        ("api.example", True),
        ("API.Example.", True),
        ("eu.azure.example", True),
        ("a.eu.azure.example", True),
        ("xn--bcher-kva.example", True),
        ("bücher.example", True),
        ("9.9.9.9", True),
        ("azure.example", False),
        ("evilazure.example", False),
        ("api.example.evil.example", False),
        ("v2.api.example", False),
        ("8.8.8.8", False),
        ("*", False),
    ],
)
def test_only_hosts_in_the_list_are_allowed(host: str, is_allowed: bool) -> None:
    hosts = HostPolicy(allowed=("api.example", "*.azure.example", "xn--bcher-kva.example", "9.9.9.9"))
    expected = None if is_allowed else "it is none of the hosts that this deployment calls"
    assert hosts.host_error("https", host) == expected


def test_listing_a_private_host_does_not_allow_private_addresses() -> None:
    assert HostPolicy(allowed=("localhost",)).host_error("https", "localhost")


def test_the_list_also_applies_to_private_hosts() -> None:
    hosts = HostPolicy(allow_private=True, allowed=("10.0.0.1",))
    assert hosts.host_error("http", "10.0.0.1") is None
    assert hosts.host_error("http", "10.0.0.2")


def test_an_empty_list_allows_nothing() -> None:
    assert HostPolicy(allowed=()).host_error("https", "api.example")
