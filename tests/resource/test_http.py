"""What HTTP says at and around the MCP endpoint: challenges, metadata, web pages, health."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from tests.resource.running import Running, challenge, result

PATHS = ("/mcp", "/mcp/sse", "/mcp/messages/", "/mcp/messages/?session_id=x")
NO_BEARER: dict[str, dict[str, str]] = {
    "nothing": {},
    "empty": {"Authorization": ""},
    "another scheme": {"Authorization": "Basic eDp5"},
    "no credentials": {"Authorization": "Bearer"},
    "a tab": {"Authorization": "Bearer\tx"},
    "no blank": {"Authorization": "BearerX"},
    "in a cookie": {"Cookie": "access_token=x"},
}


@pytest.mark.parametrize("headers", NO_BEARER.values(), ids=NO_BEARER)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PUT", "PATCH", "OPTIONS", "HEAD"])
def test_without_a_token_there_is_one_answer(server: Running, method: str, path: str, headers: dict[str, str]) -> None:
    answer = httpx.request(method, server.origin + path, headers=headers)
    assert answer.status_code == 401
    metadata = f"{server.origin}/.well-known/oauth-protected-resource/mcp"
    assert answer.headers["www-authenticate"] == f'Bearer resource_metadata="{metadata}", scope="mcp:tools"'


@pytest.mark.parametrize("authorization", ["Bearer x", "bearer x", "BEARER x", "Bearer  x", "Bearer a.b.c", "Bearer é"])
@pytest.mark.parametrize("path", PATHS)
def test_a_bad_token_is_told_so(server: Running, path: str, authorization: str) -> None:
    answer = httpx.post(server.origin + path, headers=[(b"Authorization", authorization.encode())])
    assert answer.status_code == 401
    found = challenge(answer)
    assert found["error"] == "invalid_token"
    assert found["scope"] == "mcp:tools"
    assert found["resource_metadata"].endswith("/.well-known/oauth-protected-resource/mcp")
    assert "scope=" not in found["error_description"]
    assert answer.json()["error"]["message"] == found["error_description"]


def test_a_token_in_the_query_is_no_token(server: Running) -> None:
    answer = httpx.post(f"{server.mcp}?access_token={server.token()}")
    assert answer.status_code == 401
    assert "error" not in challenge(answer)


def test_a_good_token_goes_through_in_every_era(server: Running) -> None:
    token = server.token(sub="carol")
    assert result(server.modern("tools/call", token, name="whoami", arguments={}))["structuredContent"] == {
        "subject": "carol",
        "client_id": "client-1",
        "scopes": ["mcp:tools"],
        "expires_at": result(server.modern("tools/call", token, name="whoami", arguments={}))["structuredContent"][
            "expires_at"
        ],
    }
    session = server.session(token)
    called = result(server.legacy("tools/call", token, session, name="add_numbers", arguments={"a": 2, "b": 3}))
    assert called["structuredContent"] == {"result": 5}


def test_without_the_base_scope(server: Running) -> None:
    answer = server.modern("tools/list", server.token(scope="openid"))
    assert answer.status_code == 403
    found = challenge(answer)
    assert (found["error"], found["scope"]) == ("insufficient_scope", "mcp:tools")


@pytest.mark.parametrize("path", ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"])
def test_metadata_names_the_issuer_byte_for_byte(server: Running, path: str) -> None:
    answer = httpx.get(
        server.origin + path, headers={"Origin": "https://anywhere.example", "Authorization": "Bearer x"}
    )
    assert answer.json() == {
        "resource": server.mcp,
        "authorization_servers": [server.issuer.origin],
        "scopes_supported": ["mcp:tools"],
        "bearer_methods_supported": ["header"],
        "resource_name": "mcp-resource",
    }
    assert answer.headers["access-control-allow-origin"] == "*"
    again = httpx.get(server.origin + path, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert httpx.head(server.origin + path).status_code == 200


@pytest.mark.parametrize("path", ["/mcp/", "//mcp", "/MCP", "/mcp%2f", "/mcp/..;/", "/mcp;x", "/%6dcp", "/mcp/sse/"])
def test_no_other_spelling_of_the_endpoint_exists(server: Running, path: str) -> None:
    for token in (None, server.token()):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = httpx.post(server.origin + path, headers=headers)
        assert answer.status_code == 404
        assert answer.json()["error"] == "not_found"


class TestBrowsers:
    """CORS and the Origin guard of /mcp."""

    @pytest.mark.parametrize("origin", ["http://localhost:6274", "http://127.0.0.1", "https://[::1]:8443", "{own}"])
    @pytest.mark.parametrize("path", PATHS)
    def test_a_preflight_is_answered_before_the_token_is_asked_for(
        self, server: Running, path: str, origin: str
    ) -> None:
        origin = origin.format(own=server.origin)
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        answer = httpx.options(server.origin + path, headers=headers)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, origin)
        allowed = answer.headers["access-control-allow-headers"].lower().split(", ")
        wanted = "authorization mcp-protocol-version mcp-session-id mcp-method mcp-name last-event-id content-type"
        assert set(wanted.split()) <= set(allowed)
        assert {"GET", "POST", "DELETE"} == set(answer.headers["access-control-allow-methods"].split(", "))
        assert "access-control-allow-credentials" not in answer.headers

    def test_a_page_may_read_the_challenge(self, server: Running) -> None:
        answer = httpx.post(server.mcp, headers={"Origin": "http://localhost:6274"})
        assert answer.status_code == 401
        exposed = answer.headers["access-control-expose-headers"].lower().split(", ")
        assert {"www-authenticate", "mcp-session-id"} <= set(exposed)
        assert answer.headers["vary"] == "Origin"

    @pytest.mark.parametrize("origin", [
        "https://evil.example", "null", "http://localhost.evil", "http://localhost:6274.evil", "localhost", "",
        "http://127.0.0.1.evil.test", "http://evil@localhost", "file://", "http://localhost:123456", "HTTP://LOCALHOST",
    ])  # fmt: skip
    @pytest.mark.parametrize("path", PATHS)
    def test_a_foreign_page_is_refused_even_with_a_token(self, server: Running, path: str, origin: str) -> None:
        headers = {
            "Origin": origin,
            "Authorization": f"Bearer {server.token()}",
            "Access-Control-Request-Method": "GET",
        }
        for method in ("POST", "GET", "OPTIONS"):
            answer = httpx.request(method, server.origin + path, headers=headers)
            assert answer.status_code == 403
            assert "access-control-allow-origin" not in answer.headers

    @pytest.mark.parametrize("host", [
        "evil.example", "127.0.0.1.evil.test", "localhost:evil", "127.0.0.1:1", "localhost", "", "[::1]", "127.0.0.1.",
        "127.0.0.1:1:80",
    ])  # fmt: skip
    def test_a_foreign_host_is_refused(self, server: Running, host: str) -> None:
        answer = httpx.post(server.mcp, headers={"Host": host, "Authorization": f"Bearer {server.token()}"})
        assert answer.status_code in (400, 421)

    def test_one_port_is_enough(self, server: Running) -> None:
        host = server.origin.removeprefix("http://")
        for extra, expected in (("", 401), (":80", 421), (":", 421)):
            assert httpx.post(server.mcp, headers={"Host": host + extra}).status_code == expected


class TestMessages:
    """What is no JSON-RPC message is refused in words that repeat none of it."""

    @pytest.mark.parametrize("body", [
        "<script>alert(1)</script> s3cret", 1, None, [], [{"jsonrpc": "2.0", "id": 1, "method": "ping"}],
        {"jsonrpc": "2.0", "id": True, "method": "ping"}, {"jsonrpc": "2.0", "id": 1.0, "method": "ping"},
        {"jsonrpc": "2.0", "id": None, "method": "ping"}, {"jsonrpc": "2.0", "id": ["s3cret"], "method": "ping"},
    ])  # fmt: skip
    def test_the_value_is_none(self, server: Running, body: Any) -> None:
        token = server.token()
        for headers in ({}, {"Mcp-Session-Id": server.session(token)}):
            answer = server.post(body, token, **headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32600)
            assert "s3cret" not in answer.text

    @pytest.mark.parametrize("body", [
        {"s3cret": "s3cret"}, {"jsonrpc": "1.0 s3cret", "id": 1, "method": "ping"}, {"jsonrpc": "2.0", "method": 1},
        {"jsonrpc": "2.0", "id": "s3cret", "method": ["s3cret"]},
    ])  # fmt: skip
    def test_within_it_something_is_wrong(self, server: Running, body: Any) -> None:
        answer = server.post(body, server.token())
        assert answer.status_code == 400
        message = answer.json()["error"]["message"]
        assert "\n" not in message
        assert "s3cret" not in message


def test_health_needs_no_token(server: Running) -> None:
    assert httpx.get(f"{server.origin}/healthz").json() == {"status": "ok"}
    assert httpx.get(f"{server.origin}/readyz").json() == {"status": "ok"}
    health = httpx.get(f"{server.origin}/mcp/health").json()
    assert health == {"status": "ok", "server": "mcp-resource", "transport": "both"}


def test_documentation_works_offline(server: Running) -> None:
    page = httpx.get(f"{server.origin}/docs").text
    assert "swagger" in page
    for link in [part.split('"')[0] for part in page.split('src="')[1:] + page.split('href="')[1:]]:
        assert link.startswith(server.origin), link
        assert httpx.get(link).status_code == 200
    assert "/mcp/health" in httpx.get(f"{server.origin}/openapi.json").json()["paths"]


def test_a_session_belongs_to_who_opened_it(server: Running) -> None:
    alice, bob = server.token(sub="alice"), server.token(sub="bob")
    session = server.session(alice)
    assert server.legacy("tools/list", bob, session).status_code == 404
    assert server.legacy("tools/list", server.token(sub="alice"), session).status_code == 200

    def test_an_error_may_answer_what_nobody_could_read(self, server: Running) -> None:
        token = server.token()
        error = {"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "what was that?"}}
        answer = server.post(error, token, **{"Mcp-Session-Id": server.session(token)})
        assert answer.status_code == 202
