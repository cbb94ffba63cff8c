"""Initial access tokens (RFC 7591 §1.2, §3): sealed, so that an invitation costs no row until it is used."""

from __future__ import annotations

from dataclasses import dataclass

from issuer.protocol import secret
from issuer.server import Server
from issuer.store import Transaction
from issuer.web.sealed import seal, unseal


@dataclass(frozen=True, slots=True)
class Invitation:
    """Good until `expires_at`, once unless `many`."""

    id: str
    expires_at: int
    many: bool

    def accept(self, tx: Transaction) -> bool:
        """Use it; False when it was used up before."""
        return self.many or tx.once.spend(f"invitation:{self.id}", self.expires_at)


def write(sealing: bytes, *, expires_at: int, many: bool) -> str:
    """A new initial access token; `sealing` is the secret that the server seals with."""
    content = {"invitation": secret.invent_id(""), "expires_at": expires_at, "many": many}
    return secret.INITIAL_ACCESS + seal(sealing, content)


def read(server: Server, token: str) -> Invitation | None:
    """The invitation behind a token, if this server wrote it and it has not expired."""
    content = unseal(server.secret, token.removeprefix(secret.INITIAL_ACCESS))
    if content is None or "invitation" not in content or content["expires_at"] <= server.now():
        return None
    return Invitation(content["invitation"], content["expires_at"], content["many"])
