"""The official MCP conformance suite: our server side behind a token, our issuer with a person at the browser.

What it finds is held equal to outcomes.json: a scenario that begins to pass is news too.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.pair.clients.browser import Browser
from tests.pair.conformance import suite, table
from tests.pair.conformance.guarded import guarded, proxied
from tests.pair.foreign import PATIENCE, PROCESSES
from tests.support import node
from tests.support.servers import Pair, free_port


@pytest.fixture(scope="module", params=[guarded, proxied], ids=lambda start: start.__name__)
def mcp(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the same server, given to `guard` and as an upstream: no scenario may tell which."""
    with request.param(tmp_path_factory.mktemp("issuer")) as url:
        yield url


@pytest.mark.node
@pytest.mark.parametrize("version", suite.SERVER_VERSIONS)
def test_server_mode(mcp: str, tmp_path: Path, version: str) -> None:
    required, not_scored = (suite.expected(version, group) for group in (suite.REQUIRED, suite.NOT_SCORED))
    assert suite.run_server(mcp, version, tmp_path) == required | not_scored
    assert (suite.required(version) or required.keys() | not_scored.keys()) == required.keys()


@pytest.mark.node
def test_the_server_is_behind_the_guard(mcp: str) -> None:
    """The wrapper adds a token where there is none: a bad one goes through to the guard, and no further."""
    answer = httpx.post(mcp, headers={"Authorization": "Bearer bad"})
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


@pytest.mark.node
@pytest.mark.browser
@PROCESSES
@pytest.mark.parametrize("version", suite.AUTHORIZATION_VERSIONS)
def test_authorization_mode(pair: Pair, browser: Browser, tmp_path: Path, version: str) -> None:
    port, output = str(free_port()), tmp_path / "output"
    registration = {"redirect_uris": [f"http://127.0.0.1:{port}/callback"], "token_endpoint_auth_method": "none"}
    client_id = httpx.post(f"{pair.issuer}/register", json=registration).json()["client_id"]
    where = ["--url", pair.issuer, "--resource", pair.mcp, "--client-id", client_id, "-p", port]
    run = subprocess.Popen(
        [*node.script("conformance"), "authorization", *where, "--spec-version", version, "-o", str(output)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = []
    try:
        for line in run.stdout or ():
            said.append(line)
            if line.startswith(f"{pair.issuer}/authorize?"):
                browser.open(line.strip())
        code = run.wait(PATIENCE)
    finally:
        run.kill()

    assert code == 0, "".join(said)
    assert suite.outcomes(output) == suite.expected(version, suite.AUTHORIZATION), "".join(said)


@pytest.mark.node
def test_outcomes_are_of_the_installed_suite() -> None:
    assert suite.known()["suite"] == suite.release()


@pytest.mark.house
def test_every_check_that_did_not_pass_has_its_reason() -> None:
    used = set()
    for version, groups in suite.known()["outcomes"].items():
        for scenarios in groups.values():
            for name, outcome in scenarios.items():
                spotless = set(outcome) == {"passed"} and table.passed(outcome)
                assert spotless != ("because" in outcome), (version, name)
                used |= {outcome["because"]} if "because" in outcome else set()
    assert used == suite.known()["reasons"].keys()
