"""What all tests of the issuer share."""

from __future__ import annotations

import pytest

from issuer import log


@pytest.fixture(autouse=True)
def _log_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that runs within the tests would send their whole log to a stream that ends with its test."""
    monkeypatch.setattr(log, "configure", lambda *_: None)
