"""The pair for every test that wants it, and honest skips: named in one line, failures with REQUIRE_ALL=1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator

import pytest
from tests import evidence
from tests.support import postgres, servers
from tests.support.machine import LACKS, REQUIRE_ALL, missing

skipped: Counter[str] = Counter()


@pytest.fixture(scope="session", params=["processes", pytest.param("containers", marks=pytest.mark.containers)])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Pair]:
    """Issuer and resource, ready, started once for all tests that ask: as processes, then as containers.

    Tests that choose (`tests/pair/foreign.py`) also get them as replicas behind Caddy.
    """
    if request.param == "containers":
        with servers.containers() as started:
            yield started
    elif request.param == "scaled":
        with servers.scaled() as started:
            yield started
    else:
        with servers.processes(tmp_path_factory.mktemp("pair")) as started:
            yield started


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(evidence)
    config.addinivalue_line("markers", "requirement(*ids): proves these requirements of tests/requirements.py")


@pytest.fixture(scope="session")
def cluster() -> Iterator[postgres.Cluster]:
    """A PostgreSQL server for all tests that are marked `postgres`."""
    with postgres.cluster(servers.free_port()) as started:
        yield started


def pytest_runtest_setup(item: pytest.Item) -> None:
    for what in LACKS:
        reason = missing(what) if item.get_closest_marker(what) else None
        if reason:
            pytest.skip(f"{what}: {reason}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = str(call.excinfo.value) if call.excinfo else "skipped"
        skipped[reason] += 1
        if REQUIRE_ALL:
            report.outcome = "failed"
            report.longrepr = f"REQUIRE_ALL=1 and this test was skipped: {reason}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    said = "; ".join(f"{count} tests, {reason}" for reason, count in sorted(skipped.items()))
    terminalreporter.write_line(f"Skipped: {said}" if said else "Nothing was skipped.")
