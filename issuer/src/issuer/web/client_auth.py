"""Client authentication (OAuth 2.1 §2.4, RFC 7523 §2.2): exactly one method, one the client is registered for.

An unknown client and a wrong secret get the same answer after the same work. Repeated wrong secrets close the pair
of client and address for a while, never the client alone: nobody can lock another's client out. Anybody can invent
ids, and they must neither fill the table nor be told from real ones. So every failure counts at one of a few doors of
its address, chosen by the id, and the door alone decides whether a wrong secret hears 401 or 429; only a client that
exists has a count of its own beside it, which closes it to its right secret too.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from fastapi import Request

from issuer.errors import InvalidClient, InvalidRequest, OAuthError, TooManyRequests
from issuer.model import SECRET_METHODS, AuthMethod, Client
from issuer.protocol import assertion, secret
from issuer.protocol.assertion import Assertion
from issuer.server import Server
from issuer.store import Transaction
from issuer.web import known_client
from issuer.web.address import address_of
from issuer.web.form import Form

_MOST_FAILURES = 20
_WINDOW = 300
_DOORS = 64
"""For each address: so many rows at most of ids that nobody registered."""
_CHALLENGE = {"WWW-Authenticate": 'Basic realm="issuer", charset="UTF-8"'}
_NOBODY = secret.digest("")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request presents. `secrets` holds the secret as sent and, for Basic, percent-decoded: clients do both.
    `keys` are those that the client of an assertion had when they were looked up."""

    method: AuthMethod
    client_id: str
    secrets: tuple[str, ...]
    address: str
    assertion: Assertion | None = None
    keys: tuple[Mapping[str, Any], ...] = ()


async def read(request: Request, form: Form, server: Server) -> Credentials:
    """The credentials of a request, from `Authorization: Basic` or the form, and not from both."""
    address = address_of(request)
    header = request.headers.get("authorization")
    client_id, plain = form.get("client_id"), form.get("client_secret")
    if form.get("client_assertion") or form.get("client_assertion_type"):
        if header is not None or plain is not None:
            raise InvalidRequest("authenticate once: by client_assertion or a secret, not by both")
        return await _assertion(form, server, address)
    if header is None:
        if client_id is None:
            raise InvalidClient("client_id is missing, and there is no Authorization header", headers=_CHALLENGE)
        if plain is None:
            await known_client.for_tokens(server, client_id)
            return Credentials("none", client_id, (), address)
        return Credentials("client_secret_post", client_id, (plain,), address)
    if plain is not None:
        raise InvalidRequest("authenticate once: by Authorization header or client_secret, not by both")
    named, secrets = _basic(header)
    if client_id is not None and client_id not in named:
        raise InvalidRequest("client_id differs from the one in the Authorization header")
    return Credentials("client_secret_basic", client_id or named[-1], secrets, address)


async def _assertion(form: Form, server: Server, address: str) -> Credentials:
    """A signed assertion (RFC 7523 §2.2) with the keys to check it by; `client_id` beside it may be left out."""
    if form.get("client_assertion_type") != assertion.TYPE:
        raise InvalidClient(f"client_assertion_type must be {assertion.TYPE}")
    settings = server.settings
    audiences = {settings.ISSUER}
    if settings.ISSUER_ASSERTION_AUD_TOKEN_ENDPOINT:
        audiences.add(settings.ISSUER + "/token")
    presented = assertion.read(form.require("client_assertion"), audiences, server.now())
    if form.get("client_id") not in (None, presented.client_id):
        raise InvalidClient("client_id differs from the one in client_assertion")
    await known_client.for_tokens(server, presented.client_id)
    client = await server.store.read(lambda tx: tx.clients.get(presented.client_id))
    keys = await server.client_keys.of(client, presented.kid) if client else ()
    return Credentials("private_key_jwt", presented.client_id, (), address, presented, keys)


def _basic(header: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Id and secret as sent and as decoded (RFC 6749 §2.3.1 percent-encodes them, half of all clients do not)."""
    scheme, _, encoded = header.partition(" ")
    try:
        if scheme.lower() != "basic":
            raise ValueError("not Basic")
        raw = base64.b64decode(encoded.strip(" "), validate=True)
        id, colon, plain = raw.partition(b":")
        if not colon or not id or len(raw) > 4096:
            raise ValueError("no colon")
        both = _both(id), _both(plain)
        if any("\0" in text for texts in both for text in texts):
            raise ValueError("NUL")
        return both
    except (ValueError, binascii.Error):
        raise InvalidClient("the Authorization header is not a well-formed Basic one", headers=_CHALLENGE) from None


def _both(raw: bytes) -> tuple[str, ...]:
    plain = raw.decode()
    try:
        return tuple(dict.fromkeys((plain, unquote_to_bytes(raw.replace(b"+", b" ")).decode())))
    except UnicodeDecodeError:  # not percent-encoded then: a secret that happens to hold a percent sign
        return (plain,)


def authenticate(credentials: Credentials, tx: Transaction, now: int) -> Client:
    """The client that the credentials prove, or a refusal that does not say which part was wrong."""
    client = tx.clients.get(credentials.client_id)
    if credentials.method == "none":
        if client is not None and client.auth_method == "none":
            return client
        raise _refused(credentials)
    if credentials.assertion is not None:
        return _check_assertion(credentials, credentials.assertion, client, tx)
    own = f"secret:{credentials.client_id[:200]}:{credentials.address}"
    door = f"secrets:{int(secret.digest(credentials.client_id)[:8], 16) % _DOORS}:{credentials.address}"
    closed = tx.limits.count(own, now)[0] >= _MOST_FAILURES
    stored = [s.digest for s in client.secrets if s.expires_at is None or s.expires_at > now] if client else []
    # Always as many comparisons: an unknown client must not answer faster.
    right = [secret.matches(plain, digest) for plain in credentials.secrets for digest in stored or [_NOBODY]]
    if client is not None and stored and any(right) and _registered_for(client, credentials.method) and not closed:
        return client
    failures, ends_at = tx.limits.count(door, now)
    error: OAuthError = _refused(credentials) if failures < _MOST_FAILURES else _closed(ends_at - now)
    # Counted behind a closed door too: others may have closed it, and a right guess still gets through.
    error.remember = lambda tx: _count(door, own if client is not None else None, tx, now)
    raise error


def _count(door: str, own: str | None, tx: Transaction, now: int) -> None:
    """A failure, at the door and of the client. Both windows end together: where a client is closed its door is."""
    tx.limits.hit(door, _WINDOW, now)
    _, ends_at = tx.limits.count(door, now)
    if own is not None:
        tx.limits.hit(own, ends_at - now, now)


def _registered_for(client: Client, method: AuthMethod) -> bool:
    """Whether the client may send its secret this way. The operator hands a secret out for use by any program, and
    some programs know but one of the two ways; a client that registered itself chose one."""
    if client.origin == "operator":
        return client.auth_method in SECRET_METHODS
    return client.auth_method == method


def _check_assertion(credentials: Credentials, presented: Assertion, client: Client | None, tx: Transaction) -> Client:
    """Signature first, then the `jti`, which counts only once a genuine assertion carried it."""
    if client is None or client.auth_method != "private_key_jwt" or not assertion.verify(presented, credentials.keys):
        raise _refused(credentials)
    if not _use(presented, tx):
        raise InvalidClient("this client_assertion was used before: sign a new one with another jti")
    return client


def _use(presented: Assertion, tx: Transaction) -> bool:
    return tx.once.spend(f"jti:{presented.client_id}:{presented.jti}", presented.expires_at + assertion.SKEW)


def stay_used(credentials: Credentials, error: OAuthError) -> None:
    """A refusal after authentication rolls everything back; an assertion that was seen stays used all the same."""
    presented, before = credentials.assertion, error.remember
    if presented is None:
        return

    def remember(tx: Transaction) -> None:
        _use(presented, tx)
        if before is not None:
            before(tx)

    error.remember = remember


def _closed(seconds: int) -> TooManyRequests:
    return TooManyRequests(
        "too many wrong secrets for this client from this address: try again later",
        headers={"Retry-After": str(max(1, seconds))},
    )


def _refused(credentials: Credentials) -> InvalidClient:
    return InvalidClient(
        "the client is unknown, its proof is wrong, or it is registered for another authentication method",
        headers=_CHALLENGE if credentials.method == "client_secret_basic" else {},
    )
