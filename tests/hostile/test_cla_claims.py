"""Rows CLA-09 to CLA-13: what a client assertion says, for whom, when, and how often it counts."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from tests.hostile.forge import GONE, b64
from tests.hostile.rows import row
from tests.hostile.signer import Signer
from tests.support import servers


@row("CLA-09")
def test_an_assertion_counts_once(signer: Signer, later: Callable[[int], None]) -> None:
    token = signer.token()
    signer.accepted(token)
    signer.refused(token)
    later(80)  # expired, yet within the difference of clocks that is forgiven
    signer.refused(token)
    jti = secrets.token_hex(8)
    signer.accepted(signer.token("RS256", jti=jti))
    signer.refused(signer.token("EdDSA", jti=jti))


@row("CLA-09")
def test_an_assertion_is_used_wherever_it_was_sent(signer: Signer) -> None:
    for path, more in (
        ("/revoke", {"token": "x"}),
        ("/introspect", {"token": "x"}),
        ("/token", {"grant_type": "refresh_token", "refresh_token": "x"}),
        ("/token", {"grant_type": "password"}),
        ("/token", {"scope": "unheard-of"}),
    ):
        token = signer.token()
        signer.issuer.client.post(path, data=signer.form(token, **more))
        signer.refused(token)


@row("CLA-09")
def test_a_forged_assertion_uses_nothing_up(signer: Signer) -> None:
    """Else a stranger who guesses a jti could lock the client out."""
    jti = secrets.token_hex(8)
    signed = signer.token(jti=jti).rpartition(".")[0]
    signer.refused(f"{signed}.{b64(bytes(64))}")
    signer.accepted(signer.token(jti=jti))


@contextlib.contextmanager
def replica(signer: Signer, **more: str) -> Iterator[httpx.Client]:
    """Another process of the same issuer, on the same database."""
    port = str(servers.free_port())
    settings = {
        "ISSUER": signer.issuer.pair.issuer,
        "ISSUER_PORT": port,
        "ISSUER_ALLOWED_HOSTS": f"127.0.0.1:{port}",
        "ISSUER_RESOURCES": signer.issuer.pair.mcp,
        "ISSUER_LOG_FORMAT": "json",
        **more,
    }
    with (
        servers.running("issuer", signer.issuer.service.folder, **settings) as service,
        httpx.Client(base_url=service.origin) as http,
    ):
        yield http


@row("CLA-09")
def test_at_once_and_on_two_replicas(signer: Signer) -> None:
    """Ten at a time to one issuer and to another on the same database; then after a restart of that."""
    once = [signer.token() for _ in range(5)]
    with replica(signer) as second:
        both = (signer.issuer.client, second)
        with signer.issuer.holds(changes=True, events=None, inputs=100), ThreadPoolExecutor(10) as pool:
            for token in once:
                sent = [pool.submit(signer.post, token, both[number % 2]) for number in range(20)]
                statuses = sorted(future.result().status_code for future in sent)
                assert statuses == [200] + [401] * 19
        late = signer.token()
        assert signer.post(late, second).status_code == 200
    with replica(signer) as second:
        for token in (late, *once):
            assert signer.post(token, second).status_code == 401
            signer.refused(token)


@row("CLA-10")
@pytest.mark.parametrize("jti", [GONE, None, "", 1, 1.5, True, [], ["a"], {}, "j" * 10_240, "j" * 257, "a\0b", "\0"])
def test_a_jti_is_a_short_string(signer: Signer, jti: Any) -> None:
    signer.refused(signer.token(jti=jti))


@row("CLA-11")
def test_this_issuer_alone(signer: Signer) -> None:
    issuer = signer.issuer.pair.issuer
    for good in (issuer, [issuer]):
        signer.accepted(signer.token(aud=good))
    for bad in (
        *(
            f"{issuer}/token",
            [f"{issuer}/token"],
            [issuer, "https://other.test"],
            [issuer, issuer],
            "https://other.test",
        ),
        *(f"{issuer}/par", GONE, None, 1, True, {}, {"a": issuer}, [], [[issuer]], [issuer, None], "", issuer[:-1]),
        *(
            f"{issuer}/",
            f"{issuer} ",
            issuer.upper(),
            issuer.replace("127.0.0.1", "localhost"),
            f"{issuer}#",
            f"{issuer}?",
        ),
        *(
            f"{issuer}/.well-known/openid-configuration",
            signer.issuer.pair.mcp,
            signer.id,
            f"{issuer} https://other.test",
        ),
        *(issuer.replace("http:", "https:"), [f"{issuer}/token", issuer], "*", [1, issuer], f" {issuer}", "null"),
    ):
        signer.refused(signer.token(aud=bad))


NO_TIMES: list[Any] = [True, "1", [1], {}, None, 1.5, -1.5]


@row("CLA-12")
def test_times(signer: Signer) -> None:
    now = int(signer.issuer.now())
    right: list[dict[str, Any]] = [
        {"nbf": now + 8},
        {"iat": now + 8},
        {"exp": now - 8},
        {"iat": GONE},
        {"exp": now + 300},
    ]
    for good in right:
        signer.accepted(signer.token(**good))
    ends: list[Any] = [GONE, now - 61, 0, -1, now + 86_400, now + 365 * 86_400, 10**20, 10**38, str(now + 60)]
    starts: list[Any] = [now + 61, now + 10**6, 10**20, str(now)]
    for name, values in {"exp": ends, "nbf": starts, "iat": starts}.items():
        for value in (*values, *NO_TIMES):
            signer.refused(signer.token(**{name: value}))


@row("CLA-12")
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e20", "1e400", "9" * 5000, "1E999", "{now}.0", "-0"]
)
def test_numbers_that_are_no_time(signer: Signer, name: str, number: str) -> None:
    claims = json.dumps(signer.claims(**{name: "MARK"})).replace('"MARK"', number.format(now=int(signer.issuer.now())))
    if (name, number) in (("nbf", "-0"), ("iat", "-0")):
        signer.accepted(signer.sign(b'{"alg":"ES256"}', claims.encode()))
    else:
        signer.refused(signer.sign(b'{"alg":"ES256"}', claims.encode()))


@row("CLA-13")
@pytest.mark.parametrize("value", [GONE, None, "", 1, [], {}, "mcp-client", "nobody", "dev", "a\0b", "x" * 3000])
@pytest.mark.parametrize("names", [("iss",), ("sub",), ("iss", "sub")])
def test_iss_and_sub_are_the_client(signer: Signer, names: tuple[str, ...], value: Any) -> None:
    bent: dict[str, Any] = dict.fromkeys(names, value)
    signer.refused(signer.token(**bent))


@row("CLA-13")
@pytest.mark.parametrize("named", ["mcp-client", "nobody", "{id} ", "{id}\n", "{ID}"])
def test_client_id_beside_the_assertion(signer: Signer, named: str) -> None:
    token = signer.token()
    signer.refused(token, client_id=named.format(id=signer.id, ID=signer.id.upper()))
    answer = signer.issuer.client.post("/token", data=signer.form(token, client_id=signer.id))
    assert answer.status_code == 200, "it is the assertion's own subject"


@row("CLA-11")
def test_the_token_endpoint_only_by_a_switch(signer: Signer) -> None:
    """ISSUER_ASSERTION_AUD_TOKEN_ENDPOINT, off by default, admits it and nothing else."""
    issuer = signer.issuer.pair.issuer
    with replica(signer, ISSUER_ASSERTION_AUD_TOKEN_ENDPOINT="1") as http:
        assert signer.post(signer.token(aud=f"{issuer}/token"), http).status_code == 200
        assert signer.post(signer.token(aud=issuer), http).status_code == 200
        for bad in ([issuer, f"{issuer}/token"], f"{issuer}/token/", f"{issuer}/revoke", f"{http.base_url}token"):
            assert signer.post(signer.token(aud=bad), http).status_code == 401
