"""Rows CLA-01 to CLA-07, CLA-20: client secrets, sent in one way, guessed in none."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote, quote_plus

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.hostile.rows import row
from tests.hostile.target import Target
from tests.hostile.test_net import HELD
from tests.support.oauth import Client, Person

MOST_FAILURES = 20
TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ODD_ID, ODD_SECRET = "a machine: plus+per%41cent/ключ", "s:e+c%72&r=e t/ключ🔑%zz"
GRANT = {"grant_type": "client_credentials"}


def basic(id: str | bytes, secret: str | bytes) -> dict[str, str]:
    pair = b":".join(each.encode() if isinstance(each, str) else each for each in (id, secret))
    return {"authorization": f"Basic {base64.b64encode(pair).decode()}"}


@pytest.fixture(autouse=True)
def no_limits_left(issuer: Target) -> None:
    issuer.forget("DELETE FROM limits")


@pytest.fixture(scope="module")
def machine(issuer: Target) -> Client:
    """The client of the settings: confidential, for client_credentials."""
    return Client(issuer.client, "mcp-client", secret=(issuer.pair.keys / "mcp-client.secret").read_text().strip())


@pytest.fixture(scope="module")
def odd(issuer: Target) -> Client:
    """A machine whose id and secret hold every sign that one encoding or another would change."""
    made = json.loads(issuer.command("client", "add", "Odd", "--confidential", "--grant", "client_credentials"))
    digest = json.dumps([[hashlib.sha256(ODD_SECRET.encode()).hexdigest(), None]])
    change = "UPDATE clients SET id = ?, document = json_set(document, '$.secrets', json(?)) WHERE id = ?"
    issuer.forget(change, ODD_ID, digest, made["client_id"])
    return Client(issuer.client, ODD_ID, secret=ODD_SECRET)


def refused(issuer: Target, headers: Any, form: dict[str, Any] | None = None) -> None:
    answer = issuer.send("POST", "/token", expect=401, error="invalid_client", headers=headers, data=form or GRANT)
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert answer.headers["cache-control"] == "no-store"


@row("CLA-01")
@pytest.mark.parametrize("assertion", ["e30.e30.AAAA", "x"])
def test_two_methods_at_once(issuer: Target, machine: Client, assertion: str) -> None:
    assert machine.secret
    issuer.canaries.add(machine.secret)
    header, secret = basic("mcp-client", machine.secret), {"client_secret": machine.secret}
    signed = {"client_assertion": assertion, "client_assertion_type": TYPE}
    for headers, form in (
        (header, secret),
        (header, {**secret, "client_id": "mcp-client"}),
        (header, {"client_secret": "wrong"}),
        (header, signed),
        (header, {"client_assertion": assertion}),
        (header, {"client_assertion_type": TYPE}),
        ({}, {**signed, **secret, "client_id": "mcp-client"}),
        ({}, {"client_assertion": assertion, **secret}),
        ({"authorization": "Bearer x"}, {**secret, "client_id": "mcp-client"}),
        (header, {**signed, **secret}),
    ):
        for path in ("/token", "/revoke", "/introspect"):
            form = {**GRANT, "token": "x", **form}
            issuer.send("POST", path, expect=400, error="invalid_request", headers=headers, data=form)
    assert issuer.client.post("/token", data=GRANT, headers=header).status_code == 200


@row("CLA-03")
@pytest.mark.parametrize(
    "encoded",
    [
        *(
            "",
            "YWJj",
            "***",
            "bWNwLWNsaWVudDp4\n",
            "bWNwLWNsaWVudDp4=",
            "bWNwLWNsaWVudDp4 x",
            "=",
            "Og==",
            "OnNlY3JldA==",
        ),
        *("bWNwLWNsaWVudDp", "bWNwLWNsaWVudDp4AA", "_-_-", "%zz", "bWNwLWNsaWVudDp4,Basic YTpi", "bWNw LWNsaWVudDp4"),
        *(base64.b64encode(raw).decode() for raw in (b"\xff\xfe:x", b"a:\xff", b"a\0b:c", b"a:\0", b"%00:x", b"a:%ff")),
        *(base64.b64encode(raw).decode() for raw in (b"%zz:%zz", b"a:%", b":", b"::", b"mcp-client", b"mcp-client:")),
        *("A" * 64_000, base64.b64encode(b"a" * 48_000 + b":b").decode()),
    ],
    ids=lambda value: str(value)[:24],
)
def test_headers_that_are_not_basic(issuer: Target, encoded: str) -> None:
    if not encoded or encoded[-1:].isspace():  # no HTTP library sends these
        for scheme in ("Basic", "Basic ", "basic \t", "Basic  "):
            head = f"POST /token HTTP/1.1\r\nHost: {issuer.host}\r\nAuthorization: {scheme}{encoded.strip()}\r\n"
            kind = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 29\r\n\r\n"
            answer = issuer.raw(f"{head}{kind}grant_type=client_credentials".encode(), expect={401})
            assert answer.headers["www-authenticate"].startswith("Basic ")
    else:
        refused(issuer, {"authorization": f"Basic {encoded}"})


@row("CLA-03")
@HELD
@given(raw=st.binary(max_size=60), wrapped=st.booleans())
def test_no_bytes_prove_a_client(issuer: Target, raw: bytes, wrapped: bool) -> None:
    issuer.forget("DELETE FROM limits")
    text = base64.b64encode(raw) if wrapped else bytes(c for c in raw if 32 < c < 127)
    if text:
        refused(issuer, [(b"authorization", b"Basic " + text), (b"content-type", b"application/x-www-form-urlencoded")])


@row("CLA-03")
@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC", "bAsIc"])
def test_the_scheme_in_any_case(machine: Client, scheme: str) -> None:
    assert machine.secret
    header = basic("mcp-client", machine.secret)["authorization"].replace("Basic", scheme)
    answer = machine.http.post("/token", data=GRANT, headers={"authorization": header})
    assert answer.status_code == 200, answer.text


@row("CLA-03")
@pytest.mark.parametrize("encode_id", [quote_plus, lambda text: quote(text, safe="")], ids=["plus", "%20"])
def test_signs_that_encodings_change(issuer: Target, odd: Client, encode_id: Callable[[str], str]) -> None:
    """RFC 6749 Appendix B percent-encodes both; half of all clients send the secret as it is."""
    for secret in (quote_plus(ODD_SECRET), quote(ODD_SECRET, safe=""), ODD_SECRET):
        answer = issuer.client.post("/token", data=GRANT, headers=basic(encode_id(ODD_ID), secret))
        assert answer.status_code == 200, (secret, answer.text)
    assert issuer.client.post("/token", data=odd.form(**GRANT)).status_code == 200
    for wrong in (
        ODD_SECRET.replace("+", " "),
        ODD_SECRET.replace("%72", "r"),
        ODD_SECRET.split(":")[0],
        ODD_SECRET.upper(),
    ):
        refused(issuer, basic(encode_id(ODD_ID), quote_plus(wrong)))
        refused(issuer, basic(encode_id(ODD_ID), wrong))


@row("CLA-04")
@pytest.mark.parametrize(
    "named", ["nobody", "MCP-CLIENT", "mcp-client2", "mcp-clien", " mcp-client", "mcp-client\n", "*"]
)
def test_two_names(issuer: Target, machine: Client, named: str) -> None:
    assert machine.secret
    header = basic("mcp-client", machine.secret)
    for path in ("/token", "/introspect", "/revoke"):
        form = {**GRANT, "token": "x", "client_id": named}
        errors = {"invalid_request", "invalid_client"}
        issuer.send("POST", path, expect={400, 401}, error=errors, headers=header, data=form)


@row("CLA-05")
@pytest.mark.parametrize("way", ["basic", "post", "none"])
def test_one_answer_for_unknown_and_wrong(issuer: Target, machine: Client, way: str) -> None:
    confidential = Client.register(
        issuer.client, token_endpoint_auth_method=f"client_secret_{way.replace('none', 'post')}"
    )
    public = Client.register(issuer.client)
    answers = set()
    for id in ("mcp-client", "nobody", confidential.id, public.id, "mcp_client_" + "A" * 22, "x" * 300):
        form = {**GRANT, **({} if way == "basic" else {"client_id": id})}
        if way == "none" and id == public.id:
            continue  # that is who it is: a public client proves itself by its name
        if way == "post":
            form["client_secret"] = "wrong"
        headers = basic(id, "wrong") if way == "basic" else {}
        answer = issuer.send("POST", "/token", expect=401, error="invalid_client", headers=headers, data=form)
        answers.add((answer.text, answer.headers.get("www-authenticate"), answer.headers["content-length"]))
    assert len(answers) == 1


@row("CLA-05")
def test_one_time_for_unknown_and_wrong(issuer: Target) -> None:
    """2000 calls in pairs: what is between them is less than what is between two of a kind, or nothing to speak of."""
    wrong, pairs = [("mcp-client", "w" * 50), ("mcp-clienT", "w" * 50)], 1000
    took: dict[str, list[float]] = {id: [] for id, _ in wrong}
    connection = httpx.HTTPTransport()
    requests = {
        id: httpx.Request("POST", f"{issuer.origin}/token", data=GRANT, headers=basic(id, no)) for id, no in wrong
    }
    with issuer.holds(events=None, inputs=2 * pairs), connection, limits_of(issuer) as forget:
        for number in range(pairs):
            if number % (MOST_FAILURES - 1) == 0:
                forget()
            for id in list(took)[:: 1 if number % 2 else -1]:
                started = time.perf_counter()
                answer = connection.handle_request(requests[id])
                answer.read()
                took[id].append(time.perf_counter() - started)
                assert answer.status_code == 401
    differences = [known - unknown for known, unknown in zip(*took.values(), strict=True)]
    low, middle, high = statistics.quantiles(differences, n=4)
    # 50 microseconds: to read a row takes some, and no network shows them; a hash made for people would be thousands.
    assert abs(middle) < max((high - low) / 4, 50e-6), "one of them is slower"


@contextlib.contextmanager
def limits_of(issuer: Target) -> Iterator[Callable[[], object]]:
    """Forgets what was counted, quickly."""
    with contextlib.closing(sqlite3.connect(issuer.database, timeout=10, isolation_level=None)) as database:
        yield lambda: database.execute("DELETE FROM limits")


@row("CLA-06")
@pytest.mark.parametrize("way", ["basic", "post"])
def test_guessing_a_secret(issuer: Target, later: Callable[[int], None], way: str) -> None:
    client = Client.register(issuer.client, token_endpoint_auth_method=f"client_secret_{way}")
    other = Client.register(issuer.client, token_endpoint_auth_method=f"client_secret_{way}")
    refresh = proven(
        client, way, issuer.client, {"grant_type": "authorization_code", **client.redemption(client.code())}
    )

    def guess(number: int) -> httpx.Response:
        path = ("/token", "/revoke", "/introspect")[number % 3]
        wrong = Client(issuer.client, client.id, secret=f"guess-{number}")
        return proven(
            wrong, way, issuer.client, {"grant_type": "refresh_token", "refresh_token": "x", "token": "x"}, path
        )

    with issuer.holds(changes=True, events=100, inputs=100), ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(guess, range(100)))
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {401, 429}
    assert statuses.count(401) <= MOST_FAILURES + 8, "eight were under way when the door closed"
    late = [answer for answer in answers if answer.status_code == 429]
    assert all(0 < int(answer.headers["retry-after"]) <= 300 for answer in late)

    renewal = {"grant_type": "refresh_token", "refresh_token": refresh.json()["refresh_token"]}
    assert proven(client, way, issuer.client, renewal).status_code == 429, "the right one is not told apart"
    with httpx.Client(base_url=issuer.origin, transport=httpx.HTTPTransport(local_address="127.0.0.2")) as elsewhere:
        renewed = proven(client, way, elsewhere, renewal)
        assert renewed.status_code == 200, "nobody locks another's client out"
    assert proven(other, way, issuer.client, {**renewal, "refresh_token": "x"}).status_code == 400, "authenticated"
    later(301)
    assert proven(client, way, issuer.client, {**renewal, "refresh_token": "x"}).status_code == 400


def proven(client: Client, way: str, http: httpx.Client, form: dict[str, Any], path: str = "/token") -> httpx.Response:
    """A request of this client, proving itself in this way."""
    form = {name: value for name, value in form.items() if name not in ("client_id", "client_secret")}
    assert client.secret
    if way == "basic":
        return http.post(path, data=form, headers=basic(client.id, client.secret))
    return http.post(path, data={**form, "client_id": client.id, "client_secret": client.secret})


@row("CLA-07")
def test_a_replaced_secret_ends(issuer: Target, odd: Client, later: Callable[[int], None]) -> None:
    new = json.loads(issuer.command("client", "rotate", ODD_ID, "--overlap", "60"))["client_secret"]
    both = (quote_plus(ODD_SECRET), new)
    for secret in both:
        assert issuer.client.post("/token", data=GRANT, headers=basic(quote_plus(ODD_ID), secret)).status_code == 200
    later(61)
    refused(issuer, basic(quote_plus(ODD_ID), both[0]))
    assert issuer.client.post("/token", data=GRANT, headers=basic(quote_plus(ODD_ID), new)).status_code == 200
    later(10**9)
    refused(issuer, basic(quote_plus(ODD_ID), both[0]))


@row("CLA-20")
def test_a_copy_of_the_database_opens_nothing(issuer: Target, machine: Client) -> None:
    """Every secret that was handed out is looked for in all tables and in the files, journal included."""
    http = issuer.client
    made = http.post(
        "/register",
        json={
            "redirect_uris": ["http://127.0.0.1/callback"],
            "token_endpoint_auth_method": "client_secret_post",
            "grant_types": ["authorization_code", "refresh_token"],
        },
    ).json()
    client = Client(http, made["client_id"], secret=made["client_secret"])
    spent, code = client.tokens(), client.code()
    live = client.refresh(spent["refresh_token"]).json()
    alice = Person(issuer.origin)
    alice.consent_page(Client.register(http))
    cookies = [cookie.value for cookie in alice.http.cookies.jar if cookie.value]
    assert cookies
    handed_out = {name: made[name] for name in ("client_secret", "registration_access_token")}
    handed_out |= {"code": code, "spent": spent["refresh_token"], "live": live["refresh_token"]}
    handed_out |= {"access": live["access_token"], "machine": machine.secret or ""}
    handed_out |= {f"cookie {number}": value for number, value in enumerate(cookies)}
    with issuer.holds(events=None, inputs=len(handed_out)):
        files = b"".join(path.read_bytes() for path in issuer.database.parent.iterdir() if path.is_file())
    state = str(issuer.state()).encode()
    for name, value in handed_out.items():
        for shape in (value, value.split("_", 2)[-1], base64.b64encode(value.encode()).decode().rstrip("=")):
            assert shape.encode() not in files, f"{name} is in the database"
    for name in ("client_secret", "registration_access_token"):
        assert hashlib.sha256(made[name].encode()).hexdigest().encode() in state, "as its SHA-256"
