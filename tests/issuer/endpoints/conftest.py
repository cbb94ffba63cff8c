"""One issuer in development for all tests of endpoints, a client of its own for each, and what production has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.issuer.started import Issuer, started
from tests.support.oauth import Client, Person

from issuer import model
from issuer.protocol import secret

ISSUER = "https://issuer.test"
MACHINE_SECRET = "mcp_cs_0123456789abcdefghijklmnopqrstuv"


@pytest.fixture(scope="session")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    """In development, with three scopes; its clock only ever goes forward."""
    scopes = "mcp:tools=Use the tools; notes:read=Read notes; notes:write=Write notes"
    with started(tmp_path_factory.mktemp("issuer"), ISSUER_SCOPES=scopes) as running:
        yield running


@pytest.fixture(scope="session")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    """As on the internet: an https name, behind something that ends TLS."""
    with started(tmp_path_factory.mktemp("public"), ISSUER=ISSUER, ISSUER_SIGNING_ALG="RS256") as running:
        yield running


@pytest.fixture
def client(issuer: Issuer) -> Client:
    """A public client that registered itself."""
    return Client.register(issuer.http)


@pytest.fixture
def person(issuer: Issuer) -> Iterator[Person]:
    """alice, with a browser that nobody signed in with yet."""
    alice = Person(issuer.origin)
    yield alice
    alice.http.close()


def operator_client(issuer: Issuer, id: str, /, **changes: object) -> Client:
    """A confidential client that the operator registered; its consent may be remembered."""
    values: dict[str, object] = {
        "redirect_uris": ("http://127.0.0.1/callback",),
        "grant_types": ("authorization_code", "refresh_token"),
        "auth_method": "client_secret_post",
        "secrets": (model.Secret(secret.digest(MACHINE_SECRET)),),
        "name": "Operator's",
        **changes,
    }
    made = model.Client(id=id, origin="operator", created_at=issuer.clock.now, **values)  # type: ignore[arg-type]
    issuer.run(lambda tx: tx.clients.add(made))
    return Client(issuer.http, id, secret=MACHINE_SECRET if made.confidential else None)
