"""Rows CON: signing in, consent, and everything a hostile page, person or client may try on the way."""

from __future__ import annotations

import contextlib
import html
import os
import re
import signal
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.hostile.rows import row
from tests.hostile.target import Target
from tests.hostile.test_ref import issuer_in
from tests.support import servers
from tests.support.oauth import Client, Form, Person, answer_of, claims, form_of

AWAY = {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}


def refused(answer: httpx.Response, status: int = 403) -> None:
    """A page that goes nowhere and gives nothing."""
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["content-type"].startswith("text/html")
    assert "location" not in answer.headers
    assert "set-cookie" not in answer.headers


BENT_TRANSACTIONS: dict[str, Callable[[str], str | None]] = {
    "none": lambda sealed: None,
    "empty": lambda sealed: "",
    "garbage": lambda sealed: "x" * 500,
    "cut": lambda sealed: sealed[:-1],
    "its last character changed": lambda sealed: sealed[:-1] + ("A" if sealed[-1] != "A" else "B"),
    "its first character changed": lambda sealed: ("A" if sealed[0] != "A" else "B") + sealed[1:],
    "twice": lambda sealed: sealed + sealed,
    "padding": lambda sealed: sealed + "=",
    "10 KB": lambda sealed: "A" * 10_240,
    "unicode": lambda sealed: "é🔑",
}


@row("CON-01")
@pytest.mark.parametrize("name", BENT_TRANSACTIONS)
def test_a_page_that_was_not_ours(issuer: Target, client: Client, person: Person, name: str) -> None:
    bend = BENT_TRANSACTIONS[name]
    sign_in = form_of(person.open(client))
    with issuer.holds(events=2):
        refused(person.post(sign_in, person="alice", transaction=bend(sign_in.fields["transaction"])))
        refused(person.post(Form("/consent", {}), decision="approve", transaction=bend("x" * 200)))
    question = person.consent_page(client)
    with issuer.holds():
        refused(person.approve(question, transaction=bend(form_of(question).fields["transaction"])))
    assert "code" in answer_of(person.approve(question)), "the page itself still works"


@row("CON-01")
def test_a_page_of_another_step_browser_or_sign_in(issuer: Target, client: Client, person: Person) -> None:
    sign_in = form_of(person.open(client)).fields["transaction"]
    question = person.consent_page(client)
    sealed = form_of(question).fields["transaction"]
    other = Person(issuer.origin, "bob")
    others = form_of(other.consent_page(client)).fields["transaction"]
    with issuer.holds(events=4):
        refused(person.approve(question, transaction=sign_in))
        refused(person.post(Form("/login", {}), person="alice", transaction=sealed))
        refused(person.approve(question, transaction=others))
        refused(
            Person(issuer.origin).post(Form("/consent", {}), decision="approve", scope="mcp:tools", transaction=sealed)
        )


@row("CON-01")
@row("CON-19")
def test_a_page_is_used_once(issuer: Target, client: Client, person: Person) -> None:
    question = person.consent_page(client)
    assert "code" in answer_of(person.approve(question))
    with issuer.holds(events=2):
        refused(person.approve(question))
        refused(person.approve(question, decision="deny"))


@row("CON-01")
@pytest.mark.parametrize("seconds", [601, 86_400, -3_600])
def test_a_page_lives_ten_minutes(
    issuer: Target, client: Client, person: Person, later: Callable[[int], None], seconds: int
) -> None:
    question = person.consent_page(client)
    later(seconds)
    with issuer.holds():
        refused(person.approve(question))


@row("CON-01")
@pytest.mark.parametrize("headers", [AWAY, {"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}])
def test_another_site_cannot_answer(issuer: Target, client: Client, person: Person, headers: dict[str, str]) -> None:
    sign_in, question = person.open(client), None
    with issuer.holds():
        refused(person.http.post("/login", data={**form_of(sign_in).fields, "person": "alice"}, headers=headers))
    question = person.consent_page(client)
    data = {**form_of(question).fields, "decision": "approve", "scope": "mcp:tools"}
    with issuer.holds():
        refused(person.http.post("/consent", data=data, headers=headers))


@row("CON-02")
def test_two_tabs_of_one_request_both_work(client: Client, person: Person) -> None:
    first, second = person.consent_page(client), person.consent_page(client)
    assert "code" in answer_of(person.approve(first))
    assert "code" in answer_of(person.approve(second))


class Tags(HTMLParser):
    """The tags and attributes that a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}


MARKUP = ["<script>alert(1)</script>", '"onmouseover="alert(1)', "{{7*7}}", "${7*7}", "'><img src=x onerror=alert(1)>"]


@row("CON-03")
@pytest.mark.parametrize("text", MARKUP)
def test_nothing_from_a_client_is_markup(issuer: Target, person: Person, text: str) -> None:
    client = Client.register(issuer.client, client_name=text)
    sign_in = person.open(client, state=text, login_hint=text, nonce=text)
    question = person.sign_in(sign_in)
    for page in (sign_in, question):
        seen = Tags()
        seen.feed(page.text)
        assert not seen.names & {"script", "img", "iframe", "object"}
        assert not [name for name in seen.attributes if name.startswith("on")]
        assert ">49<" not in page.text
    assert text in html.unescape(question.text), "and yet the person reads the name as it is"
    assert answer_of(person.approve(question, decision="deny"))["state"] == text


@row("CON-04")
def test_headers_of_every_page(issuer: Target, client: Client, person: Person) -> None:
    sign_in = person.open(client)
    question = person.sign_in(sign_in)
    shown = person.approve(question, decision="show")
    wrong = person.approve(question)
    unknown = person.http.get("/authorize", params={"client_id": "nobody"})
    for page in (sign_in, question, shown, wrong, unknown, person.http.get("/logout"), person.http.get("/account")):
        policy = page.headers["content-security-policy"]
        for rule in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"):
            assert rule in policy
        assert "form-action" not in policy, "Chromium would stop the redirect to the client"
        assert "unsafe-inline" not in policy
        assert page.headers["x-frame-options"] == "DENY"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert page.headers["cache-control"] == "no-store"
        sources = re.findall(r'(?:src|href)="(https?:)?//[^"]*"', page.text)
        assert not sources, "nothing from third parties"


def cookies_of(answer: httpx.Response) -> list[str]:
    return answer.headers.get_list("set-cookie")


@row("CON-06")
def test_cookies_on_loopback(issuer: Target, client: Client, person: Person) -> None:
    page = person.open(client)
    signed_in = person.post(form_of(page), person="alice")
    made = cookies_of(page) + cookies_of(signed_in)
    assert len(made) == 2
    for cookie in made:
        assert {"HttpOnly", "SameSite=lax", "Path=/"} <= {part.strip() for part in cookie.split(";")}
        assert "Domain" not in cookie
        assert re.match(r"[a-z]+-[0-9a-f]{8}=", cookie), "two pairs on one machine keep their own"


@row("CON-06")
def test_cookies_on_https(tmp_path: Path) -> None:
    settings = {"ISSUER": "https://auth.example", "ISSUER_PORT": str(servers.free_port())}
    with servers.running("issuer", tmp_path, ISSUER_REGISTRATION="open", **settings) as service:
        http = httpx.Client(base_url=service.origin, headers={"host": "auth.example"})
        client = Client.register(http, redirect_uris=["https://app.example/cb"])
        made = cookies_of(client.authorize())
    assert len(made) == 1
    assert made[0].startswith("__Host-")
    assert {"Secure", "HttpOnly", "SameSite=lax", "Path=/"} <= {part.strip() for part in made[0].split(";")}
    assert "Domain" not in made[0]


@row("CON-07")
def test_a_planted_session_is_not_adopted(client: Client, person: Person) -> None:
    person.consent_page(client)
    name = next(name for name in person.http.cookies if name.startswith("session"))
    before = person.http.cookies[name]
    person.sign_in(person.open(client, prompt="login"))
    after = person.http.cookies[name]
    assert after != before
    person.http.cookies.set(name, before, domain="127.0.0.1")
    assert 'name="person"' in person.open(client).text, "the old sign-in is dead"


@row("CON-08")
def test_one_browser_cannot_finish_what_another_began(issuer: Target, client: Client) -> None:
    attacker, victim = Person(issuer.origin, "bob"), Person(issuer.origin, "alice")
    moved = attacker.post(form_of(attacker.open(client)), person="bob")
    victim.consent_page(client)
    with issuer.holds():
        refused(victim.http.get(moved.headers["location"], headers={"sec-fetch-site": "cross-site"}))
    question = attacker.http.get(moved.headers["location"], headers={"sec-fetch-site": "same-origin"})
    with issuer.holds():
        refused(victim.approve(question))


@row("CON-09")
def test_consent_is_remembered_for_exactly_what_was_asked(issuer: Target, trusted: Client, person: Person) -> None:
    question = person.consent_page(trusted)
    assert "code" in answer_of(person.approve(question) if question.status_code == 200 else question)
    person.http.headers["sec-fetch-site"] = "none"
    assert "code" in answer_of(person.open(trusted)), "asked before, and unchanged"
    name = "Trusted"
    twin = Client.register(issuer.client, client_name=name, redirect_uris=[trusted.redirect_uri])
    for other, bent in ((twin, {}), (trusted, {"scope": "mcp:tools openid"}), (trusted, {"prompt": "consent"})):
        assert 'name="decision"' in person.open(other, **bent).text


@row("CON-10")
@pytest.mark.parametrize("uri", ["http://127.0.0.1:7777/cb", "https://claude.example:8443/cb"])
def test_consent_says_who_where_and_what(issuer: Target, person: Person, uri: str) -> None:
    client = Client.register(issuer.client, client_name="Claude", redirect_uris=[uri])
    text = html.unescape(re.sub(r"<[^>]+>", "", person.consent_page(client).text))
    for word in ("Claude", uri.split("/")[2], issuer.pair.mcp, "mcp:tools", "Nobody has checked this name"):
        assert word in text
    assert ("on this computer" in text) is uri.startswith("http:")


@row("CON-12")
def test_twenty_clicks_make_one_code(issuer: Target, client: Client, person: Person) -> None:
    question = person.consent_page(client)
    with issuer.holds(changes=True, events=20), ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: person.approve(question), range(20)))
    codes = [answer for answer in answers if answer.status_code == 303]
    assert len(codes) == 1
    assert all(answer.status_code == 403 for answer in answers if answer not in codes)
    assert client.redeem(answer_of(codes[0])["code"]).status_code == 200


@row("CON-13")
@pytest.mark.parametrize(
    ("ticked", "granted"),
    [("mcp:tools", "mcp:tools"), ("openid", "openid"), ("", None), ("admin", None), ("mcp:tools admin", "mcp:tools")],
)
def test_a_part_of_what_was_asked(client: Client, person: Person, ticked: str, granted: str | None) -> None:
    question = person.consent_page(client, scope="mcp:tools openid")
    answer = answer_of(person.approve(question, scope=ticked.split()))
    if granted is None:
        assert answer["error"] == "access_denied"
    else:
        tokens = client.redeem(answer["code"]).json()
        assert tokens["scope"] == claims(tokens["access_token"])["scope"] == granted


@row("CON-15")
def test_nobody_learns_who_is_known(issuer: Target, client: Client) -> None:
    """The same page after the same time, for a name there is and one there is not."""
    issuer.command("user", "add", "carol", "--generate")

    def attempt(name: str) -> tuple[float, str]:
        visitor = Person(issuer.origin)
        form = form_of(visitor.open(client))
        started = time.perf_counter()
        answer = visitor.post(form, username=name, password="wrong password of nobody")
        took = time.perf_counter() - started
        assert answer.status_code in (200, 400, 401, 403), answer.text[:300]
        text = answer.text.replace(name, "NAME")
        return took, re.sub(r'value="[^"]{100,}"', "", re.sub(r"[0-9a-f]{16}", "", text))

    times: dict[str, list[float]] = {"carol": [], "nobody": []}
    pages: dict[str, set[str]] = {"carol": set(), "nobody": set()}
    for _ in range(4):
        for name in times:
            took, text = attempt(name)
            times[name].append(took)
            pages[name].add(text)
    assert pages["carol"] == pages["nobody"]
    known, unknown = (statistics.median(found) for found in times.values())
    assert 0.3 < known / unknown < 3, f"{known:.3f} s for a known name, {unknown:.3f} s for an unknown one"


@row("CON-18")
def test_a_restart_between_login_and_consent(tmp_path: Path) -> None:
    port = str(servers.free_port())
    with issuer_in(tmp_path, port) as service:
        person = Person(service.origin)
        client = Client.register(httpx.Client(base_url=service.origin))
        question = person.consent_page(client)
        assert service.process is not None
        os.kill(service.process.pid, signal.SIGKILL)
        service.process.wait()
    with issuer_in(tmp_path, port), contextlib.suppress(httpx.RemoteProtocolError):
        answer = person.approve(question)
        client.http = httpx.Client(base_url=service.origin)
        tokens = client.redeem(answer_of(answer)["code"]).json()
        assert claims(tokens["access_token"])["client_id"] == client.id


@row("CON-20")
def test_many_consents_do_not_grow_the_cookies(issuer: Target, person: Person) -> None:
    client = Client.register(issuer.client)
    person.approve(person.consent_page(client))
    before = {name: len(value) for name, value in person.http.cookies.items()}
    for _ in range(20):
        assert "code" in answer_of(person.approve(person.consent_page(Client.register(issuer.client))))
    assert {name: len(value) for name, value in person.http.cookies.items()} == before


@row("CON-20")
@pytest.mark.parametrize("cookie", ["a=" + "b" * 16_000, "; ".join(f"c{n}=1" for n in range(500)), "=;=;;"])
def test_odd_cookies(issuer: Target, client: Client, cookie: str) -> None:
    sent: dict[str, Any] = {"cookie": cookie.encode("latin-1"), "sec-fetch-site": "cross-site"}
    answer = issuer.send(
        "GET", "/authorize", expect={200, 400, 431}, json_error=False, params=client.parameters(), headers=sent
    )
    assert "location" not in answer.headers
