"""Two issuers, one name, one database: any of them answers any request, and what may happen once happens once."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tests.support import oauth, postgres, servers

CODES, TRIES = 25, 8


@dataclass(frozen=True)
class Replicas:
    """Both origins; the first one's is also the issuer identifier."""

    origins: tuple[str, str]
    folder: Path
    cluster: postgres.Cluster | None

    def http(self) -> tuple[httpx.Client, httpx.Client]:
        first, second = (httpx.Client(base_url=origin, timeout=30) for origin in self.origins)
        return first, second

    def race(self, forms: list[dict[str, Any]]) -> list[httpx.Response]:
        """Post all of them to /token at once, in turns to each replica."""

        async def run() -> list[httpx.Response]:
            limits = httpx.Limits(max_connections=20)
            first, second = (httpx.AsyncClient(base_url=origin, timeout=60, limits=limits) for origin in self.origins)
            async with first, second:
                turns = zip(itertools.cycle((first, second)), forms)
                return await asyncio.gather(*(client.post("/token", data=form) for client, form in turns))

        return asyncio.run(run())


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def replicas(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    """Started at the same moment, in an empty folder, on an empty database."""
    folder = tmp_path_factory.mktemp("replicas")
    ports = servers.free_port(), servers.free_port()
    first, second = (f"http://127.0.0.1:{port}" for port in ports)
    with ExitStack() as stack:
        # A server of their own: it is stopped.
        cluster = stack.enter_context(postgres.cluster(servers.free_port())) if request.param == "postgres" else None
        settings = {
            "ISSUER": first,
            "ISSUER_ALLOWED_HOSTS": f"127.0.0.1:{ports[1]}",
            "ISSUER_DATABASE": cluster.create() if cluster else str(folder / "issuer.db"),
            "ISSUER_KEYS_DIR": str(folder / "keys"),
            "ISSUER_AUTO_APPROVE": "alice",
        }
        started = [servers.spawn("issuer", folder / str(port), ISSUER_PORT=str(port), **settings) for port in ports]
        for service in started:
            stack.callback(service.stop)
        for port, service in zip(ports, started, strict=True):
            try:
                servers.wait_until_ready(service)
            except RuntimeError as error:
                raise RuntimeError(f"the replica on port {port}") from error
        yield Replicas((first, second), folder, cluster)


def test_they_publish_the_same_keys_and_metadata(replicas: Replicas) -> None:
    first, second = replicas.http()
    metadata = first.get("/.well-known/oauth-authorization-server").json()
    assert second.get("/.well-known/oauth-authorization-server").json() == metadata
    jwks = urlsplit(metadata["jwks_uri"]).path
    deadline = time.monotonic() + 10  # each looks for new keys every five seconds
    while (keys := first.get(jwks).json()["keys"]) != second.get(jwks).json()["keys"]:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert keys


def test_every_step_may_happen_on_another_one(replicas: Replicas) -> None:
    first, second = replicas.http()
    here = oauth.Client.register(first)
    there = oauth.Client(second, here.id, verifier=here.verifier)
    answer = here.redeem(there.code())
    assert answer.status_code == 200, answer.text
    before = answer.json()["refresh_token"]
    after = there.refresh(before).json()["refresh_token"]
    # A retry is honest for a minute, on either: the same successor.
    assert here.refresh(before).json()["refresh_token"] == after
    last = here.refresh(after).json()["refresh_token"]
    # From its use on, what came before is theft, wherever it comes, and all ends, everywhere.
    assert there.refresh(before).json()["error"] == "invalid_grant"
    for client in (here, there):
        assert client.refresh(last).json()["error"] == "invalid_grant"


def test_racing_redemptions_have_one_winner_for_each_code(replicas: Replicas) -> None:
    first, _ = replicas.http()
    client = oauth.Client.register(first)
    codes = [client.code() for _ in range(CODES)]
    forms = [client.redemption(code) for _ in range(TRIES) for code in codes]
    answers = replicas.race(forms)
    assert {answer.status_code for answer in answers} == {200, 400}
    winners = Counter(form["code"] for form, answer in zip(forms, answers, strict=True) if answer.status_code == 200)
    assert winners == dict.fromkeys(codes, 1)
    assert {answer.json()["error"] for answer in answers if answer.status_code == 400} == {"invalid_grant"}


def test_racing_refreshes_fork_no_family_and_sign_nobody_out(replicas: Replicas) -> None:
    first, _ = replicas.http()
    client = oauth.Client.register(first)
    families = [client.tokens()["refresh_token"] for _ in range(CODES)]
    forms = [client.form(grant_type="refresh_token", refresh_token=token) for _ in range(TRIES) for token in families]
    answers = replicas.race(forms)
    assert Counter(answer.status_code for answer in answers) == {200: CODES * TRIES}
    successors: dict[str, set[str]] = {}
    for form, answer in zip(forms, answers, strict=True):
        successors.setdefault(form["refresh_token"], set()).add(answer.json()["refresh_token"])
    assert [len(tokens) for tokens in successors.values()] == [1] * CODES
    for (token,) in successors.values():
        assert client.refresh(token).status_code == 200


@pytest.mark.parametrize("replicas", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
def test_the_database_goes_and_comes_back(replicas: Replicas) -> None:
    assert replicas.cluster
    first, second = replicas.http()
    client = oauth.Client.register(first)
    token = client.tokens()["refresh_token"]
    replicas.cluster.stop("immediate")
    try:
        for http in (first, second):
            refused = oauth.Client(http, client.id).refresh(token)
            assert refused.status_code == 503
            assert refused.json()["error"] == "temporarily_unavailable"
            assert int(refused.headers["retry-after"]) > 0
            assert http.get("/readyz").status_code == 503
            assert http.get("/healthz").status_code == 200
            assert http.get("/.well-known/oauth-authorization-server").status_code == 200
    finally:
        replicas.cluster.start()
    assert oauth.Client(second, client.id).refresh(token).status_code == 200
    assert [http.get("/readyz").status_code for http in (first, second)] == [200, 200]
