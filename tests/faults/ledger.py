"""Clients that write down each answer they got, and ask afterwards whether it still holds."""

from __future__ import annotations

import random
import ssl
from collections import Counter
from dataclasses import dataclass, field

import httpx
from tests.support import oauth

TLS = ssl.create_default_context()  # never used, but made anew for each client it would cost most of the time


@dataclass
class Ledger:
    """What was acknowledged, by kind, and what did not hold: both lists must stay empty."""

    acknowledged: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    under_way: Counter[str] = field(default_factory=Counter)
    """Requests that were never answered."""

    def must(self, holds: bool, fact: str) -> None:
        if not holds:
            self.lost.append(fact)

    def must_not(self, works: bool, fact: str) -> None:
        if works:
            self.twice.append(fact)


@dataclass
class Grant:
    """What a program holds of one code: the code, and the latest refresh token that came of it."""

    client: oauth.Client
    code: str
    token: str | None = None
    revoked: bool = False


class Program:
    """One client program: it registers, gets codes, redeems, refreshes, revokes, one request after the other."""

    def __init__(self, origin: str, ledger: Ledger, seed: int) -> None:
        self.http = httpx.Client(base_url=origin, timeout=60, trust_env=False, verify=TLS)
        self.ledger = ledger
        self.random = random.Random(seed)
        self.client: oauth.Client | None = None
        self.grant: Grant | None = None
        self.pending = ""
        self.registered: list[tuple[str, str]] = []  # paths and tokens of client configuration endpoints
        self.grants: list[Grant] = []

    # -- while it goes on ----------------------------------------------------------------------------------

    def work(self) -> None:
        """Until no answer comes."""
        try:
            while True:
                self.step()
        except httpx.TransportError:
            self.ledger.under_way[self.pending] += 1

    def step(self) -> None:
        """One request, the next that makes sense; its answer must be the right one."""
        if self.client is None:
            self.register()
        elif self.grant is None:
            self.ask(self.client)
        elif self.grant.token is None:
            self.redeem(self.grant)
        else:
            chance = self.random.random()
            if chance < 0.7:
                self.refresh(self.grant, self.grant.token)
            elif chance < 0.85:
                self.revoke(self.grant, self.grant.token)
            else:
                self.grant = None
                self.client = self.client if chance < 0.95 else None

    def _acknowledge(self) -> None:
        self.ledger.acknowledged[self.pending] += 1
        self.pending = ""

    def register(self) -> None:
        self.pending = "registration"
        document = {
            "redirect_uris": [oauth.REDIRECT_URI],
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
        }
        answer = self.http.post("/register", json=document)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        self.client = oauth.Client(self.http, made["client_id"])
        self.registered.append((f"/register/{made['client_id']}", made["registration_access_token"]))
        self._acknowledge()

    def ask(self, client: oauth.Client) -> None:
        self.pending = "code"
        self.grant = Grant(client, client.code())
        self.grants.append(self.grant)
        self._acknowledge()

    def redeem(self, grant: Grant) -> None:
        self.pending = "redemption"
        answer = grant.client.redeem(grant.code)
        assert answer.status_code == 200, answer.text
        grant.token = answer.json()["refresh_token"]
        self._acknowledge()

    def refresh(self, grant: Grant, token: str) -> None:
        self.pending = "rotation"
        answer = grant.client.refresh(token)
        assert answer.status_code == 200, answer.text
        grant.token = answer.json()["refresh_token"]
        self._acknowledge()

    def revoke(self, grant: Grant, token: str) -> None:
        self.pending = "revocation"
        answer = self.http.post("/revoke", data=grant.client.form(token=token))
        assert answer.status_code == 200, answer.text
        grant.revoked = True
        self.grant = None
        self._acknowledge()

    # -- when the issuer is back ---------------------------------------------------------------------------

    def look_back(self) -> None:
        """Ask whether all that was acknowledged since the last time holds, and repeat what was not answered."""
        self._repeat()
        for path, token in self.registered:
            found = self.http.get(path, headers={"Authorization": f"Bearer {token}"})
            self.ledger.must(found.status_code == 200, f"{path} is {found.status_code}")
        for grant in self.grants:
            if grant.revoked and grant.token:
                self.ledger.must_not(grant.client.refresh(grant.token).status_code == 200, "a revoked refresh token")
            elif grant.token:
                self._renew(grant, grant.token)
            elif grant is self.grant:
                redeemed = grant.client.redeem(grant.code)
                self.ledger.must(redeemed.status_code == 200, f"a code: {redeemed.text}")
                grant.token = redeemed.json().get("refresh_token")
        self.registered.clear()

    def _renew(self, grant: Grant, token: str) -> None:
        renewed = grant.client.refresh(token)
        self.ledger.must(renewed.status_code == 200, f"a refresh token: {renewed.text}")
        grant.token = renewed.json().get("refresh_token")

    def _repeat(self) -> None:
        pending, self.pending = self.pending, ""
        grant = self.grant
        if pending == "redemption" and grant:
            # Its answer may be what was lost: then the code is spent, and never again worth anything.
            redeemed = grant.client.redeem(grant.code)
            assert redeemed.status_code in (200, 400), redeemed.text
            grant.token = redeemed.json().get("refresh_token")
            if grant.token is None:
                self.grants.remove(grant)
                self.grant = None
        elif pending == "rotation" and grant and grant.token:
            # An honest client that never saw its answer asks again, on whichever connection, and twice.
            answers = [grant.client.refresh(grant.token) for _ in range(2)]
            self.ledger.must({a.status_code for a in answers} == {200}, f"an honest client: {answers[0].text}")
            successors = {answer.json().get("refresh_token") for answer in answers}
            self.ledger.must_not(len(successors) > 1, "a refresh token has two successors")
            grant.token = successors.pop()
        elif pending == "revocation" and grant and grant.token:
            self.revoke(grant, grant.token)

    def replay(self) -> None:
        """At the very end: no code that was redeemed, and no refresh token that was used, is worth anything."""
        for grant in self.grants:
            if grant.token:
                self.ledger.must_not(grant.client.redeem(grant.code).status_code == 200, "a redeemed code")
                self.ledger.must_not(grant.client.refresh(grant.token).status_code == 200, "what came of a stolen code")
