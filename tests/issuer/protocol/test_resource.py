"""Resource indicators (RFC 8707): compared byte for byte, and each stands for an audience."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.errors import InvalidTarget
from issuer.protocol import resource

ONE = {"https://one.test/mcp": "https://one.test/mcp"}
TWO = {**ONE, "https://two.test": "urn:two"}


def test_none_asked_means_the_sole_one_there_is():
    assert resource.choose((), ONE) == ("https://one.test/mcp",)
    with pytest.raises(InvalidTarget, match="resource is missing"):
        resource.choose((), TWO)


@given(st.lists(st.sampled_from(sorted(TWO)), min_size=1, max_size=6).map(tuple))
def test_configured_ones_are_taken_each_once(asked: tuple[str, ...]):
    assert resource.choose(asked, TWO) == tuple(dict.fromkeys(asked))


@pytest.mark.parametrize(
    "near",
    [
        "https://one.test/mcp/",
        "https://one.test/MCP",
        "HTTPS://one.test/mcp",
        "https://one.test:443/mcp",
        "https://one.test/mcp?",
        "https://one.test/mcp#",
        "https://one.test/mcp ",
        "https://one.test/./mcp",
        "https://one.test/%6dcp",
        "https://one.test/mc",
        "https://one.test",
        "https://two.test//",
        "",
    ],
)
def test_what_is_nearly_a_resource_is_none(near: str):
    with pytest.raises(InvalidTarget, match="not one that this server issues tokens for"):
        resource.choose((near,), TWO)


def test_the_slash_that_clients_add_to_an_origin_is_forgiven():
    assert resource.choose(("https://two.test/",), TWO) == ("https://two.test",)
    assert resource.choose(("https://two.test/", "https://two.test"), TWO) == ("https://two.test",)


def test_one_unknown_resource_spoils_the_request():
    with pytest.raises(InvalidTarget):
        resource.choose(("https://one.test/mcp", "https://evil.test"), TWO)


def test_twenty_are_the_most():
    assert resource.choose(("https://two.test",) * 20, TWO) == ("https://two.test",)
    with pytest.raises(InvalidTarget, match="too many"):
        resource.choose(("https://two.test",) * 21, TWO)


def test_a_token_is_for_all_of_the_grant_or_the_part_that_was_asked():
    granted = tuple(TWO)
    assert resource.narrowed((), granted, TWO) == granted
    assert resource.narrowed(("https://two.test/",), granted, TWO) == ("https://two.test",)
    with pytest.raises(InvalidTarget, match="not part of the grant"):
        resource.narrowed(("https://two.test",), ("https://one.test/mcp",), TWO)


def test_a_resource_that_is_configured_no_longer_gets_no_tokens():
    """A grant outlives a change of settings; a token without any audience must not come of it."""
    assert resource.narrowed((), tuple(TWO), ONE) == ("https://one.test/mcp",)
    with pytest.raises(InvalidTarget, match="no longer"):
        resource.narrowed((), ("https://two.test",), ONE)


def test_audiences_are_what_is_configured_each_once():
    shared = {"https://one.test/mcp": "urn:both", "https://two.test": "urn:both"}
    assert resource.audience(tuple(shared), shared) == ("urn:both",)
    assert resource.audience(tuple(TWO), TWO) == ("https://one.test/mcp", "urn:two")
