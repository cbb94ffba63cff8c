"""Which grant types there are, and who may be registered for them."""

from __future__ import annotations

OPEN_TO_ANYONE = frozenset({"authorization_code", "refresh_token"})
"""A client may register itself for these."""

ALL = OPEN_TO_ANYONE | {"client_credentials"}
"""The operator registers machines for these."""
