"""Three replicas of each on PostgreSQL behind Caddy, as docker-compose.scale.yml runs them: one issuer, one resource.

The same clients as everywhere go through it too: tests marked `EVERYWHERE` and `AND_SCALED`.
"""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.pair.foreign import SCALED
from tests.support.oauth import Client, Person, answer_of, form_of
from tests.support.servers import Name, Scaled

pytestmark = SCALED
REPLICAS = (1, 2, 3)
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
MODERN = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "add_numbers"}

# Run inside the network, whose every container has an address of its own: requests by raw HTTP, and what came back.
ASK = """
import http.client, json, sys
answers = []
session = None
for host, port, method, path, headers, body in json.load(sys.stdin):
    connection = http.client.HTTPConnection(host, port, timeout=30)
    connection.request(method, path, body, {**headers, **({"mcp-session-id": session} if session else {})})
    answer = connection.getresponse()
    session = answer.getheader("mcp-session-id", session)
    answers.append([answer.status, answer.getheader("x-request-id"), answer.read().decode()])
print(json.dumps(answers))
"""
Asked = tuple[str, int, str, str, dict[str, str], str | None]


def ask(pair: Scaled, service: Name, index: int, requests: Iterable[Asked]) -> list[tuple[int, str, str]]:
    """Send requests from inside one container, one after another; status, request id and body of each answer."""
    at = ("exec", "-T", "--index", str(index), service, "python", "-c", ASK)
    return [tuple(answer) for answer in json.loads(pair.compose(*at, stdin=json.dumps(list(requests))))]


def lines(pair: Scaled, service: Name, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The log line of each request, by request id, with the replica that wrote it; waits until all are written."""
    wanted, deadline = set(ids), time.monotonic() + 30
    while True:
        found = {}
        for replica in REPLICAS:
            log = pair.compose("logs", "--no-color", "--no-log-prefix", "--index", str(replica), service)
            for line in log.splitlines():
                if '"request_id"' in line:
                    entry = json.loads(line[line.index("{") :])
                    found[entry["request_id"]] = {**entry, "replica": replica}
        if wanted <= found.keys():
            return {id: found[id] for id in wanted}
        assert time.monotonic() < deadline, wanted - found.keys()
        time.sleep(0.3)


def replicas(pair: Scaled, service: Name, ids: Iterable[str]) -> set[int]:
    """Which replicas answered. Caddy takes turns, but begins anew, in another order, whenever it asked for names."""
    return {line["replica"] for line in lines(pair, service, ids).values()}


def noting(ids: list[str]) -> dict[str, list[Callable[[httpx.Response], None]]]:
    """Hooks of an httpx client that keep the request id of every answer."""
    return {"response": [lambda answer: ids.append(answer.headers["x-request-id"])]}


def call(pair: Scaled, token: str) -> httpx.Response:
    """A tool call of 2026-07-28."""
    params = {"name": "add_numbers", "arguments": {"a": 2, "b": 3}, "_meta": META}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    headers = {**MODERN, "authorization": f"Bearer {token}", "accept": "application/json, text/event-stream"}
    return httpx.post(pair.mcp, json=body, headers=headers, timeout=30)


def test_every_step_of_a_login_may_happen_on_another_replica(pair: Scaled) -> None:
    ids: list[str] = []
    person = Person(pair.issuer)
    person.http.event_hooks = noting(ids)
    with httpx.Client(base_url=pair.issuer, timeout=30, event_hooks=noting(ids)) as http:
        client = Client.register(http)
        tokens = client.redeem(answer_of(person.approve(person.consent_page(client)))["code"]).json()
        assert call(pair, tokens["access_token"]).status_code == 200
        first = tokens["refresh_token"]
        second = client.refresh(first).json()["refresh_token"]
        assert client.refresh(first).json()["refresh_token"] == second, "an honest retry, on another replica"
        third = client.refresh(second).json()["refresh_token"]
        assert client.refresh(first).json()["error"] == "invalid_grant", "theft"
        assert client.refresh(third).json()["error"] == "invalid_grant", "and all of it has ended, everywhere"
    assert len(replicas(pair, "issuer", ids)) > 1


def test_what_is_revoked_at_one_replica_is_revoked_at_all(pair: Scaled) -> None:
    with httpx.Client(base_url=pair.issuer, timeout=30) as http:
        client, person = Client.register(http), Person(pair.issuer)
        tokens = client.redeem(answer_of(person.approve(person.consent_page(client)))["code"]).json()
        secret = (pair.keys / "mcp-client.secret").read_text().strip()

        def active() -> set[bool]:
            asked = [
                http.post("/introspect", data={"token": tokens["access_token"]}, auth=("mcp-client", secret))
                for _ in range(2 * len(REPLICAS))
            ]
            return {answer.json()["active"] for answer in asked}

        assert active() == {True}
        http.post("/revoke", data=client.form(token=tokens["refresh_token"]))
        assert active() == {False}


def test_replicas_sign_with_the_same_key(pair: Scaled) -> None:
    tokens = [pair.compose("exec", "-T", "--index", str(n), "issuer", "mcp-issuer", "token").strip() for n in REPLICAS]
    assert len({jwt.get_unverified_header(token)["kid"] for token in tokens}) == 1
    assert {call(pair, token).status_code for token in tokens} == {200}


def test_a_modern_call_needs_no_particular_replica(pair: Scaled) -> None:
    token = pair.token()
    answers = [call(pair, token) for _ in range(2 * len(REPLICAS))]
    assert {answer.status_code for answer in answers} == {200}
    assert len(replicas(pair, "resource", [answer.headers["x-request-id"] for answer in answers])) > 1


@pytest.mark.parametrize("index", REPLICAS)
@pytest.mark.parametrize("service", ["issuer", "resource"])
def test_an_older_session_stays_with_one_replica(pair: Scaled, service: Name, index: int) -> None:
    """From six addresses, each a client with a session of its own."""
    host = pair.resource.removeprefix("http://")
    headers = {"host": host, "authorization": f"Bearer {pair.token()}", "content-type": "application/json"}
    headers["accept"] = "application/json, text/event-stream"
    info = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    start = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": info}
    ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    calls = [
        {"jsonrpc": "2.0", "id": n, "method": "tools/call", "params": {"name": "whoami", "arguments": {}}}
        for n in range(1, 9)
    ]
    asked: list[Asked] = [("caddy", 8000, "POST", "/mcp", headers, json.dumps(body)) for body in (start, ready, *calls)]
    answers = ask(pair, service, index, asked)
    assert [status for status, _, _ in answers] == [200, 202, *[200] * len(calls)]
    assert len(replicas(pair, "resource", [id for _, id, _ in answers])) == 1


def test_addresses_are_right_behind_caddy_and_claims_are_none(pair: Scaled) -> None:
    """What the limits count by: the address that Caddy saw; not what a client, or one who passes by Caddy, says."""
    of = {n: pair.compose("exec", "-T", "--index", str(n), "resource", "hostname", "-i").strip() for n in REPLICAS}
    assert len(set(of.values())) == len(REPLICAS)
    claims = [{}, {"x-forwarded-for": "203.0.113.9"}, {"forwarded": "for=203.0.113.9", "x-real-ip": "203.0.113.9"}]
    for service, port, origin in ("issuer", 9000, pair.issuer), ("resource", 8000, pair.resource):
        name: Name = "issuer" if service == "issuer" else "resource"
        for index, address in of.items():
            asked: list[Asked] = [
                (at, port, "GET", "/nothing", {"host": origin.removeprefix("http://"), **claim}, None)
                for at in ("caddy", service)
                for claim in claims
            ]
            ids = [id for _, id, _ in ask(pair, "resource", index, asked)]
            assert {line["client"] for line in lines(pair, name, ids).values()} == {address}


def test_limits_are_shared(pair: Scaled) -> None:
    """Five wrong passwords make an address wait for a name: five in all, not five at each replica."""
    name = f"carol-{uuid.uuid4().hex[:8]}"
    printed = pair.compose("exec", "-T", "issuer", "mcp-issuer", "user", "add", name, "--generate")
    password = printed.split("password: ")[1].strip()
    person, ids = Person(pair.issuer), list[str]()
    with httpx.Client(base_url=pair.issuer, timeout=30) as http:
        client = Client.register(http)
    page = person.open(client)
    person.http.event_hooks = noting(ids)
    answers = []
    for _ in range(7):
        page = person.post(form_of(page), username=name, password="wrong")
        answers.append(page.status_code)
    assert len(replicas(pair, "issuer", ids[:5])) > 1, "so that none of them counts to five alone"
    assert answers[5:] == [429, 429], answers
    assert 429 not in answers[:5]
    assert person.post(form_of(page), username=name, password=password).status_code == 429, "the right one waits too"


def test_an_assertion_counts_once(pair: Scaled) -> None:
    """RFC 7523 §3: whichever replica sees it first, at the same moment or later."""
    key = ec.generate_private_key(ec.SECP256R1())
    jwks = json.dumps({"keys": [json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))]})
    keep = "cat >/tmp/machine.json && exec mcp-issuer client add machine --jwks /tmp/machine.json"
    id = json.loads(pair.compose("exec", "-T", "issuer", "sh", "-c", keep, stdin=jwks))["client_id"]
    now = int(time.time())
    said = {"iss": id, "sub": id, "aud": pair.issuer, "iat": now, "exp": now + 60, "jti": uuid.uuid4().hex}
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION,
        "client_assertion": jwt.encode(said, key, algorithm="ES256"),
    }
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: httpx.post(f"{pair.issuer}/token", data=form, timeout=30), range(12)))
    answers.append(httpx.post(f"{pair.issuer}/token", data=form, timeout=30))
    assert sorted(answer.status_code for answer in answers) == [200, *[401] * 12], answers[0].text
    assert len(replicas(pair, "issuer", [answer.headers["x-request-id"] for answer in answers])) > 1


@pytest.mark.parametrize("service", ["issuer", "resource"])
def test_a_replica_that_starts_again_is_not_missed(pair: Scaled, service: Name) -> None:
    """By a client that asks on, with requests that no proxy may send twice."""
    token, secret = pair.token(), (pair.keys / "mcp-client.secret").read_text().strip()
    seen: list[int] = []
    with ThreadPoolExecutor(1) as pool, httpx.Client(timeout=60) as http:
        again = pool.submit(
            subprocess.run,
            ["docker", "restart", f"{pair.compose.project}-{service}-2"],
            capture_output=True,
            check=True,
        )
        while not again.done():
            if service == "issuer":
                form = {"grant_type": "client_credentials"}
                seen.append(http.post(f"{pair.issuer}/token", data=form, auth=("mcp-client", secret)).status_code)
            else:
                seen.append(call(pair, token).status_code)
        again.result()
        pair.compose("up", "--wait", "--no-recreate", "--scale", "issuer=3", "--scale", "resource=3")
    assert set(seen) == {200}, len(seen)
    assert len(seen) > 10


def test_no_development_token_comes_through_a_proxy(pair: Scaled) -> None:
    answer = httpx.post(f"{pair.issuer}/dev/token")
    assert answer.status_code == 403
    assert "mcp-issuer" not in answer.text
    assert answer.json()["error"] == "access_denied"
