"""Special-use addresses: every registered block is refused to its last address, and its neighbours are not."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.protocol.special_use import is_public

# Blocks with their neighbour below and above where that is ordinary address space.
EDGES = [
    ("0.0.0.0", "0.255.255.255", None, "1.0.0.0"),
    ("10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"),
    ("100.64.0.0", "100.127.255.255", "100.63.255.255", "100.128.0.0"),
    ("127.0.0.0", "127.255.255.255", "126.255.255.255", "128.0.0.0"),
    ("169.254.0.0", "169.254.255.255", "169.253.255.255", "169.255.0.0"),
    ("172.16.0.0", "172.31.255.255", "172.15.255.255", "172.32.0.0"),
    ("192.0.0.0", "192.0.0.255", "191.255.255.255", "192.0.1.0"),
    ("192.0.2.0", "192.0.2.255", "192.0.1.255", "192.0.3.0"),
    ("192.88.99.0", "192.88.99.255", "192.88.98.255", "192.88.100.0"),
    ("192.168.0.0", "192.168.255.255", "192.167.255.255", "192.169.0.0"),
    ("198.18.0.0", "198.19.255.255", "198.17.255.255", "198.20.0.0"),
    ("198.51.100.0", "198.51.100.255", "198.51.99.255", "198.51.101.0"),
    ("203.0.113.0", "203.0.113.255", "203.0.112.255", "203.0.114.0"),
    ("224.0.0.0", "255.255.255.255", "223.255.255.255", None),
    ("::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", None, "2000::"),
    ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "2000:ffff::", "2001:200::"),
    ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db7::", "2001:db9::"),
    ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:ffff::", "2003::"),
    ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "3ffd::", "3fff:1000::"),
    ("4000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:ffff::", None),
]


@pytest.mark.parametrize(("first", "last", "below", "above"), EDGES)
def test_each_block_is_refused_from_first_to_last(first: str, last: str, below: str | None, above: str | None) -> None:
    assert not is_public(ip_address(first))
    assert not is_public(ip_address(last))
    for neighbour in filter(None, (below, above)):
        assert is_public(ip_address(neighbour))


# What `ipaddress` of one or more supported Python versions calls global, or not private.
MISSED_BY_PYTHON = [
    "100.64.0.1", "192.0.0.8", "224.0.0.1", "192.88.99.1", "192.31.196.1",
    "64:ff9b::7f00:1", "64:ff9b:1::a9fe:a9fe", "2002:7f00:1::", "2002:a9fe:a9fe::1", "::127.0.0.1", "fec0::1",
    "::ffff:0:7f00:1", "2606:4700::5efe:7f00:1", "2606:4700::200:5efe:7f00:1", "5f00::1", "3fff::1", "100:0:0:1::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2", "::ffff:8.8.8.8", "64:ff9b::808:808", "4000::1", "ff0e::1",
]  # fmt: skip


@pytest.mark.parametrize("text", MISSED_BY_PYTHON)
def test_what_the_standard_library_misses(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", ["2606:4700::1111%eth0", "fe80::1%1"])
def test_an_address_of_one_link_is_refused(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", ["1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450:4001::1"])
def test_ordinary_addresses_are_public(text: str) -> None:
    assert is_public(ip_address(text))


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_what_python_knows_as_special_is_special_here(address: IPv4Address) -> None:
    known = address.is_private or address.is_multicast or address.is_reserved or address.is_link_local
    assert not (known and is_public(address))


@given(st.integers(0, 2**128 - 1).map(IPv6Address))
def test_only_unicast_space_is_public(address: IPv6Address) -> None:
    assert not is_public(address) or address in ip_network("2000::/3")


EMBEDDINGS = [
    lambda v4: IPv6Address(v4),  # compatible
    lambda v4: IPv6Address(0xFFFF << 32 | v4),  # mapped
    lambda v4: IPv6Address(0xFFFF << 48 | v4),  # translated
    lambda v4: IPv6Address(0x64_FF9B << 96 | v4),  # NAT64
    lambda v4: IPv6Address(0x64_FF9B_0001 << 80 | v4),  # NAT64 of one network
    lambda v4: IPv6Address(0x2002 << 112 | v4 << 80),  # 6to4
    lambda v4: IPv6Address(0x2001 << 112 | v4 << 64 | v4 ^ 0xFFFFFFFF),  # Teredo: server, and client inverted
    lambda v4: IPv6Address(0x2606_4700 << 96 | 0x5EFE << 32 | v4),  # ISATAP
]


@given(st.sampled_from(EMBEDDINGS), st.integers(0, 2**32 - 1))
def test_no_address_that_carries_another_is_public(embed, v4: int) -> None:
    assert not is_public(embed(v4))
