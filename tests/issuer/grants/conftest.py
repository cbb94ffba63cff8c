"""A person, a client of theirs and one of somebody else, in a database of their own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.issuer.database import Database

from issuer.grants import authorization_code, refresh_token
from issuer.grants.request import Lives, TokenRequest
from issuer.model import Authorization, Client, Code, User
from issuer.web.form import Form

NOW = 1_800_000_000
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # RFC 7636 Appendix B
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
REDIRECT_URI = "http://127.0.0.1:3000/cb"
ONE, TWO = "https://one.test/mcp", "https://two.test/mcp"
RESOURCES = {ONE: ONE, TWO: "urn:two"}
LIVES = Lives(refresh_idle=1000, refresh_total=5000)
GRANTS = ("authorization_code", "refresh_token")


@dataclass
class World:
    """What a token request meets. `now` is every request's clock."""

    db: Database
    client: Client
    other: Client
    now: int = NOW

    def request(self, client: Client | None = None, /, **parameters: Any) -> TokenRequest:
        pairs = [
            (name, value)
            for name, values in parameters.items()
            for value in (values if isinstance(values, tuple) else (values,))
            if value is not None
        ]
        return TokenRequest(client or self.client, Form(pairs), RESOURCES, LIVES, self.now)

    def code(self, **changes: Any) -> str:
        """A code that the person granted just now."""
        granted: dict[str, Any] = {
            "digest": "",
            "client_id": self.client.id,
            "redirect_uri": REDIRECT_URI,
            "code_challenge": CHALLENGE,
            "subject": "u1",
            "scope": ("openid", "a", "b"),
            "resources": (ONE, TWO),
            "auth_time": self.now - 5,
            "expires_at": self.now + 60,
            "nonce": "n1",
            "sid": "s1",
            **changes,
        }
        return self.db.run(lambda tx: authorization_code.issue(Code(**granted), tx))

    def redemption(self, code: str, client: Client | None = None, /, **changes: Any) -> TokenRequest:
        good = {"code": code, "redirect_uri": REDIRECT_URI, "code_verifier": VERIFIER}
        return self.request(client, **{**good, **changes})

    def redeem(self, code: str, client: Client | None = None, /, **changes: Any) -> Authorization:
        request = self.redemption(code, client, **changes)
        return self.db.run(lambda tx: authorization_code.authorize(request, tx))

    def redemption_refused(self, code: str, client: Client | None = None, /, **changes: Any) -> str:
        request = self.redemption(code, client, **changes)
        return self.db.refused(lambda tx: authorization_code.authorize(request, tx)).code

    def first_refresh_token(self, **changes: Any) -> str:
        token = self.redeem(self.code(**changes)).refresh_token
        assert token is not None
        return token

    def refresh(self, token: str, client: Client | None = None, /, **changes: Any) -> Authorization:
        request = self.request(client, refresh_token=token, **changes)
        return self.db.run(lambda tx: refresh_token.authorize(request, tx))

    def refresh_refused(self, token: str, client: Client | None = None, /, **changes: Any) -> str:
        request = self.request(client, refresh_token=token, **changes)
        return self.db.refused(lambda tx: refresh_token.authorize(request, tx)).code

    def revoked(self, family: str) -> bool:
        found = self.db.run(lambda tx: tx.families.get(family))
        assert found is not None
        return found.revoked_at is not None

    def next_of(self, token: str) -> str:
        """The refresh token that replaces this one."""
        following = self.refresh(token).refresh_token
        assert following is not None
        return following


@pytest.fixture
def world(tmp_path: Path) -> World:
    def client(id: str) -> Client:
        return Client(id=id, origin="operator", created_at=NOW, redirect_uris=(REDIRECT_URI,), grant_types=GRANTS)

    made = World(Database(tmp_path), client("c1"), client("c2"))
    made.db.run(lambda tx: tx.users.add(User(subject="u1", username="alice", created_at=NOW)))
    made.db.run(lambda tx: tx.clients.add(made.client))
    made.db.run(lambda tx: tx.clients.add(made.other))
    return made
