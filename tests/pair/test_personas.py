"""The clients people use, as personas: each registers, authorizes and refreshes as that program is known to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from tests.pair.foreign import PROCESSES
from tests.support.oauth import Client, Person, answer_of, claims
from tests.support.servers import Pair

pytestmark = PROCESSES
BOTH = ["authorization_code", "refresh_token"]


@dataclass(frozen=True)
class Persona:
    """registers: what it sends to /register. redirect_uri: what it then uses, where it differs from the first one
    registered. asks: what its authorization request has beside the usual. refreshes_with: likewise for a refresh."""

    name: str
    registers: dict[str, Any]
    redirect_uri: str | None = None
    asks: dict[str, Any] = field(default_factory=dict)
    names_resource: bool = True
    refresh_names_resource: bool = True
    knocks_first: bool = False


PERSONAS = [
    Persona(
        "claude.ai",
        {
            "client_name": "Claude",
            "redirect_uris": ["https://claude.ai/api/mcp/auth_callback"],
            "grant_types": BOTH,
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
            "client_uri": "https://claude.ai",
            "scope": "mcp:tools",
        },
        asks={"scope": "mcp:tools"},
    ),
    Persona(
        "Claude Code",
        {
            "client_name": "Claude Code (pair)",
            "redirect_uris": ["http://localhost:54545/callback"],
            "grant_types": BOTH,
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        },
        redirect_uri="http://localhost:61234/callback",  # another port at each start
        asks={"scope": "mcp:tools offline_access", "prompt": "consent"},
    ),
    Persona(
        "ChatGPT",
        {
            "client_name": "ChatGPT",
            "redirect_uris": ["https://chatgpt.com/connector_platform_oauth_redirect"],
            "grant_types": BOTH,
            "response_types": ["code"],
            "token_endpoint_auth_method": "client_secret_post",
        },
    ),
    Persona(
        "VS Code",
        {
            "client_name": "Visual Studio Code",
            "client_uri": "https://code.visualstudio.com",
            "grant_types": BOTH,
            "response_types": ["code"],
            "redirect_uris": [
                "https://insiders.vscode.dev/redirect",
                "https://vscode.dev/redirect",
                "http://127.0.0.1/",
                "http://127.0.0.1:33418/",
            ],
            "token_endpoint_auth_method": "none",
            "application_type": "native",
        },
        redirect_uri="http://127.0.0.1:50123/",
    ),
    Persona(
        "Cursor",
        {
            "client_name": "Cursor",
            "redirect_uris": [
                "cursor://anysphere.cursor-mcp/oauth/callback",
                "http://localhost:8787/callback",
                "https://www.cursor.com/agents/mcp/oauth/callback",
            ],
            "grant_types": BOTH,
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        },
        asks={"scope": "mcp:tools openid profile email offline_access"},  # all of scopes_supported
    ),
    Persona(
        "Codex CLI",
        {
            "client_name": "Codex",
            "redirect_uris": ["http://127.0.0.1:49152/callback/pTq0dOhQWkrB"],
            "grant_types": BOTH,
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        },
        refresh_names_resource=False,
    ),
    Persona(
        "Goose",
        {
            "client_name": "goose",
            "redirect_uris": ["http://127.0.0.1:41000/oauth_callback"],
            "grant_types": BOTH,
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
            "scope": "",
        },
        redirect_uri="http://127.0.0.1:41777/oauth_callback",
    ),
    Persona(
        "Gemini CLI",
        {
            "client_name": "Gemini CLI MCP Client",
            "redirect_uris": ["http://localhost:7777/oauth/callback"],
            "grant_types": BOTH,
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
            "scope": "",
        },
        redirect_uri="http://localhost:40404/oauth/callback",
        asks={"scope": ""},
    ),
    Persona(
        "MCP Inspector",
        {
            "client_name": "MCP Inspector",
            "client_uri": "https://github.com/modelcontextprotocol/inspector",
            "redirect_uris": ["http://localhost:6274/oauth/callback"],
            "grant_types": BOTH,
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
            "application_type": "native",
            "scope": "",
        },
        knocks_first=True,
    ),
    Persona(
        "mcp-remote",
        {
            "client_name": "MCP CLI Proxy",
            "client_uri": "https://github.com/geelen/mcp-remote",
            "redirect_uris": ["http://localhost:3334/oauth/callback"],
            "grant_types": BOTH,
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
            "software_id": "2e6dc280-f3c3-4e01-99a7-8181dbd1d23d",
            "software_version": "0.15.1",
        },
        asks={"scope": "openid email profile"},  # its fallback when nobody names a scope
    ),
    Persona(
        "FastMCP 2",
        {
            "client_name": "FastMCP Client",
            "redirect_uris": ["http://localhost:52000/callback"],
            "grant_types": BOTH,
            "response_types": ["code"],
        },  # no method: the default is client_secret_basic
        redirect_uri="http://localhost:52111/callback",
        names_resource=False,
        knocks_first=True,
    ),
]


@pytest.mark.parametrize("persona", PERSONAS, ids=lambda persona: persona.name)
def test_persona(pair: Pair, persona: Persona) -> None:
    with httpx.Client(base_url=pair.issuer, timeout=30) as http:
        answer = http.post("/register", json=persona.registers)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        assert all(value not in (None, "") for value in made.values())
        redirect_uri = persona.redirect_uri or made["redirect_uris"][0]
        client = Client(http, made["client_id"], redirect_uri, made.get("client_secret"))
        wanted = {"resource": pair.mcp} if persona.names_resource else {}
        if persona.knocks_first:  # a look at the page without any cookie, before the browser
            assert client.authorize(**wanted, **persona.asks).status_code == 200
        person = Person(pair.issuer)
        agreed = answer_of(person.approve(person.consent_page(client, **wanted, **persona.asks)))
        assert agreed["state"] == "the-state"
        assert agreed["iss"] == pair.issuer
        basic = made["token_endpoint_auth_method"] == "client_secret_basic"
        auth = httpx.BasicAuth(client.id, client.secret or "") if basic else None
        unsaid = {"client_secret": None, "client_id": None} if basic else {}
        send = lambda form: http.post("/token", data=form, auth=auth or httpx.USE_CLIENT_DEFAULT)  # noqa: E731
        tokens = send(client.redemption(agreed["code"], **wanted, **unsaid)).json()
        again = wanted if persona.refresh_names_resource else {}
        form = client.form(grant_type="refresh_token", refresh_token=tokens["refresh_token"], **again, **unsaid)
        renewed = send(form).json()
    assert tokens["token_type"] == renewed["token_type"] == "Bearer"
    assert claims(renewed["access_token"])["aud"] == pair.mcp
    asked = set(persona.asks.get("scope", "").split()) or {"mcp:tools"}
    assert set(renewed["scope"].split()) == asked
    assert renewed["refresh_token"] != tokens["refresh_token"]
