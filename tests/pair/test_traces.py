"""Traces of the running pair, sent to a real OTLP/HTTP socket, and none where nobody asked for them."""

from __future__ import annotations

import re
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from tests.resource.running import ACCEPT, META, MODERN
from tests.support import servers
from tests.support.collector import Collector, Span, collecting
from tests.support.servers import Pair, clean_environment

SERVER = 2  # SpanKind of opentelemetry-proto
OURS = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
UPSTREAM = """
import sys
from fastmcp import FastMCP
from fastmcp.server.dependencies import get_http_request
mcp = FastMCP("up")
@mcp.tool
def whoami() -> str:
    return get_http_request().headers.get("traceparent", "none")
mcp.run("http", host="127.0.0.1", port=int(sys.argv[1]), show_banner=False)
"""


@dataclass(frozen=True)
class Traced:
    """A pair that sends its traces to a collector."""

    pair: Pair
    collector: Collector

    def find(self, wanted: Callable[[Span], bool]) -> Span:
        """The first span of this kind; waits until it has arrived."""
        deadline = time.monotonic() + 60
        while True:
            if found := [span for span in self.collector.spans if wanted(span)]:
                return found[0]
            assert time.monotonic() < deadline, [span.name for span in self.collector.spans]
            time.sleep(0.05)

    def of_request(self, request_id: str) -> Span:
        return self.find(lambda span: span.attributes.get("request_id") == request_id)

    def call(self, token: str, **headers: str) -> httpx.Response:
        """`tools/call` of `whoami`."""
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "whoami", "_meta": META}}
        modern = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "whoami"}
        sent = {**ACCEPT, **modern, "Authorization": f"Bearer {token}", **headers}
        return httpx.post(self.pair.mcp, json=body, headers=sent, timeout=30)


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    folder = tmp_path_factory.mktemp("traced")
    secret = "mcp_cs_" + secrets.token_hex(20)
    settings = {
        "CLIENT_SECRET": secret,
        "RESOURCE_INTROSPECT": "tool:*",
        "RESOURCE_CLIENT_ID": "mcp-client",
        "RESOURCE_CLIENT_SECRET": secret,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    with (
        collecting() as collector,
        servers.processes(folder, OTEL_EXPORTER_OTLP_ENDPOINT=collector.origin, **settings) as pair,
    ):
        yield Traced(pair, collector)


def test_each_request_has_one_span_that_says_what_its_log_line_says(traced: Traced) -> None:
    request_id = secrets.token_hex(8)
    httpx.get(f"{traced.pair.issuer}/.well-known/jwks.json?x=1", headers={"X-Request-Id": request_id})
    span = traced.of_request(request_id)
    assert (span.service, span.name, span.kind) == ("mcp-issuer", "GET /.well-known/jwks.json", SERVER)
    assert span.parent == ""
    assert not span.failed
    assert span.attributes == {
        "http.request.method": "GET",
        "http.route": "/.well-known/jwks.json",
        "http.response.status_code": "200",
        "url.scheme": "http",
        "request_id": request_id,
    }


def test_a_refused_request_says_why_and_no_stranger_names_a_span(traced: Traced) -> None:
    refused, unknown = secrets.token_hex(8), secrets.token_hex(8)
    httpx.post(traced.pair.mcp, headers={"X-Request-Id": refused})
    httpx.request("BREW", f"{traced.pair.resource}/coffee", headers={"X-Request-Id": unknown})
    httpx.get(f"{traced.pair.resource}/coffee", headers={"X-Request-Id": unknown + "2"})
    assert traced.of_request(refused).attributes["error"] == "no token"
    assert traced.of_request(refused).name == "POST /mcp"
    assert traced.of_request(unknown + "2").name == "GET"


def test_a_trace_goes_on_from_the_caller_through_the_resource_to_the_issuer(traced: Traced) -> None:
    """The resource asks the issuer whether the token lives: three services, one trace."""
    request_id = secrets.token_hex(8)
    answer = traced.call(traced.pair.token(), **{"X-Request-Id": request_id, "traceparent": f"00-{OURS}-{PARENT}-01"})
    assert answer.status_code == 200, answer.text
    called = traced.find(lambda s: s.attributes.get("request_id") == request_id and s.service == "mcp-resource")
    asked = traced.find(lambda span: span.trace == OURS and span.name == "POST /introspect")
    assert (called.name, called.trace, called.parent) == ("POST /mcp", OURS, PARENT)
    assert (asked.service, asked.parent) == ("mcp-issuer", called.id)
    assert asked.attributes["request_id"] == request_id


def test_an_upstream_over_http_goes_on_with_the_trace(tmp_path: Path) -> None:
    upstream = tmp_path / "upstream.py"
    upstream.write_text(UPSTREAM)
    port, request_id = servers.free_port(), secrets.token_hex(8)
    behind = subprocess.Popen(
        [sys.executable, upstream, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    settings = {"RESOURCE_UPSTREAM": f"http://127.0.0.1:{port}/mcp", "OTEL_BSP_SCHEDULE_DELAY": "100"}
    try:
        with (
            collecting() as collector,
            servers.processes(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=collector.origin, **settings) as pair,
        ):
            traced, token = Traced(pair, collector), pair.token()
            deadline = time.monotonic() + 60
            while (answer := traced.call(token, **{"X-Request-Id": request_id})).status_code != 200 or (
                "00-" not in answer.text
            ):
                assert time.monotonic() < deadline, answer.text
                time.sleep(0.2)
            seen = re.findall(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}", answer.text)
            traced.find(lambda span: (span.trace, span.id) == seen[0] and span.service == "mcp-resource")
    finally:
        behind.terminate()
        behind.wait(15)


@pytest.mark.parametrize("header", ["", "x" * 5000, "00-0-0-00", f"00-{'0' * 32}-{PARENT}-01", "ff-\u00e9"])
def test_a_broken_traceparent_starts_a_trace_of_its_own(traced: Traced, header: str) -> None:
    request_id = secrets.token_hex(8)
    headers = {b"X-Request-Id": request_id.encode(), b"traceparent": header.encode()}
    assert httpx.get(f"{traced.pair.issuer}/healthz", headers=headers).status_code == 200
    assert traced.of_request(request_id).parent == ""


def test_no_credential_reaches_the_collector(traced: Traced) -> None:
    """A canary in every field that takes a secret, and the real ones of this pair."""
    names = "code state code_verifier refresh_token token client_secret password client_assertion nonce".split()
    canaries = {name: f"cnry{secrets.token_hex(10)}" for name in names}
    token, last = traced.pair.token(), secrets.token_hex(8)
    issuer, mcp = traced.pair.issuer, traced.pair.mcp
    for path in "/token", "/authorize", "/introspect", "/revoke", "/login", "/register", "/logout":
        httpx.post(issuer + path, data={"grant_type": "refresh_token", "client_id": "mcp-client", **canaries})
        httpx.get(issuer + path, params={"client_id": "mcp-client", **canaries})
    for canary in canaries.values():
        httpx.get(mcp, params={"access_token": canary}, headers={"Cookie": f"session={canary}"})
        httpx.post(mcp, headers={"Authorization": f"Bearer {canary}", "traceparent": f"00-{canary}", "baggage": canary})
    assert traced.call(token).status_code == 200
    httpx.get(f"{issuer}/healthz", headers={"X-Request-Id": last})
    traced.of_request(last)
    traced.find(lambda span: span.service == "mcp-resource" and span.attributes.get("client_id") == "dev")
    sent = b"".join(traced.collector.bodies)
    own = [(traced.pair.keys / name.name).read_text().strip() for name in traced.pair.keys.glob("*.secret")]
    for value in (*canaries.values(), *own, token, *token.split(".")):
        assert value.encode() not in sent
    assert b"/login" in sent
    assert all(span.events == 0 for span in traced.collector.spans)


def test_a_collector_that_is_away_costs_no_request(tmp_path: Path) -> None:
    gone = f"http://127.0.0.1:{servers.free_port()}"
    with servers.running(
        "issuer",
        tmp_path,
        ISSUER_PORT=str(port := servers.free_port()),
        ISSUER=f"http://127.0.0.1:{port}",
        OTEL_EXPORTER_OTLP_ENDPOINT=gone,
        OTEL_BSP_SCHEDULE_DELAY="100",
    ) as issuer:
        for _ in range(20):
            assert httpx.get(f"{issuer.origin}/healthz").status_code == 200


@pytest.mark.parametrize("package", ["issuer.commands.serve", "resource_server.app"])
def test_nothing_is_imported_where_no_traces_are_wanted(package: str) -> None:
    code = (
        f"import sys, {package}, {package.partition('.')[0]}.tracing as t; app = object();"
        "assert t.traced(app, 'x') is app;"
        "print([n for n in sys.modules if n.startswith(('opentelemetry.sdk', 'opentelemetry.exporter', 'requests'))])"
    )
    for off in ({}, {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}):
        environment = {name: value for name, value in clean_environment().items() if not name.startswith("OTEL_")}
        done = subprocess.run(
            [sys.executable, "-c", code], env={**environment, **off}, capture_output=True, text=True, check=False
        )
        assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
    ],
)
@pytest.mark.parametrize("name", servers.NAMES)
def test_what_cannot_be_exported_ends_the_start(tmp_path: Path, name: servers.Name, setting: str, value: str) -> None:
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", f"{name.upper()}_PORT": "0", setting: value}
    service = servers.spawn(name, tmp_path, **endpoint)
    assert service.process is not None
    assert service.process.wait(60) == 1
    assert service.log().strip().splitlines()[-1].startswith(f"mcp-{name}: {setting} must be")
