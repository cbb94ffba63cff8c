"""Rows REG-35 and REG-37: who may register, how often, and how many in all; an issuer of its own with small limits."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.hostile.rows import row
from tests.hostile.target import Target, targets
from tests.hostile.test_net import HELD
from tests.support import servers
from tests.support.machine import ROOT
from tests.support.oauth import Client

from issuer.storage.sqlite import SQLiteStore

A_MINUTE, MOST = 60, 70
GOOD = {"redirect_uris": ["http://127.0.0.1/callback"], "token_endpoint_auth_method": "none"}


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """An issuer where only the invited may register."""
    folder = tmp_path_factory.mktemp("strict")
    (folder / "clock").write_text("0")
    port = str(servers.free_port())
    settings = {
        "CLOCK": str(folder / "clock"),
        "ISSUER": f"http://127.0.0.1:{port}",
        "ISSUER_PORT": port,
        "ISSUER_LOG_FORMAT": "json",
        "ISSUER_AUTO_APPROVE": "alice",
        "ISSUER_REGISTRATION": "token",
        "ISSUER_REGISTRATIONS_PER_MINUTE": str(A_MINUTE),
        "ISSUER_MOST_CLIENTS": str(MOST),
    }
    command = [sys.executable, str(ROOT / "tests" / "support" / "clocked.py")]

    def works(client: httpx.Client, headers: dict[str, str]) -> None:
        assert client.post("/dev/token", headers=headers).status_code == 200

    with servers.running("issuer", folder, command=command, **settings) as service:
        pair = servers.Pair("processes", service.origin, "", folder / "keys", {"issuer": service})
        target = Target(pair, service, works)
        targets.append(target)
        yield target


@pytest.fixture(scope="module")
def invitation(strict: Target) -> str:
    """For any number of registrations, within two days."""
    return strict.command("client", "invite", "--many", "--hours", "48").strip()


@pytest.fixture
def clock(strict: Target) -> Iterator[Callable[[int], None]]:
    file = strict.service.folder / "clock"

    def move(seconds: int) -> None:
        file.write_text(str(seconds))

    yield move
    file.write_text("0")


def register(strict: Target, token: str, expect: int | set[int] = 201, **request: Any) -> httpx.Response:
    strict.canaries.add(token)
    sent: dict[str, Any] = {"json": GOOD, "headers": {"authorization": f"Bearer {token}"}, **request}
    return strict.send("POST", "/register", expect=expect, changes=expect == 201, **sent)


def knock(http: httpx.Client, token: str) -> httpx.Response:
    return http.post("/register", json=GOOD, headers={"authorization": f"Bearer {token}"})


def uninvited(strict: Target, header: str | bytes | None) -> None:
    raw = header.encode("latin-1") if isinstance(header, str) else header
    headers = [] if raw is None else [(b"authorization", raw)]
    answer = strict.send("POST", "/register", expect=401, error="invalid_token", json=GOOD, headers=headers)
    assert answer.headers["www-authenticate"].startswith("Bearer")


@row("REG-35")
@pytest.mark.parametrize(
    "header",
    [
        *(
            None,
            "",
            "Bearer",
            "Bearer a b",
            "Basic",
            "Basic YTpi",
            "Bearer " + "A" * 64_000,
        ),
        *(
            "Bearer a,b",
            "Bearer =",
            "bearer x",
            "BEARER",
            "Token x",
            "Bearer \xff\xfe",
            "Bearer: x",
        ),
        *(
            "Bearer null",
            "Bearer undefined",
            "Bearer mcp_ia_",
            "Bearer mcp_ia_e30",
            "Bearer mcp_ia_" + "A" * 200,
            ", Bearer x",
        ),
    ],
)
def test_no_invitation(strict: Target, header: str | None) -> None:
    uninvited(strict, header)


@row("REG-35")
@pytest.mark.parametrize(
    "header", ["Bearer ", "Bearer  ", "Bearer\t", "Bearer \t ", "Basic ", " Bearer", "  ", "Bearer\ta"]
)
def test_a_scheme_and_then_blanks(strict: Target, header: str) -> None:
    head = f"POST /register HTTP/1.1\r\nHost: {strict.host}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
    answer = strict.raw(f"{head}Authorization: {header}\r\n\r\n{{}}".encode(), expect={401})
    assert b'"invalid_token"' in answer.body


@row("REG-35")
@HELD
@given(text=st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60))
def test_no_text_is_an_invitation(strict: Target, text: str) -> None:
    uninvited(strict, f"Bearer {text}".rstrip())


@row("REG-35")
def test_an_invitation_bent(strict: Target, invitation: str) -> None:
    middle = len(invitation) // 2
    other = "A" if invitation[middle] != "A" else "B"
    bent = [invitation[:-1], invitation + "A", invitation[:middle] + other + invitation[middle + 1 :], invitation * 2]
    for token in (*bent, invitation.swapcase(), invitation + "=", invitation.replace("mcp_ia_", "mcp_ra_")):
        uninvited(strict, f"Bearer {token}")
    for header in (f"Bearer {invitation} x", f"Bearer  {invitation}", f"Basic {invitation}", invitation):
        uninvited(strict, header)


@row("REG-35")
def test_other_tokens_are_no_invitation(strict: Target, invitation: str) -> None:
    strict.forget("DELETE FROM limits")
    made = register(strict, invitation).json()
    access = strict.client.post("/dev/token").json()["access_token"]
    for token in (made["registration_access_token"], made["client_id"], access):
        uninvited(strict, f"Bearer {token}")
    strict.send("POST", f"/register?access_token={invitation}", expect=401, error="invalid_token", json=GOOD)


@row("REG-35")
def test_an_invitation_is_used_once(strict: Target, invitation: str, clock: Callable[[int], None]) -> None:
    strict.forget("DELETE FROM limits")
    once = strict.command("client", "invite", "--hours", "1").strip()
    register(strict, once, 400, json={"redirect_uris": ["javascript:alert(1)"]})
    with ThreadPoolExecutor(8) as pool, strict.holds(changes=True, events=8):
        answers = list(pool.map(lambda _: knock(strict.client, once), range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [401] * 7
    uninvited(strict, f"Bearer {once}")
    clock(48 * 3600 + 60)
    uninvited(strict, f"Bearer {invitation}")


@row("REG-37")
def test_one_address_cannot_fill_the_server(strict: Target, invitation: str, clock: Callable[[int], None]) -> None:
    """200 at once from one address, then from many until there is no room, then a day of silence."""
    strict.forget("DELETE FROM limits")
    client = Client(strict.client, knock(strict.client, invitation).json()["client_id"])
    with ThreadPoolExecutor(8) as pool, strict.holds(changes=True, events=200, inputs=200):
        answers = list(pool.map(lambda _: knock(strict.client, invitation), range(200)))
    late = [answer for answer in answers if answer.status_code != 201]
    assert len(answers) - len(late) == A_MINUTE - 1
    assert {answer.status_code for answer in late} == {429}
    assert all(0 < int(answer.headers["retry-after"]) <= 60 for answer in late)
    assert late[0].json()["error"] == "slow_down"
    assert client.tokens()["access_token"], "clients that are here already do not notice"

    with httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.2"), base_url=strict.origin) as elsewhere:
        answers = [knock(elsewhere, invitation) for _ in range(MOST - A_MINUTE)]
    assert {answer.status_code for answer in answers} == {201}, "another address has its own limit"
    clock(61)
    full = register(strict, invitation, 503)
    assert full.json()["error"] == "temporarily_unavailable"
    assert int(full.headers["retry-after"]) > 0
    assert client.tokens()["access_token"]

    clock(86_400 + 120)
    asyncio.run(sweep(strict))
    register(strict, invitation)
    assert client.tokens()["access_token"], "a client that was used stays"


async def sweep(strict: Target) -> None:
    """What the issuer does about once a minute; any replica may."""
    store = SQLiteStore(str(strict.database))
    await store.open()
    try:
        await store.sweep(int(strict.now()), 500)
    finally:
        await store.close()
