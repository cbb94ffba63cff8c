"""Row LOG-05: whoever asks whatever, /metrics stays as long as it is, and says nothing of who asked."""

from __future__ import annotations

import itertools
import secrets

import httpx
from tests.hostile.rows import row
from tests.hostile.target import Target
from tests.support.scraped import Scrape

MOST_NEW = 60  # series: a route that was not asked before has some, and there are few routes
INPUTS = 10_000
KNOWN = ("/token", "/mcp", "/register", "/authorize", "/introspect", "/mcp/messages/")

STRANGE = ("PROPFIND", "TRACE", "MKCOL", "PURGE", "SUBSCRIBE", "NOBODY", "get")  # a parser lets the first ones through


@row("LOG-05")
def test_no_request_makes_a_label(either: Target) -> None:
    """Paths, client ids, grants, methods, hosts and tokens nobody has seen before, ten thousand times."""
    mark = f"mark{secrets.token_hex(8)}"

    def attack(client: httpx.Client, number: int) -> None:
        name = f"{mark}{number}"
        match number % 6:
            case 0:
                client.get(f"/{name}/{number}")
            case 1:
                client.post("/token", data={"grant_type": name, "client_id": name, "client_secret": name})
            case 2:
                client.request(STRANGE[number // 6 % len(STRANGE)], "/token")
            case 3:
                client.get("/healthz2", headers={"Host": f"{name}.example"})
            case 4:
                client.post("/mcp", headers={"Authorization": f"Bearer {name}.{name}.{name}"})
            case _:
                client.get(f"{KNOWN[number % len(KNOWN)]}/{name}?client_id={name}", headers={"User-Agent": name})

    with either.holds(events=None, inputs=INPUTS), httpx.Client(base_url=either.origin, timeout=30) as client:
        for number in range(12):
            attack(client, number)
        before = Scrape(either.origin)
        for number in itertools.islice(itertools.count(12), INPUTS - 12):
            attack(client, number)
        after = Scrape(either.origin)
    assert len(after.series) - len(before.series) <= MOST_NEW, after.series.keys() - before.series.keys()
    assert mark not in after.text
    assert not after.labels(f"{either.service.name}_requests_total") & set(STRANGE)
