"""One stand-in issuer and one running resource for the tests that change neither."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.resource import stand_in
from tests.resource.running import Running, serving


@pytest.fixture(scope="session")
def issuer() -> Iterator[stand_in.StandIn]:
    with stand_in.stand_in() as started:
        yield started


@pytest.fixture(scope="session")
def server(issuer: stand_in.StandIn) -> Iterator[Running]:
    with serving(issuer) as started:
        yield started
