"""Which grants there are: the token endpoint looks here, and discovery lists what stands here."""

from __future__ import annotations

from typing import Protocol

from issuer.grants import authorization_code, client_credentials, refresh_token
from issuer.grants.request import TokenRequest
from issuer.model import Authorization
from issuer.store import Transaction


class Grant(Protocol):
    """What a grant's module offers. `WRITES` is whether a token of it changes the database."""

    GRANT_TYPE: str
    WRITES: bool

    def authorize(self, request: TokenRequest, tx: Transaction) -> Authorization: ...


GRANTS: dict[str, Grant] = {
    grant.GRANT_TYPE: grant for grant in (authorization_code, refresh_token, client_credentials)
}
