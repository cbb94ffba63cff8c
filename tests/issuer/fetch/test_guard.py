"""Where a fetch never goes: no connection is made to an address that is not public, however it is dressed."""

from __future__ import annotations

import re

import pytest
from tests.issuer.fetch.hosts import PUBLIC, Authority, Host, Internet, response
from tests.requirements import requirement

from issuer.fetch import Fetcher, FetchFailed
from issuer.protocol import outbound_url

MOST = 5 * 1024
NOT_PLAIN = [
    "http://client.test/x", "HTTPS://client.test/x", "https://CLIENT.test/x", "https://client.test/x#", "ftp://a.test/x",
    "https://client.test/x#f", "https://u@client.test/x", "https://u:p@client.test/x", "https://client.test\\@evil.test/x",
    "https:///x", "https:/client.test/x", "https:client.test/x", "//client.test/x", "https://client.test:0/x",
    "https://client.test:22/x", "https://client.test:6379/x", "https://client.test:99999/x", "https://client.test:/x",
    "https://client.test:0443/x", "https://client .test/x", "https://client.test/a b", "https://client.test/\t",
    "https://client.test/x\r\nX: y", "https://clïent.test/x", "https://client.test/%zz",
    "https://client.test/" + "x" * 500,
    "https://client..test/x", "https://-client.test/x", "https://client_.test/x", "https://client.test./x", "", "https://",
    "https://" + "a" * 64 + ".test/x", "https://" + ".".join(["abcdefgh"] * 30) + ".test/x", "file:///etc/passwd",
]  # fmt: skip
NOT_A_NAME = [
    "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.1", "0", "127.0.0.1", "[::1]", "[::ffff:7f00:1]",
    "[::ffff:127.0.0.1]", "①②⑦.⓪.⓪.①", "127。0。0。1", "localhost", "LOCALHOST", "localhost.", "93.184.215.14",
    "[2606:4700:4700::1111]", "1.2.3.0x4", "a.127", "a.0x7f", "[::1%25lo]", "10.0.0.1", "169.254.169.254", "intranet",
]  # fmt: skip


@pytest.mark.parametrize("url", [*NOT_PLAIN, *(f"https://{host}/x" for host in NOT_A_NAME)])
async def test_urls_that_are_not_fetched_at_all(fetcher: Fetcher, host: Host, internet: Internet, url: str) -> None:
    with pytest.raises(FetchFailed, match="the URL cannot be fetched"):
        await fetcher.json(url, MOST)
    assert not internet.lookups
    assert not internet.connects


@pytest.mark.parametrize(
    "url", ["https://a.test", "https://a.test/", "https://a.test:443/x", "https://xn--a-1ga.test/~x?q=%20"]
)
def test_urls_that_are(url: str) -> None:
    assert outbound_url.read(url).port == 443


def test_an_operator_opens_a_port_with_its_host() -> None:
    assert outbound_url.read("https://a.test:8443/x", open_ports={("a.test", 8443)}).port == 8443
    with pytest.raises(ValueError, match="port"):
        outbound_url.read("https://b.test:8443/x", open_ports={("a.test", 8443)})


FORBIDDEN = [
    "127.0.0.1", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "192.0.0.8",
    "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "fec0::1", "ff02::1",
    "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a9fe:a9fe", "2002:7f00:1::", "::ffff:0:7f00:1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2606:4700::5efe:7f00:1", "2001:db8::1", "5f00::1", "3fff::1",
]  # fmt: skip


@requirement("cimd-special-use-addresses")
@pytest.mark.parametrize("address", FORBIDDEN)
async def test_a_name_that_leads_there_is_refused(
    fetcher: Fetcher, host: Host, internet: Internet, address: str
) -> None:
    for answer in ([address], [PUBLIC, address], [address, PUBLIC]):
        internet.names["client.test"] = [answer]
        with pytest.raises(FetchFailed, match="must not be reached"):
            await fetcher.json("https://client.test/x", MOST)
    assert not internet.connects


async def test_a_name_is_looked_up_once(fetcher: Fetcher, host: Host, internet: Internet) -> None:
    """Rebinding: the second answer is loopback, and nobody asks for it."""
    internet.names["client.test"] = [[PUBLIC], ["127.0.0.1"]]
    assert (await fetcher.json("https://client.test/x", MOST)).document == {"a": 1}
    assert internet.connects == [(PUBLIC, 443)]
    with pytest.raises(FetchFailed, match="must not be reached"):
        await fetcher.json("https://client.test/x", MOST)
    assert internet.connects == [(PUBLIC, 443)]


async def test_a_name_without_addresses(fetcher: Fetcher, internet: Internet) -> None:
    internet.names["client.test"] = [[]]
    for name in ("client.test", "other.test"):
        with pytest.raises(FetchFailed) as failed:
            await fetcher.json(f"https://{name}/x", MOST)
        assert not failed.value.answered


async def test_the_next_address_is_tried_when_one_is_dead(fetcher: Fetcher, host: Host, internet: Internet) -> None:
    internet.names["client.test"] = [["2606:4700:4700::1111", "93.184.215.99", PUBLIC]]
    assert (await fetcher.json("https://client.test/x", MOST)).document == {"a": 1}
    assert [address for address, _ in internet.connects] == ["2606:4700:4700::1111", "93.184.215.99", PUBLIC]


async def test_few_addresses_are_tried(fetcher: Fetcher, host: Host, internet: Internet) -> None:
    internet.names["client.test"] = [[f"93.184.215.{n}" for n in range(20, 60)]]
    with pytest.raises(FetchFailed, match="ConnectError"):
        await fetcher.json("https://client.test/x", MOST)
    assert len(internet.connects) == 4


@pytest.mark.parametrize("wrong", ["other name", "expired", "other authority"])
async def test_a_certificate_must_prove_the_name(
    internet: Internet, authority: Authority, tmp_path_factory: pytest.TempPathFactory, wrong: str
) -> None:
    names = {
        "other name": lambda: authority.server("other.test", PUBLIC),
        "expired": lambda: authority.server("client.test", days=-1),
        "other authority": lambda: Authority(tmp_path_factory.mktemp("other")).server("client.test"),
    }
    internet.names["client.test"] = [[PUBLIC]]
    async with Host(response()).running(names[wrong]()) as internet.routes[PUBLIC]:
        with pytest.raises(FetchFailed, match=re.compile("certificate", re.IGNORECASE)) as failed:
            await Fetcher(resolve=internet.resolve, context=authority.trusting()).json("https://client.test/x", MOST)
        assert not failed.value.answered
        assert not internet.routes[PUBLIC].requests


async def test_plain_http_on_the_tls_port(internet: Internet, fetcher: Fetcher) -> None:
    internet.names["client.test"] = [[PUBLIC]]
    async with Host(response()).running(None) as internet.routes[PUBLIC]:
        with pytest.raises(FetchFailed):
            await fetcher.json("https://client.test/x", MOST)


class TestLoopback:
    """Documents of a program under development, on the machine of the issuer under development."""

    async def test_not_by_default(
        self, fetcher: Fetcher, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.undo()  # the real network of this machine
        async with Host(response()).running(authority.server("127.0.0.1", "localhost")) as here:
            for name in ("127.0.0.1", "localhost", "[::1]", "0x7f.1", "2130706433", "127.1", "localhost.localdomain"):
                with pytest.raises(FetchFailed):
                    await Fetcher(context=authority.trusting()).json(f"https://{name}:{here.port}/x", MOST)
            assert here.connections == 0

    async def test_literal_loopback_by_a_setting(self, authority: Authority) -> None:
        fetcher = Fetcher(loopback=True, context=authority.trusting())
        async with Host(response({"a": 1})).running(authority.server("127.0.0.1", "localhost")) as secure:
            for name in ("127.0.0.1", "localhost"):
                assert (await fetcher.json(f"https://{name}:{secure.port}/x", MOST)).document == {"a": 1}
        async with Host(response({"a": 2})).running(None) as plain:
            assert (await fetcher.json(f"http://127.0.0.1:{plain.port}/x", MOST)).document == {"a": 2}

    @pytest.mark.parametrize(
        "name", ["127.0.0.2", "0x7f.1", "127.1", "2130706433", "0.0.0.0", "10.0.0.1", "[::ffff:7f00:1]"]
    )
    async def test_and_nothing_else_private(self, authority: Authority, internet: Internet, name: str) -> None:
        fetcher = Fetcher(loopback=True, context=authority.trusting(), resolve=internet.resolve)
        for scheme in ("http", "https"):
            with pytest.raises(FetchFailed, match="the URL cannot be fetched"):
                await fetcher.json(f"{scheme}://{name}:8080/x", MOST)

    async def test_a_name_that_leads_to_loopback_is_still_refused(
        self, authority: Authority, internet: Internet
    ) -> None:
        internet.names = {"client.test": [["127.0.0.1"]], "localhost": [["93.184.215.14"]]}
        fetcher = Fetcher(loopback=True, context=authority.trusting(), resolve=internet.resolve)
        for url in ("https://client.test/x", "https://localhost:1/x"):
            with pytest.raises(FetchFailed, match="must not be reached"):
                await fetcher.json(url, MOST)
        assert not internet.connects
