"""Redirect URIs (OAuth 2.1 §2.3, RFC 8252 §7): what may be registered, and what a request may then use."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.errors import InvalidRedirectUri
from issuer.protocol import redirect_uri

GOOD = [
    "https://app.test/cb",
    "https://app.test",
    "https://app.test:8443/cb?tenant=1",
    "https://xn--pp-xia.test/cb",
    "https://[2001:db8::1]:8443/cb",
    "https://192.0.2.1/cb",
    "https://app.test/%20/cb",
    "http://127.0.0.1/cb",
    "http://127.0.0.1:0/cb",
    "http://127.0.0.1:51004/cb",
    "http://[::1]:61023/cb",
    "http://localhost:3000",
    "http://localhost?a=b",
    "com.example.app:/cb",
    "com.example.app://cb",
    "cursor://anysphere.cursor-retrieval/oauth/cb",
    "vscode://vscode.mcp/cb",
]
BAD: list[object] = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "vbscript:msgbox(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "blob:https://a/uuid",
    "about:blank",
    "view-source:https://a.test",
    "ws://app.test",
    "ftp://app.test/cb",
    "https://app.test/cb#frag",
    "https://app.test/cb#",
    "com.example.app:/cb#",
    "https://app.test@evil.test/cb",
    "https://app.test:443@evil.test/",
    "http://localhost:80@evil.test/cb",
    "https://app.test\\@evil.test/cb",
    "https:\\\\evil.test",
    "https:///evil.test/cb",
    "https:evil.test",
    "https:/evil.test",
    "https://",
    "https://?a=b",
    "//evil.test/cb",
    "/cb",
    "cb",
    "",
    "HTTPS://app.test/cb",
    "https://\u0430pp.test/cb",
    "https://app\u3002test/cb",
    "https://\uff41pp.test/cb",
    "https://app..test/cb",
    "https://-app.test/cb",
    "https://app_test/cb",
    "https://*.test/cb",
    "https://app.test:/cb",
    "https://app.test:x/cb",
    "https://app.test:65536/cb",
    "https://app.test:999999/cb",
    "https://[::1/cb",
    "https://[1.2]/cb",
    "https://[::::]/cb",
    "https://[::1%25lo]/cb",
    "https://[v1.x]/cb",
    "com.example.app://[x/cb",
    "com.example.app://[x]/cb",
    "http://app.test/cb",
    "http://192.168.1.5/cb",
    "http://0.0.0.0/cb",
    "http://[fe80::1]/cb",
    "http://[::ffff:127.0.0.1]/cb",
    "http://127.0.0.1.evil.test/cb",
    "http://localhost.evil.test/cb",
    "http://127.1/cb",
    "http://0x7f.1/cb",
    "http://2130706433/cb",
    "http://LOCALHOST./cb",
    "http://LOCALHOST/cb",
    "myapp:cb",
    "myapp://cb",
    "urn:ietf:wg:oauth:2.0:oob",
    "https://app.test/a b",
    "https://app.test/\tcb",
    "https://app.test/cb\n",
    "https://app.test/cb\r\nSet-Cookie: a=b",
    "https://app.test/\0",
    "https://app.test/<x>",
    'https://app.test/"x"',
    "https://app.test/{x}",
    "https://app.test/%",
    "https://app.test/%4",
    "https://app.test/%zz",
    "https://app.test/cb?code=1",
    "https://app.test/cb?a=1&state=",
    "https://app.test/cb?%63ode=1",
    "https://app.test/cb?iss=x",
    "https://app.test/" + "x" * 2048,
    None,
    1,
    [],
    {},
    b"https://app.test/cb",
]
LOOPBACK = ("127.0.0.1", "[::1]", "localhost")
paths = st.sampled_from(["", "/", "/cb", "/cb?x=1", "?x=1", "/a/b", "/cb/"])
ports = st.one_of(st.just(""), st.integers(0, 65535).map(lambda port: f":{port}"))


@pytest.mark.parametrize("uri", GOOD)
def test_may_be_registered(uri: str):
    assert redirect_uri.check(uri) == uri
    assert redirect_uri.registered(uri, (uri,))


@pytest.mark.parametrize("uri", BAD)
def test_may_not_be_registered(uri: object):
    with pytest.raises(InvalidRedirectUri) as refusal:
        redirect_uri.check(uri)
    if isinstance(uri, str) and len(uri) > 12:
        assert uri not in refusal.value.description


@given(st.text(st.characters(codec="ascii"), max_size=60), st.sampled_from(["", "https://", "http://", "a.b://["]))
def test_any_text_is_a_uri_or_an_error(text: str, start: str):
    try:
        uri = redirect_uri.check(start + text)
    except InvalidRedirectUri:
        return
    parts = urlsplit(uri)  # an independent reader agrees on what matters
    assert not parts.fragment
    assert parts.username is None or parts.scheme not in ("https", "http")
    assert parts.scheme != "http" or parts.hostname in ("127.0.0.1", "::1", "localhost")
    assert parts.scheme not in ("javascript", "data", "file", "vbscript")


@given(st.sampled_from(LOOPBACK), paths, ports, ports)
def test_loopback_may_use_any_port(host: str, path: str, one: str, other: str):
    assert redirect_uri.registered(f"http://{host}{one}{path}", (f"http://{host}{other}{path}",))
    assert redirect_uri.is_loopback(f"http://{host}{one}{path}")


@given(st.sampled_from(LOOPBACK), st.sampled_from(LOOPBACK), paths, paths, ports)
def test_loopback_still_means_the_same_host_and_path(host: str, other: str, path: str, its_path: str, port: str):
    same = (host, path) == (other, its_path)
    assert redirect_uri.registered(f"http://{host}{port}{path}", (f"http://{other}:1{its_path}",)) == same


@pytest.mark.parametrize(
    ("asked", "registered"),
    [
        ("https://app.test:8443/cb", "https://app.test/cb"),
        ("https://app.test/cb/", "https://app.test/cb"),
        ("https://app.test/cb?", "https://app.test/cb"),
        ("https://APP.test/cb", "https://app.test/cb"),
        ("https://app.test/%63b", "https://app.test/cb"),
        ("http://127.0.0.1:70000/cb", "http://127.0.0.1/cb"),
        ("http://127.0.0.1:/cb", "http://127.0.0.1/cb"),
        ("http://127.0.0.1:1@evil.test/cb", "http://127.0.0.1/cb"),
        ("http://127.0.0.1:1\n/cb", "http://127.0.0.1/cb"),
        ("http://127.0.0.1.evil.test/cb", "http://127.0.0.1/cb"),
        ("https://127.0.0.1:1/cb", "https://127.0.0.1/cb"),
        ("com.example.app:/cb2", "com.example.app:/cb"),
        ("", "https://app.test/cb"),
    ],
)
def test_everything_else_is_exact(asked: str, registered: str):
    assert not redirect_uri.registered(asked, (registered,))


def test_what_people_are_shown():
    assert redirect_uri.host("https://app.test:8443/cb") == "app.test:8443"
    assert redirect_uri.host("http://[::1]:3/cb") == "[::1]:3"
    assert redirect_uri.host("com.example.app:/cb") == "com.example.app:"
    assert not redirect_uri.is_loopback("https://127.0.0.1/cb")
    assert not redirect_uri.is_loopback("com.example.app:/cb")
