"""The clocked issuer in an internet that tests make; the folder named by INTERNET holds it.

`names.json`: to each name its answers, one a lookup and the last for ever. `routes.json`: to each address a port here.
`happened`: one line for each lookup and each connection tried.
"""

from __future__ import annotations

import functools
import json
import os
import ssl
from collections import Counter
from pathlib import Path
from typing import Any

import httpcore
from tests.support import clocked

from issuer import app, fetch

folder = Path(os.environ["INTERNET"])
asked: Counter[tuple[str, int]] = Counter()
really_connect = httpcore.AnyIOBackend.connect_tcp


def note(*words: object) -> None:
    with (folder / "happened").open("a") as happened:
        happened.write(" ".join(map(str, words)) + "\n")


async def lookup(name: str, port: int) -> list[str]:
    note("lookup", name)
    path = folder / "names.json"
    answers = json.loads(path.read_text()).get(name)
    if not answers:
        raise OSError("no such name")
    turn = (name, path.stat().st_mtime_ns)
    asked[turn] += 1
    found: list[str] = answers[min(asked[turn], len(answers)) - 1]
    return found


async def connect_tcp(backend: Any, host: str, port: int, *rest: Any, **named: Any) -> Any:
    note("connect", host, port)
    routes = json.loads((folder / "routes.json").read_text())
    if host not in routes:
        raise httpcore.ConnectError("nobody lives there")
    return await really_connect(backend, "127.0.0.1", routes[host], *rest, **named)


if __name__ == "__main__":
    context = ssl.create_default_context(cafile=os.environ["AUTHORITY"])
    vars(app)["Fetcher"] = functools.partial(fetch.Fetcher, resolve=lookup, context=context)
    httpcore.AnyIOBackend.connect_tcp = connect_tcp  # type: ignore[method-assign, assignment]
    clocked.main()
