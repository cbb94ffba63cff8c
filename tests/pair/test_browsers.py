"""What a web page of another origin may do with the pair (Fetch standard, CORS protocol)."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import sync_playwright
from tests.pair.clients.browser import FLAGS
from tests.support.machine import chromium
from tests.support.servers import Pair

ANYWHERE = "https://inspector.example"
LOOPBACK = "http://localhost:6274"
MCP_HEADERS = "authorization,content-type,last-event-id,mcp-method,mcp-name,mcp-protocol-version,mcp-session-id"


def preflight(url: str, origin: str, method: str, headers: str) -> httpx.Response:
    return httpx.options(
        url,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": headers,
        },
    )


def allowed(response: httpx.Response) -> set[str]:
    return {name.strip().lower() for name in response.headers["access-control-allow-headers"].split(",")}


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/.well-known/oauth-authorization-server", "GET"),
        ("/.well-known/openid-configuration", "GET"),
        ("/.well-known/jwks.json", "GET"),
        ("/register", "POST"),
        ("/token", "POST"),
    ],
)
def test_any_page_may_use_the_public_endpoints_of_the_issuer(pair: Pair, path: str, method: str) -> None:
    asked = preflight(pair.issuer + path, ANYWHERE, method, "content-type,mcp-protocol-version")
    assert asked.is_success
    assert asked.headers["access-control-allow-origin"] == "*"
    assert {"content-type", "mcp-protocol-version"} <= allowed(asked)
    answer = httpx.request(method, pair.issuer + path, headers={"Origin": ANYWHERE})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("path", ["/authorize", "/login", "/consent", "/account", "/dev/token"])
def test_no_page_may_read_what_belongs_to_the_person(pair: Pair, path: str) -> None:
    for answer in (
        preflight(pair.issuer + path, ANYWHERE, "POST", "content-type"),
        httpx.get(pair.issuer + path, headers={"Origin": ANYWHERE}),
    ):
        assert "access-control-allow-origin" not in answer.headers


def test_any_page_may_read_the_metadata_of_the_resource(pair: Pair) -> None:
    url = f"{pair.resource}/.well-known/oauth-protected-resource/mcp"
    assert preflight(url, ANYWHERE, "GET", "mcp-protocol-version").is_success
    assert httpx.get(url, headers={"Origin": ANYWHERE}).headers["access-control-allow-origin"] == "*"


def test_a_page_on_this_machine_may_call_tools(pair: Pair) -> None:
    asked = preflight(pair.mcp, LOOPBACK, "POST", MCP_HEADERS)  # and a preflight bears no token
    assert asked.is_success
    assert asked.headers["access-control-allow-origin"] in ("*", LOOPBACK)
    assert set(MCP_HEADERS.split(",")) <= allowed(asked)
    refused = httpx.post(pair.mcp, headers={"Origin": LOOPBACK})
    exposed = refused.headers["access-control-expose-headers"].lower()
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] in ("*", LOOPBACK)
    assert "www-authenticate" in exposed
    assert "mcp-session-id" in exposed


def test_a_foreign_page_may_not_call_tools(pair: Pair) -> None:
    headers = {"Origin": ANYWHERE, "Authorization": f"Bearer {pair.token()}"}
    assert httpx.post(pair.mcp, headers=headers).status_code == 403
    assert "access-control-allow-origin" not in preflight(pair.mcp, ANYWHERE, "POST", MCP_HEADERS).headers


CALL = """async ([url, token]) => {
    const name = "add_numbers", revision = "2026-07-28";
    const _meta = {
        "io.modelcontextprotocol/protocolVersion": revision, "io.modelcontextprotocol/clientCapabilities": {},
    };
    const headers = {
        "Authorization": `Bearer ${token}`, "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": revision,
        "Mcp-Method": "tools/call", "Mcp-Name": name, "Mcp-Param-Region": "eu",
    };
    const params = { name, arguments: { a: 2, b: 3 }, _meta };
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params });
    return await (await fetch(url, { method: "POST", headers, body })).text();
}"""


@pytest.mark.browser
def test_a_real_page_calls_a_tool_with_a_header_for_a_parameter(pair: Pair) -> None:
    """`Mcp-Param-{name}` (SEP-2243): nobody can list beforehand what tools name their parameters."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        page = browser.new_page()
        page.goto(f"{pair.issuer}/healthz")  # another origin on this machine, whose page may do as it likes
        answer = page.evaluate(CALL, [pair.mcp, pair.token()])
        browser.close()
    assert '"result":5' in answer.replace(" ", "")
