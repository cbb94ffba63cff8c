"""From the bare MCP URL to a tool call, over sockets, as a client that knows nothing else finds its way."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import jwt
import pytest
from tests.pair.foreign import EVERYWHERE
from tests.support.servers import Pair

REVISION = "2026-07-28"


def call_tool(pair: Pair, token: str, name: str, /, **arguments: Any) -> Any:
    """One self-contained tools/call of MCP 2026-07-28."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": REVISION,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    response = httpx.post(
        pair.mcp,
        json={
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": name, "arguments": arguments, "_meta": meta},
        },
        headers={
            "Accept": "application/json, text/event-stream",
            "Authorization": f"Bearer {token}",
            "MCP-Protocol-Version": REVISION,
            "Mcp-Method": "tools/call",
            "Mcp-Name": name,
        },
        timeout=10,
    )
    response.raise_for_status()
    text = response.text
    if response.headers["content-type"].startswith("text/event-stream"):
        text = "".join(re.findall(r"^data: ?(.*)$", text, re.MULTILINE))
    content = json.loads(text)["result"]["structuredContent"]
    return content.get("result", content)


def challenge(response: httpx.Response) -> dict[str, str]:
    """The parameters of the one Bearer challenge."""
    scheme, _, rest = response.headers["www-authenticate"].partition(" ")
    assert scheme == "Bearer"
    return dict(re.findall(r'(\w+)="([^"]*)"', rest))


@EVERYWHERE
def test_a_client_finds_its_way_from_the_bare_url(pair: Pair) -> None:
    refused = httpx.post(pair.mcp, json={"jsonrpc": "2.0", "id": 1, "method": "server/discover"})
    assert refused.status_code == 401
    asked = challenge(refused)
    assert asked["scope"] == "mcp:tools"
    assert "error" not in asked  # RFC 6750 §3.1: no token, no error code

    resource = httpx.get(asked["resource_metadata"]).json()
    assert resource["resource"] == pair.mcp
    [issuer] = resource["authorization_servers"]

    server = httpx.get(f"{issuer}/.well-known/oauth-authorization-server").json()
    assert server["issuer"] == issuer
    assert "S256" in server["code_challenge_methods_supported"]
    assert {"authorization_endpoint", "token_endpoint", "response_types_supported"} <= set(server)

    registered = httpx.post(
        server["registration_endpoint"],
        json={"redirect_uris": ["http://127.0.0.1:1/callback"], "token_endpoint_auth_method": "none"},
    )
    assert registered.status_code == 201
    client = registered.json()
    assert not [name for name, value in client.items() if value in (None, "")]

    token = pair.token(sub="ada", resource=pair.mcp)
    assert call_tool(pair, token, "add_numbers", a=2, b=3) == 5
    assert "Ada" in call_tool(pair, token, "hello", name="Ada")
    assert call_tool(pair, token, "whoami")["subject"] == "ada"


@EVERYWHERE
def test_a_second_library_verifies_the_token(pair: Pair) -> None:
    metadata = httpx.get(f"{pair.issuer}/.well-known/openid-configuration").json()
    published = httpx.get(metadata["jwks_uri"])
    assert "max-age" in published.headers["cache-control"]
    assert not [key for key in published.json()["keys"] if key.keys() & {"d", "p", "q", "k"}]

    token = pair.token(sub="ada")
    header = jwt.get_unverified_header(token)
    key = jwt.PyJWKSet.from_dict(published.json())[header["kid"]]
    claims = jwt.decode(token, key, algorithms=["RS256"], audience=pair.mcp, issuer=pair.issuer)
    assert header["typ"] == "at+jwt"
    assert claims.keys() >= {"iss", "sub", "aud", "client_id", "scope", "iat", "exp", "jti"}  # RFC 9068 §2.2


@EVERYWHERE
def test_the_issuer_is_the_same_bytes_everywhere(pair: Pair) -> None:
    said = {
        "protected-resource metadata": httpx.get(f"{pair.resource}/.well-known/oauth-protected-resource/mcp").json()[
            "authorization_servers"
        ],
        "root alias": httpx.get(f"{pair.resource}/.well-known/oauth-protected-resource").json()[
            "authorization_servers"
        ],
        "RFC 8414": [httpx.get(f"{pair.issuer}/.well-known/oauth-authorization-server").json()["issuer"]],
        "OpenID": [httpx.get(f"{pair.issuer}/.well-known/openid-configuration").json()["issuer"]],
        "token": [jwt.decode(pair.token(), options={"verify_signature": False})["iss"]],
    }
    assert said == {where: [pair.issuer] for where in said}


@EVERYWHERE
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/mcp"), ("DELETE", "/mcp"), ("GET", "/mcp/sse"), ("POST", "/mcp")]
)
def test_the_challenge_comes_before_any_other_refusal(pair: Pair, method: str, path: str) -> None:
    refused = httpx.request(method, pair.resource + path, content=b"{" if method == "POST" else None)
    assert refused.status_code == 401
    assert challenge(refused)["resource_metadata"] == f"{pair.resource}/.well-known/oauth-protected-resource/mcp"


@EVERYWHERE
@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/docs", "/openapi.json"])
@pytest.mark.parametrize("service", ["issuer", "resource"])
def test_both_say_how_they_are_and_what_they_offer(pair: Pair, service: str, path: str) -> None:
    assert httpx.get(getattr(pair, service) + path).status_code == 200


@EVERYWHERE
def test_health_of_the_mcp_server_needs_no_token(pair: Pair) -> None:
    assert httpx.get(f"{pair.mcp}/health").status_code == 200
