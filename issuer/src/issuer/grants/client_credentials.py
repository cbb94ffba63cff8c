"""The client credentials grant (OAuth 2.1 §4.2): a machine acts for itself, within its registration."""

from __future__ import annotations

from issuer.errors import InvalidScope, InvalidTarget
from issuer.grants.request import TokenRequest
from issuer.model import Authorization
from issuer.protocol import resource, scope
from issuer.store import Transaction

GRANT_TYPE = "client_credentials"
WRITES = False
FAMILY = "client"
"""No row stands behind these tokens: they live as long as their client."""


def authorize(request: TokenRequest, tx: Transaction) -> Authorization:
    client = request.client
    asked = scope.parse(request.parameters.get("scope"))
    granted = tuple(token for token in asked or client.scope if token in client.scope)
    if not granted:
        raise InvalidScope("the client is not registered for any of the requested scopes")
    allowed = client.resources or tuple(request.resources)
    chosen = resource.choose(request.parameters.all("resource"), {uri: uri for uri in allowed})
    if not set(chosen) <= set(request.resources):
        raise InvalidTarget("a resource of this client is no longer configured")
    return Authorization(
        subject=client.id,
        client_id=client.id,
        scope=granted,
        audience=resource.audience(chosen, request.resources),
        family=FAMILY,
    )
