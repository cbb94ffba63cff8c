"""Production shape: https names, a proxy that ends TLS in front of both services, a person with a password."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from tests.issuer.fetch.hosts import Authority
from tests.support import servers
from tests.support.oauth import Client, answer_of, form_of
from tests.support.tls import tls_in_front_of

PASSWORD = "walnut harbour kettle"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pair(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Pair]:
    folder = tmp_path_factory.mktemp("behind-tls")
    inner = {name: str(servers.free_port()) for name in servers.NAMES}
    outer = {name: servers.free_port() for name in servers.NAMES}
    settings = {
        "ISSUER": f"https://localhost:{outer['issuer']}",
        "BASE_URL": f"https://localhost:{outer['resource']}",
        "ISSUER_RESOURCES": f"https://localhost:{outer['resource']}/mcp",
        "ISSUER_PORT": inner["issuer"],
        "RESOURCE_PORT": inner["resource"],
        "ISSUER_REGISTRATION": "open",
        "ISSUER_DOCS": "1",
        "RESOURCE_DOCS": "1",
        # Readiness is asked, and keys are fetched, behind the proxy.
        "ISSUER_ALLOWED_HOSTS": "127.0.0.1",
        "RESOURCE_ALLOWED_HOSTS": "127.0.0.1",
        "JWKS_URL": f"http://127.0.0.1:{inner['issuer']}/.well-known/jwks.json",
    }
    subprocess.run(
        [sys.executable, "-m", "issuer", "user", "add", "carol", "--password-stdin"],
        input=f"{PASSWORD}\n",
        text=True,
        cwd=folder,
        env=servers.clean_environment(**settings),
        check=True,
        capture_output=True,
    )
    context = authority.server("localhost")
    with contextlib.ExitStack() as stack:
        for name in servers.NAMES:
            stack.enter_context(tls_in_front_of(int(inner[name]), context, outer[name]))
        yield stack.enter_context(servers.processes(folder, **settings))


def test_a_person_with_a_password_lets_a_program_in(pair: servers.Pair, authority: Authority) -> None:
    with httpx.Client(base_url=pair.issuer, verify=authority.trusting()) as http:
        client = Client.register(http, redirect_uris=["https://claude.ai/api/mcp/auth_callback"])
        page = client.authorize(resource=pair.mcp)
        login = form_of(page)
        assert "Continue as alice" not in page.text
        signed_in = http.post(login.action, data={**login.fields, "username": "Carol", "password": PASSWORD})
        assert signed_in.status_code == 303
        cookies = signed_in.headers["set-cookie"]
        assert re.search(r"__Host-session=\S+; .*HttpOnly.*Secure", cookies, re.IGNORECASE)
        asking = http.get(signed_in.headers["location"])
        assert "claude.ai" in asking.text
        consent = form_of(asking)
        agreed = http.post(consent.action, data={**consent.fields, "decision": "approve", "scope": "mcp:tools"})
        tokens = client.redeem(answer_of(agreed)["code"], resource=pair.mcp).json()
        assert answer_of(agreed)["iss"] == pair.issuer
        called = http.post(
            pair.mcp,
            headers={
                "Authorization": f"Bearer {tokens['access_token']}",
                "Accept": "application/json, text/event-stream",
            },
            json={
                "jsonrpc": "2.0",
                "id": 1,
                "method": "initialize",
                "params": {
                    "protocolVersion": "2025-11-25",
                    "capabilities": {},
                    "clientInfo": {"name": "test", "version": "1"},
                },
            },
        )
    assert called.status_code == 200, called.text


@pytest.mark.parametrize("path", ["/dev/token", "/metrics"])
def test_what_is_for_development_is_not_there(pair: servers.Pair, authority: Authority, path: str) -> None:
    with httpx.Client(base_url=pair.issuer, verify=authority.trusting()) as http:
        assert http.get(path).status_code == 404
        assert http.post(path).status_code == 404


def test_discovery_names_the_https_origin_alone(pair: servers.Pair, authority: Authority) -> None:
    with httpx.Client(verify=authority.trusting()) as http:
        challenge = http.post(pair.mcp).headers["www-authenticate"]
        metadata = http.get(re.search(r'resource_metadata="([^"]+)"', challenge)[1]).json()  # type: ignore[index]
        assert metadata["authorization_servers"] == [pair.issuer]
        server = http.get(f"{pair.issuer}/.well-known/oauth-authorization-server").json()
    addresses = [value for value in server.values() if isinstance(value, str) and "://" in value]
    assert addresses
    assert all(address.startswith(pair.issuer) for address in addresses)


@pytest.mark.parametrize("service", servers.NAMES)
def test_the_documentation_loads_all_its_parts_over_https(
    pair: servers.Pair, authority: Authority, service: str
) -> None:
    """A browser loads nothing from http into a page from https."""
    origin = pair.issuer if service == "issuer" else pair.mcp.removesuffix("/mcp")
    with httpx.Client(verify=authority.trusting()) as http:
        page = http.get(f"{origin}/docs").text
        parts = re.findall(r'(?:src|href)="([^"]+)"', page)
        assert parts
        for part in parts:
            assert part.startswith(origin)
            assert http.get(part).status_code == 200
