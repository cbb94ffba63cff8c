"""The Grafana dashboard and the alerts ask for nothing that the services do not say. No Grafana is run here."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import promql_parser
import pytest
import yaml
from tests.resource.running import ACCEPT
from tests.support import servers
from tests.support.machine import ROOT
from tests.support.postgres import Cluster
from tests.support.scraped import Scrape, Series

DASHBOARD = json.loads((ROOT / "deploy/grafana/dashboard.json").read_text())
ALERTS = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())
BY_PROMETHEUS = {"job", "instance"}  # labels that a scrape adds
LATER = {"status": "5.."}  # matchers that a healthy pair has no series for


def queries() -> dict[str, str]:
    """Every query by where it stands, with Grafana's variable replaced as Grafana does."""
    found = {
        f"{panel['title']} ({panel['id']}{target['refId']})": target["expr"].replace("$__rate_interval", "5m")
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", ())
    }
    rules = [rule for group in ALERTS["groups"] for rule in group["rules"]]
    return found | {f"alert {rule['alert']}": rule["expr"] for rule in rules}


def parts(query: str) -> list[Any]:
    """The query's nodes; raises when it is no PromQL."""
    nodes: list[Any] = []
    promql_parser.walk(promql_parser.parse(query), nodes.append)
    return nodes


def selectors(query: str) -> list[promql_parser.VectorSelector]:
    return [node for node in parts(query) if isinstance(node, promql_parser.VectorSelector)]


@pytest.fixture(scope="module")
def said(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Series]:
    """All series of a pair on PostgreSQL and with an upstream process, after one call of a tool."""
    folder = tmp_path_factory.mktemp("watched")
    upstream = folder / "upstream.py"
    upstream.write_text(
        'from fastmcp import FastMCP\nmcp = FastMCP("up")\n@mcp.tool\ndef up() -> int: return 1\nmcp.run()\n'
    )
    url = cluster.create()
    settings = {"ISSUER_DATABASE": url, "RESOURCE_UPSTREAM": f"{sys.executable} {upstream}"}
    with servers.processes(folder, **settings) as pair:
        secret = (pair.keys / "mcp-client.secret").read_text().strip()
        form = {"grant_type": "client_credentials", "client_id": "mcp-client", "client_secret": secret}
        token = httpx.post(f"{pair.issuer}/token", data=form, timeout=20).json()["access_token"]
        headers = {**ACCEPT, "Authorization": f"Bearer {token}"}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        httpx.post(pair.mcp, json=body, headers=headers, timeout=30)
        yield {**Scrape(pair.issuer).series, **Scrape(pair.resource).series}
    cluster.drop(url)


@pytest.mark.postgres
@pytest.mark.parametrize("where", queries())
def test_a_query_asks_for_what_the_services_say(said: Series, where: str) -> None:
    query = queries()[where]
    assert selectors(query), query
    for selector in selectors(query):
        series = [dict(labels) for name, labels in said if name == selector.name]
        assert series, f"nobody says {selector.name}"
        for matcher in selector.matchers.matchers:
            values = {labels.get(matcher.name) for labels in series}
            assert None not in values, f"{selector.name} has no label {matcher.name}"
            if LATER.get(matcher.name) != matcher.value and matcher.op != promql_parser.MatchOp.NotEqual:
                assert any(re.fullmatch(matcher.value, value or "") for value in values), (matcher.value, values)


@pytest.mark.parametrize("where", [where for where, query in queries().items() if "5.." in query])
def test_what_a_caller_asks_wrongly_is_no_failure_of_ours(where: str) -> None:
    """501 answers a method that does not exist: whoever sends many of them must not wake anybody."""
    [matchers] = [found.matchers.matchers for found in selectors(queries()[where]) if found.matchers.matchers]

    def counted(status: str) -> bool:
        matches = [re.fullmatch(m.value, status) is not None for m in matchers]
        return all(m == (by.op == promql_parser.MatchOp.Re) for m, by in zip(matches, matchers, strict=True))

    assert [status for status in ("200", "404", "500", "501", "502", "503") if counted(status)] == ["500", "502", "503"]


@pytest.mark.postgres
@pytest.mark.parametrize("where", queries())
def test_a_query_groups_by_labels_that_are_there(said: Series, where: str) -> None:
    for node in parts(queries()[where]):
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            names = {selector.name for selector in selectors(str(node))}
            there = {label for name, labels in said if name in names for label, _ in labels} | BY_PROMETHEUS
            assert set(node.modifier.labels) <= there, (node.modifier.labels, there)


@pytest.mark.postgres
def test_everything_that_is_said_is_shown(said: Series) -> None:
    """All but what repeats another one, and what Prometheus' own client adds."""
    shown = {selector.name for query in queries().values() for selector in selectors(query)}
    ours = {name for name, _ in said if name.startswith(("issuer_", "resource_"))}
    silent = {name for name in ours if not name.endswith(("_created", "_seconds_sum", "_seconds_count"))} - shown
    assert not silent


def test_legends_name_labels_of_their_query() -> None:
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            query = target["expr"].replace("$__rate_interval", "5m")
            kept = {
                label
                for node in parts(query)
                if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None
                for label in node.modifier.labels
            }
            grouped = any(isinstance(node, promql_parser.AggregateExpr) for node in parts(query))
            named = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            assert named <= (kept if grouped else BY_PROMETHEUS), panel["title"]


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
